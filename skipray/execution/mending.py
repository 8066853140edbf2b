"""Makes damaged files of finished runs anew: a probe of the saved weights, and of the network as it was initialised,
measures what the trial's own probe measured. Nothing is trained."""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import replace

import pandas as pd

from skipray import tracking
from skipray.execution.measuring import measure_weights
from skipray.spec import ProbeSpec, SweepSpec, TrialSpec
from skipray.storage import histograms_to_parquet, layers_to_parquet, spectra_to_npz
from skipray.tracking import Measured, Problem


def mend(
    sweep: SweepSpec, findings: Iterable[Problem], tracking_uri: str | None = None, *, say: Callable[[str], None]
) -> list[Problem]:
    """Mend the findings of `skipray.tracking.examine` that a measurement mends.

    Args:
        say: told how each went: whether a file is again what it was, bit for bit.

    Returns:
        The findings that were mended.
    """
    uri = tracking.resolve_uri(sweep, tracking_uri)
    wanted = {f.trial_id: f for f in findings if f.action == "measure"}
    done = []
    for trial in tracking.known_trials(sweep, uri).trials:
        finding = wanted.get(trial.trial_id)
        if finding is None:
            continue
        run = tracking.finished_run(uri, finding.run_id)
        weights = tracking.read_weights(uri, run.row)
        if weights is None:
            say(f"{trial.label}: its weights cannot be read")
            continue
        try:
            files = remade(trial, weights, run.row.probe, run.last_epoch, trained=run.row.outcome != "diverged")
        except ValueError as error:
            say(str(error))
            continue
        say(f"{trial.label}: {tracking.replace_files(uri, run, files)}")
        done.append(finding)
    return done


def remade(trial: TrialSpec, weights: bytes, probe: str | None, epoch: int, *, trained: bool) -> dict[str, bytes]:
    """What the trial's probe left of its first and last epoch, measured again: file name -> bytes.

    Args:
        probe: JSON of the settings that the run was measured with.
        epoch: that the weights belong to.

    Raises:
        ValueError: the weights are another network's.
    """
    if probe is not None:
        trial = replace(trial, probe=ProbeSpec.model_validate_json(json.dumps(json.loads(probe))))
    data_root = os.environ.get("SKIPRAY_DATA")
    found: list[Measured] = []
    if epoch > 0:
        found.append(measure_weights(trial, None, epoch=0, scalars=False, data_root=data_root))
    found.append(measure_weights(trial, weights, epoch=epoch, scalars=trained, data_root=data_root))
    layers = pd.concat([f.layers for f in found], ignore_index=True)
    files = {
        "layers.parquet": layers_to_parquet(layers),
        "spectra.npz": spectra_to_npz({key: value for f in found for key, value in f.spectra.items()}),
    }
    histograms = [h for f in found for h in f.histograms]
    if histograms:
        files["histograms.parquet"] = histograms_to_parquet(histograms)
    return files
