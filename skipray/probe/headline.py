"""A handful of numbers of a whole network: aggregates over layers for the runs' metrics, and profiles by layer."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

AGGREGATED: dict[tuple[str, bool], dict[str, tuple[str, ...]]] = {
    ("hidden", False): {
        "log10_condition": ("last", "max", "median"),
        "effective_rank": ("last", "median"),
        "stable_rank": ("last", "median"),
        "mean_cosine": ("last", "median"),
        "dead_fraction": ("max", "median"),
    },
    ("hidden", True): {"log10_condition": ("last", "median"), "effective_rank": ("last",)},
    ("weight", False): {"log10_condition": ("max", "median"), "effective_rank": ("median",)},
    ("output_gradient", False): {"gradient_norm": ("max", "median")},
}
"""(tensor, centred) -> statistic -> its aggregates over layers that become metrics: few, since a tracking server draws
a chart for each. All others can be had from layers.parquet."""
HEADLINE_UNFOLDINGS = ("matrix", "samples", "out")
"""Of a 4-D tensor the unfolding by samples (hidden) or outputs (weights), whose rows are those of the matrix case."""

Profile = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
"""`hidden.log10_condition` -> (layer index, value, censored), by layer; absent values are NaN."""


def profiles(table: pd.DataFrame, phase: str) -> Profile:
    """The statistics that become metrics, by layer, of one phase."""
    wanted = {(tensor, centred, s) for (tensor, centred), names in AGGREGATED.items() for s in names}
    columns = ("tensor", "centred", "statistic", "unfolding", "phase", "layer_index", "value", "censored")
    found: dict[str, list[tuple[int, float, int]]] = {}
    for tensor, centred, statistic, unfolding, where, index, value, censored in zip(
        *(table[c].to_list() for c in columns), strict=True
    ):
        chosen = (tensor, centred, statistic) in wanted and where == phase and unfolding in HEADLINE_UNFOLDINGS
        if chosen:
            found.setdefault(key(tensor, centred, statistic), []).append((index, value, censored))
    order = [key(tensor, centred, s) for (tensor, centred), names in AGGREGATED.items() for s in names]
    out: Profile = {}
    for name in order:
        if name in found:
            ordered = sorted(found[name], key=lambda row: row[0])
            index, value, censored = (np.array(column) for column in zip(*ordered, strict=True))
            # Blocks of several weight layers: a chart needs one value a step, so these are counted one by one.
            distinct = len(set(index.tolist())) == len(index)
            out[name] = (index if distinct else np.arange(len(index))), value, censored
    return out


def metrics(profile: Profile) -> dict[str, float]:
    """`hidden.log10_condition.last`, `.max`, `.median`, ...; `<key>.censored` = 1 where the truth is beyond it."""
    out: dict[str, float] = {}
    for (tensor, centred), statistics in AGGREGATED.items():
        for statistic, aggregates in statistics.items():
            name = key(tensor, centred, statistic)
            if name in profile:
                _, value, censored = profile[name]
                out |= _aggregates(name, aggregates, value, censored != 0)
    return out


def key(tensor: str, centred: bool, statistic: str) -> str:
    """`hidden.log10_condition`, `hidden.centred.log10_condition`, `weight.effective_rank`."""
    return f"{tensor}.{'centred.' if centred else ''}{statistic}"


def _aggregates(name: str, wanted: Sequence[str], value: np.ndarray, censored: np.ndarray) -> dict[str, float]:
    known = np.isfinite(value)
    if not known.any():
        return {}
    found = {"max": float(value[known].max()), "median": float(np.median(value[known]))}
    if known[-1]:
        found["last"] = float(value[-1])
    # Censored condition numbers lie at one bound above all others, so an aggregate that reaches up to it is a bound.
    reached = float(value[known & censored].min(initial=np.inf))
    half = (value[known & censored].size * 2) >= known.sum()
    marked = {"max": found["max"] >= reached, "median": half, "last": bool(censored[-1])}
    kept = [a for a in wanted if a in found]
    return {f"{name}.{a}": found[a] for a in kept} | {f"{name}.{a}.censored": 1.0 for a in kept if marked[a]}
