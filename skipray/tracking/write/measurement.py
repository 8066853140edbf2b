"""What `skipray measure` adds to a finished run: a later look at its final weights. Nothing in the run is overwritten.

    measurements/NAME/layers.parquet, ...    all that the measurement found, with its metrics in metrics.json
    metrics                                  those under keys that the run did not have
    tag skipray.measurement.NAME             probe settings, skipray's version, keys that it gave

A key that the run has keeps its value, which belongs to the settings that the run was made with.
"""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skipray import __version__
from skipray.records import Histogram
from skipray.storage import histograms_to_parquet, layers_to_parquet, spectra_to_npz
from skipray.tracking.address import Address
from skipray.tracking.checksums import checksums_of, read_checksums
from skipray.tracking.client import reach
from skipray.tracking.files import read_file as read_bytes
from skipray.tracking.files import write_files
from skipray.tracking.read.artifacts import HISTOGRAMS, read_file
from skipray.tracking.read.damage import WEIGHTS, broken
from skipray.tracking.read.row import RunRow, object_of, row_of
from skipray.tracking.schema import ARTIFACTS, LARGEST, MEASURED, MEASUREMENT_PREFIX, MENDED, PARENT, TIME_KEY

CENSORED = ".censored"


@dataclass(frozen=True)
class Finished:
    """A finished run, to be measured."""

    row: RunRow
    keys: frozenset[str]
    """Of its metrics."""
    last_epoch: int
    """That its weights belong to."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Later measurement -> the probe's settings that it was made with."""


@dataclass(frozen=True)
class Measured:
    """What a measurement found."""

    settings: Mapping[str, Any]
    """Of the probe."""
    layers: pd.DataFrame
    """Columns skipray.records.LAYER_COLUMNS."""
    spectra: dict[str, np.ndarray] = field(default_factory=dict)
    histograms: tuple[Histogram, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Under their MLflow keys."""
    profiles: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    profile_layers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    seconds: float = 0.0


def address_of(uri: str, run_id: str) -> Address:
    """The address that a finished run was recorded at. Unlike `prepare` it touches nothing."""
    run = reach(uri, lambda c: c.get_run(run_id))
    experiment = reach(uri, lambda c: c.get_experiment(run.info.experiment_id))
    return Address(uri, str(experiment.experiment_id), run.data.tags.get(PARENT, ""), experiment.artifact_location)


def finished_run(uri: str, run_id: str) -> Finished:
    """A run as it is now."""
    run = reach(uri, lambda c: c.get_run(run_id))
    times = reach(uri, lambda c: c.get_metric_history(run_id, TIME_KEY))
    row = row_of(run)
    about = {name: object_of(run.data.tags.get(MEASUREMENT_PREFIX + name)) for name in row.measured}
    settings = {name: object_of(json.dumps(told.get("probe"))) for name, told in about.items()}
    return Finished(row, frozenset(run.data.metrics), max(m.step for m in times), settings)


def read_weights(uri: str, row: RunRow) -> bytes | None:
    """The run's final weights, a safetensors file; None when it has kept none."""
    return read_file(uri, row, WEIGHTS)


def why_no_weights(row: RunRow) -> str:
    """Why `read_weights` gives none, in words that go on from the run's name."""
    if WEIGHTS in read_checksums(row.artifacts):
        return "has no weights that are as they were recorded (`skipray doctor` names the file)"
    return "has kept no weights (tracking.save_weights was off)"


def add_measurement(uri: str, run: Finished, name: str, found: Measured) -> list[str]:
    """Add a measurement to a finished run.

    Args:
        name: of the measurement; one that the run has already is left as it is.

    Returns:
        The metric keys that the run did not have.
    """
    from mlflow.entities import Metric, RunTag

    if name in run.row.measured:
        return []
    now = int(time.time() * 1000)
    new = new_values(found.metrics, run.keys)
    metrics = [Metric(key, value, now, run.last_epoch) for key, value in new.items()]
    profiles = [key for key in found.profiles if key not in run.keys and found.profiles[key]]
    for key in profiles:
        layers = found.profile_layers.get(key, tuple(range(len(found.profiles[key]))))
        metrics += [Metric(key, v, now, i) for v, i in zip(found.profiles[key], layers, strict=True)]
    keys = [*new, *profiles]
    contents = measurement_files(name, found)
    write_files(uri, run.row.artifact_uri, run.row.run_id, contents)
    about = {"probe": dict(found.settings), "skipray": __version__, "seconds": round(found.seconds, 4), "keys": keys}
    tags = [
        RunTag(MEASUREMENT_PREFIX + name, json.dumps(about, sort_keys=True)),
        RunTag(MEASURED, ",".join([*run.row.measured, name])),
        RunTag(ARTIFACTS, checksums_of(contents, run.row.artifacts)),
    ]
    run_id = run.row.run_id
    reach(uri, lambda c: c.log_batch(run_id, metrics=metrics, tags=tags))
    # Caches of what was read back know a run by its end. A millisecond, so that a duplicate does not become the winner.
    end = (run.row.end_ms or now) + 1
    reach(uri, lambda c: c.set_terminated(run_id, "FINISHED", end))
    return keys


def torn_files(uri: str, run: Finished) -> set[str]:
    """The files of a run that are not what was recorded or, where no checksums were kept, not whole."""
    expected = read_checksums(run.row.artifacts)
    if not expected:
        return {name for name, _ in broken(uri, run.row)}
    place = (uri, run.row.artifact_uri, run.row.run_id)
    return {n for n, c in expected.items() if c.problem(read_bytes(*place, n, expected=c))}


def replace_files(uri: str, run: Finished, made: Mapping[str, bytes]) -> str:
    """Put files that were measured again in the place of damaged ones; those that are whole stay.

    Returns:
        What was replaced, in words: as it was bit for bit, or measured anew.
    """
    from mlflow.entities import RunTag

    expected, torn = read_checksums(run.row.artifacts), torn_files(uri, run)
    fresh = {name: content for name, content in made.items() if name in torn}
    same = sorted(n for n, content in fresh.items() if n in expected and not expected[n].problem(content))
    anew = sorted(set(fresh) - set(same))
    write_files(uri, run.row.artifact_uri, run.row.run_id, fresh)
    mended = json.dumps({"files": anew, "skipray": __version__, "time_ms": int(time.time() * 1000)})
    tags = [RunTag(ARTIFACTS, checksums_of(fresh, run.row.artifacts)), *([RunTag(MENDED, mended)] if anew else [])]
    run_id, end = run.row.run_id, (run.row.end_ms or 0) + 1
    reach(uri, lambda c: c.log_batch(run_id, tags=tags))
    reach(uri, lambda c: c.set_terminated(run_id, "FINISHED", end))  # caches know a run by its end
    words = [f"{', '.join(same)} as it was, bit for bit"] if same else []
    return "; ".join(words + ([f"{', '.join(anew)} measured anew"] if anew else []))


def new_values(metrics: Mapping[str, float], have: frozenset[str]) -> dict[str, float]:
    """Finite values under keys that a run does not have; a `.censored` mark only with the value that it marks."""
    return {
        key: float(value)
        for key, value in metrics.items()
        if math.isfinite(value) and abs(value) < LARGEST and not have.intersection((key, key.removesuffix(CENSORED)))
    }


def measurement_files(name: str, found: Measured) -> dict[str, bytes]:
    """The files of a measurement, under their names in the run."""
    finite = {key: value for key, value in found.metrics.items() if math.isfinite(value)}
    files = {
        "layers.parquet": layers_to_parquet(found.layers),
        "spectra.npz": spectra_to_npz(found.spectra),
        "metrics.json": json.dumps(finite, indent=1, sort_keys=True).encode(),
    }
    if found.histograms:
        files[HISTOGRAMS] = histograms_to_parquet(found.histograms)
    return {f"measurements/{name}/{file}": content for file, content in files.items()}
