"""Makes damaged files of finished runs anew: a probe of the saved weights, and of the network as it was initialised,
measures what the trial's own probe measured. Nothing is trained."""

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from skipray import tracking
from skipray.execution.measuring import measure_weights
from skipray.spec import ProbeSpec, SweepSpec, TrialSpec
from skipray.storage import histograms_to_parquet, layers_to_parquet, spectra_to_npz
from skipray.tracking import Finished, Measured, Problem


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
    trials = [t for t in tracking.known_trials(sweep, uri).trials if t.trial_id in wanted]
    lacking = tracking.lacking(sweep, uri, trials)
    for sentence in lacking.values():
        say(sentence)
    done = []
    for trial in trials:
        if lacks := tracking.lacks(trial, lacking):
            say(f"{trial.label}: left as it is without {', '.join(lacks)}")
            continue
        run = tracking.finished_run(uri, wanted[trial.trial_id].run_id)
        weights = tracking.read_weights(uri, run.row)
        if weights is None:
            say(f"{trial.label}: its weights cannot be read")
            continue
        try:
            files = remade_files(trial, weights, run, tracking.torn_files(uri, run))
        except ValueError as error:
            say(str(error))
            continue
        between = " (of its first and last epoch: those between cannot be measured again)"
        said = tracking.replace_files(uri, run, files)
        say(f"{trial.label}: {said}{between if trial.probe.every_epochs and 'anew' in said else ''}")
        done.append(wanted[trial.trial_id])
    return done


def remade_files(trial: TrialSpec, weights: bytes, run: Finished, torn: Collection[str]) -> dict[str, bytes]:
    """What the run's probe, and its later measurements, have left in the files that are torn: file name -> bytes.

    Raises:
        ValueError: the weights are another network's.
    """
    trained = run.row.outcome != "diverged"
    files: dict[str, bytes] = {}
    if any(not tracking.measurement_of(name) for name in torn):
        files = remade(trial, weights, run.row.probe, run.last_epoch, trained=trained)
    for name in dict.fromkeys(filter(None, map(tracking.measurement_of, torn))):
        settings = _probe(run.settings.get(name, {}))
        root = os.environ.get("SKIPRAY_DATA")
        later = replace(trial, probe=settings)
        found = measure_weights(later, weights, epoch=run.last_epoch, scalars=trained, data_root=root)
        files |= tracking.measurement_files(name, found)
    return files


def _probe(settings: Mapping[str, Any]) -> ProbeSpec:
    # A measurement from before there were histograms has none.
    known = {key: value for key, value in settings.items() if key in ProbeSpec.model_fields}
    return ProbeSpec.model_validate_json(json.dumps({"histograms": False} | known))


def remade(trial: TrialSpec, weights: bytes, probe: str | None, epoch: int, *, trained: bool) -> dict[str, bytes]:
    """What the trial's probe left of its first and last epoch, measured again: file name -> bytes.

    Args:
        probe: JSON of the settings that the run was measured with.
        epoch: that the weights belong to.

    Raises:
        ValueError: the weights are another network's.
    """
    if probe is not None:
        trial = replace(trial, probe=_probe(json.loads(probe)))
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
