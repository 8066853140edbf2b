"""A finished trial as bytes, without pickle: one zip of JSON, Parquet, npz and safetensors.

Parquet and npz are also the artifacts that the tracking store gets: what is kept is what is delivered.
"""

import io
import itertools
import json
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skipray.records import HISTOGRAM_COLUMNS, LAYER_COLUMNS, Bins, EpochRecord, Histogram, TrialRecord

if TYPE_CHECKING:
    import pandas as pd

FORMAT_VERSION = 1

_WORDS = pa.dictionary(pa.int16(), pa.string())
LAYER_SCHEMA = pa.schema(
    [
        ("epoch", pa.int32()),
        ("layer", pa.dictionary(pa.int32(), pa.string())),
        ("layer_index", pa.int32()),
        ("tensor", _WORDS),
        ("unfolding", _WORDS),
        ("centred", pa.bool_()),
        ("phase", _WORDS),
        ("statistic", _WORDS),
        ("version", pa.int16()),
        ("value", pa.float64()),
        ("censored", pa.int8()),
        ("reason", _WORDS),
    ]
)
"""Column types of layers.parquet: words as dictionaries, counts as the smallest integers that hold them."""
assert tuple(LAYER_SCHEMA.names) == LAYER_COLUMNS


HISTOGRAM_SCHEMA = pa.schema(
    [
        ("epoch", pa.int32()),
        ("layer", pa.dictionary(pa.int32(), pa.string())),
        ("layer_index", pa.int32()),
        ("tensor", _WORDS),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("count", pa.int64()),
    ]
)
assert tuple(HISTOGRAM_SCHEMA.names) == HISTOGRAM_COLUMNS


def layers_to_parquet(layers: "pd.DataFrame") -> bytes:
    """layers.parquet of a run: columns LAYER_COLUMNS, zstd."""
    import pandas as pd

    columns = []
    for field in LAYER_SCHEMA:
        column = layers[field.name]
        if pa.types.is_dictionary(field.type):
            codes, words = pd.factorize(column.to_numpy(dtype=object), sort=False)
            values: pa.Array = pa.DictionaryArray.from_arrays(
                pa.array(codes, field.type.index_type), pa.array(list(words), pa.string())
            )
        else:
            values = pa.array(column.to_numpy()).cast(field.type)
        columns.append(values)
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=LAYER_SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()


def layers_from_parquet(data: bytes) -> "pd.DataFrame":
    """The columns of layers.parquet, words as categories. ValueError when it is damaged."""
    return pq.read_table(pa.BufferReader(data)).to_pandas()


def histograms_to_parquet(histograms: Sequence[Histogram]) -> bytes:
    """histograms.parquet of a run: columns HISTOGRAM_COLUMNS, one row per bin, zstd."""
    rows = [
        (h.epoch, h.layer, h.layer_index, h.tensor, low, high, count)
        for h in histograms
        for low, high, count in zip(h.bins.low, h.bins.high, h.bins.count, strict=True)
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(HISTOGRAM_COLUMNS)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, HISTOGRAM_SCHEMA, strict=True)]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=HISTOGRAM_SCHEMA), buffer, compression="zstd")
    return buffer.getvalue()


def histograms_from_parquet(data: bytes) -> tuple[Histogram, ...]:
    """What `histograms_to_parquet` made. ValueError when it is damaged."""
    rows = zip(*pq.read_table(pa.BufferReader(data)).to_pydict().values(), strict=True)
    found = []
    for (epoch, layer, index, tensor), part in itertools.groupby(rows, key=lambda row: row[:4]):
        low, high, count = zip(*(row[4:] for row in part), strict=True)
        found.append(Histogram(epoch, layer, index, tensor, Bins(low, high, count)))
    return tuple(found)


def spectra_to_npz(spectra: dict[str, np.ndarray]) -> bytes:
    """spectra.npz of a run: `epoch/layer/tensor/unfolding/raw|centred` -> singular values, descending."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **spectra)
    return buffer.getvalue()


def spectra_from_npz(data: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def artifacts_of(record: TrialRecord) -> dict[str, bytes]:
    """File name -> bytes of what a run keeps as artifacts."""
    files = {"layers.parquet": layers_to_parquet(record.layers), "spectra.npz": spectra_to_npz(record.spectra)}
    if record.histograms:
        files["histograms.parquet"] = histograms_to_parquet(record.histograms)
    if record.weights is not None:
        files["weights.safetensors"] = record.weights
    return files


def encode_result(record: TrialRecord, artifacts: dict[str, bytes] | None = None) -> bytes:
    """A result as one file with checksums; `artifacts` when they are made already."""
    scalars = {
        "format": FORMAT_VERSION,
        "trial_id": record.trial_id,
        "outcome": record.outcome,
        "epochs": [{"epoch": e.epoch, "time_ms": e.time_ms, "metrics": e.metrics} for e in record.epochs],
        "profiles": {key: list(values) for key, values in record.profiles.items()},
        "profile_layers": {key: list(values) for key, values in record.profile_layers.items()},
        "train_seconds": record.train_seconds,
        "probe_seconds": record.probe_seconds,
        "environment": record.environment,
        "compiling": record.compiling,
    }
    files = {"record.json": json.dumps(scalars).encode()}
    files |= artifacts if artifacts is not None else artifacts_of(record)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def decode_result(data: bytes) -> TrialRecord:
    """What `encode_result` made. ValueError when it is truncated, damaged or of another format."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        scalars = json.loads(files["record.json"])
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise ValueError(f"it is truncated or damaged ({error})") from None
    if not isinstance(scalars, dict) or scalars.get("format") != FORMAT_VERSION:
        found = scalars.get("format") if isinstance(scalars, dict) else type(scalars).__name__
        raise ValueError(f"its format is {found}, not {FORMAT_VERSION}")
    try:
        return _record(scalars, files)
    except (KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise ValueError(f"it is no result ({type(error).__name__}: {error})") from None


def _record(scalars: dict[str, Any], files: dict[str, bytes]) -> TrialRecord:
    return TrialRecord(
        trial_id=scalars["trial_id"],
        outcome=scalars["outcome"],
        epochs=tuple(EpochRecord(e["epoch"], e["time_ms"], e["metrics"]) for e in scalars["epochs"]),
        layers=layers_from_parquet(files["layers.parquet"]),
        spectra=spectra_from_npz(files["spectra.npz"]),
        profiles={key: tuple(values) for key, values in scalars["profiles"].items()},
        profile_layers={key: tuple(values) for key, values in scalars["profile_layers"].items()},
        histograms=histograms_from_parquet(files["histograms.parquet"]) if "histograms.parquet" in files else (),
        weights=files.get("weights.safetensors"),
        train_seconds=scalars["train_seconds"],
        probe_seconds=scalars["probe_seconds"],
        environment=scalars["environment"],
        compiling=scalars.get("compiling", {}),  # one from before there were compiled steps has none
    )
