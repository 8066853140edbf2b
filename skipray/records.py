"""What a trial hands up: plain values, no torch, no Ray, no MLflow."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    import pandas as pd  # which takes half of what a verb that reads no results needs to start

Outcome = Literal["trained", "untrained", "diverged"]
"""How a finished trial judged itself, as it was tracked: trained is better than naming the most frequent class. What
counts when results are read, `skipray.analysis.trained` decides. A trial that raised is tracked as
`failed`, and has no record."""
State = Literal["finished", "running", "failed", "missing"]
"""Where a trial stands."""
STATES: tuple[State, ...] = get_args(State)

DEFAULT_STORE = "skipray.db"
"""The file in the working directory in which is tracked where no address is named."""
CHANCE_SCORE, CHANCE_LOSS = "chance.accuracy", "chance.loss"
"""Logged with a trial's last epoch: share of the most frequent class in the training split, and the cross-entropy of
naming each class with its frequency, in nats."""

_SHARES = ("accuracy",)
"""What the names of shares end with: values from 0 to 1."""
_DIFFERENCES = ("gap.",)
"""What the names of differences of two values begin with, from -1 to 1 where they are of shares."""


def no_share(name: str, value: float) -> str:
    """What is wrong with a value of a metric that is a share; empty where nothing is.

    >>> no_share("test.accuracy", 95.5), no_share("gap.accuracy", -0.1), no_share("test.loss", 2.3)
    ('found 95.5; allowed: a share from 0 to 1, percent divided by 100', '', '')
    """
    lowest = -1 if name.startswith(_DIFFERENCES) else 0
    if not name.endswith(_SHARES) or math.isnan(value) or lowest <= value <= 1:
        return ""
    return f"found {value:g}; allowed: a share from {lowest} to 1, percent divided by 100"


LAYER_COLUMNS = (
    "epoch",
    "layer",
    "layer_index",
    "tensor",
    "unfolding",
    "centred",
    "phase",
    "statistic",
    "version",
    "value",
    "censored",
    "reason",
)
"""One row per statistic: the columns of layers.parquet.

epoch int; layer str; layer_index int (0 = stem); tensor str (hidden, branch, skip, weight, weight_update,
weight_gradient, output_gradient); unfolding str (matrix, samples, channels, height, width, out, in); centred bool;
phase str (eval: evaluation mode; train: at epoch 0 the same with batch statistics, later training mode); statistic str
and version int: the definition; value float64; censored int (-1 the truth is below, 0, 1 above); reason str, empty
unless the value is absent (NaN).
"""


HISTOGRAM_COLUMNS = ("epoch", "layer", "layer_index", "tensor", "low", "high", "count")
"""One row per bin: the columns of histograms.parquet. See Bins and Histogram; count is int64."""


@dataclass(frozen=True)
class Bins:
    """Counts of numbers by value; bins that hold none are left out."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    """(bins,) A bin from 0 to 0 holds the exact zeros, which no other bin counts."""
    count: tuple[int, ...]


@dataclass(frozen=True)
class Histogram:
    """How the entries of one tensor are distributed, in the phase of the headline values."""

    epoch: int
    layer: str
    layer_index: int
    tensor: str
    """hidden | weight"""
    bins: Bins


@dataclass(frozen=True)
class EpochRecord:
    """Scalars of one epoch under their MLflow keys. Every value is finite."""

    epoch: int
    time_ms: int
    """Wall clock in milliseconds since 1970 when the epoch ended; a resend carries the same."""
    metrics: dict[str, float]


@dataclass(frozen=True)
class TrialRecord:
    """All that a finished trial leaves."""

    trial_id: str
    outcome: Outcome
    epochs: tuple[EpochRecord, ...]
    """Epoch 0 is the network at initialisation. The last one also holds the final generalization metrics."""
    layers: "pd.DataFrame"
    """Columns LAYER_COLUMNS."""
    spectra: dict[str, np.ndarray] = field(default_factory=dict)
    """`epoch/layer/tensor/unfolding/raw|centred` -> singular values, descending."""
    profiles: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """`profile.hidden.log10_condition` -> one finite value per layer, at the last epoch."""
    profile_layers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The layer index of each value in `profiles` (absent ones leave gaps)."""
    histograms: tuple[Histogram, ...] = ()
    """Of activations and weights at the first and the last layer."""
    weights: bytes | None = None
    """Final weights and buffers as a safetensors file."""
    train_seconds: float = 0.0
    probe_seconds: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)
    """Versions and hardware of the worker: torch, numpy, device name, hostname."""
    compiling: dict[str, Any] = field(default_factory=dict)
    """How the steps were compiled, where the recipe asks for it: `asked`, `ran`, `compile_seconds` and, of auto, `why`
    with the estimate that it rests on. Plain values."""
