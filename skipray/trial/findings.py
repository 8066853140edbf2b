"""What a trial has found so far: its epochs' records and the tables, spectra and histograms of its probes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import torch

from skipray.probe import Measurement
from skipray.records import LAYER_COLUMNS, EpochRecord, Histogram
from skipray.storage import histograms_from_parquet, histograms_to_parquet

_LAYER_TYPES = dict.fromkeys(LAYER_COLUMNS, object) | {
    "epoch": "int64",
    "layer_index": "int64",
    "centred": "bool",
    "version": "int64",
    "value": "float64",
    "censored": "int64",
}
_SPECTRA = "spectra/"
"""Before a spectrum's name, among the tensors of a state."""


@dataclass
class Findings:
    """Grows with each epoch; a checkpoint holds all of it, so that a resumed trial ends with the same."""

    records: list[EpochRecord] = field(default_factory=list)
    layers: list[pd.DataFrame] = field(default_factory=list)
    """A table per probe."""
    spectra: dict[str, np.ndarray] = field(default_factory=dict)
    histograms: tuple[Histogram, ...] = ()
    last: Measurement | None = None
    """The latest probe of this attempt."""
    compiling: dict[str, Any] = field(default_factory=dict)
    """How steps were compiled, see `skipray.trial.compiling`: a resumed trial goes on so."""
    absent: str = ""
    """Which network metrics have no value at the end, and why."""

    def add(self, measured: Measurement) -> None:
        """A probe's results."""
        self.last = measured
        self.layers.append(measured.layers)
        self.spectra |= measured.spectra
        self.histograms += measured.histograms

    def table(self) -> pd.DataFrame:
        """All probes' rows, with fixed column types, whether they were just measured or come from a checkpoint."""
        tables = [table for table in self.layers if len(table)]
        if not tables:
            return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in _LAYER_TYPES.items()})
        return pd.concat(tables, ignore_index=True).astype(_LAYER_TYPES)

    def told(self) -> dict[str, str]:
        """In words, where there is anything to say: how the layers of a network of one's own were found (`layers`),
        which network metrics have no value and why (`absent`), torch.compile's mode of the steps (`compile`)."""
        found = {
            "layers": self.last.layers_rule if self.last else "",
            "absent": self.absent,
            "compile": str(self.compiling["ran"]) if self.compiling else "",
        }
        return {key: words for key, words in found.items() if words}

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Tensors and plain values of a checkpoint."""
        packed = BytesIO()
        self.table().to_parquet(packed)
        tensors = {
            "layers": _bytes(packed.getvalue()),
            "histograms": _bytes(histograms_to_parquet(self.histograms)),
            **{f"{_SPECTRA}{key}": torch.from_numpy(np.asarray(s)) for key, s in self.spectra.items()},
        }
        records = [[r.epoch, r.time_ms, r.metrics] for r in self.records]
        return tensors, {"records": records, "compiling": self.compiling}


def findings_of(tensors: Mapping[str, torch.Tensor], values: Mapping[str, Any]) -> Findings:
    """Those of a checkpoint; a state from before there were histograms, or compiled steps, has none."""
    held = tensors.get("histograms")
    return Findings(
        [EpochRecord(epoch, time_ms, metrics) for epoch, time_ms, metrics in values["records"]],
        [pd.read_parquet(BytesIO(tensors["layers"].numpy().tobytes()))],
        {key.removeprefix(_SPECTRA): t.numpy() for key, t in tensors.items() if key.startswith(_SPECTRA)},
        histograms_from_parquet(held.numpy().tobytes()) if held is not None else (),
        compiling=dict(values.get("compiling", {})),
    )


def _bytes(content: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)
