"""A handful of numbers of a whole network: aggregates over layers for the runs' metrics, and profiles by layer."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skipray.metrics import HEADLINE_UNFOLDINGS, Entry, Headline, LayerMetric

Profile = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]
"""`hidden.log10_condition` -> (layer index, value, censored), by layer; absent values are NaN."""


def profiles(table: pd.DataFrame, phase: str, metrics: Sequence[Entry]) -> Profile:
    """The statistics that become metrics, by layer, of one phase."""
    wanted = {(h.tensor, h.centred, m.key): m.name_of(h) for m, h in _headlines(metrics)}
    columns = ("tensor", "centred", "statistic", "unfolding", "phase", "layer_index", "value", "censored")
    found: dict[str, list[tuple[int, float, int]]] = {name: [] for name in wanted.values()}
    for tensor, centred, statistic, unfolding, where, index, value, censored in zip(
        *(table[c].to_list() for c in columns), strict=True
    ):
        name = wanted.get((tensor, centred, statistic))
        if name is not None and where == phase and unfolding in HEADLINE_UNFOLDINGS:
            found[name].append((index, value, censored))
    out: Profile = {}
    for name, rows in found.items():
        if rows:
            index, value, censored = (
                np.array(column) for column in zip(*sorted(rows, key=lambda row: row[0]), strict=True)
            )
            # Blocks of several weight layers: a chart needs one value per step, so these are counted one by one.
            distinct = len(set(index.tolist())) == len(index)
            out[name] = (index if distinct else np.arange(len(index))), value, censored
    return out


def aggregates(profile: Profile, metrics: Sequence[Entry]) -> dict[str, float]:
    """`hidden.log10_condition.last`, `.max`, `.median`, ...; `<key>.censored` = 1 where the truth is beyond it."""
    out: dict[str, float] = {}
    for metric, headline in _headlines(metrics):
        name = metric.name_of(headline)
        if name in profile:
            _, value, censored = profile[name]
            out |= _aggregates(name, headline.aggregates, value, censored != 0)
    return out


def last_blocks(table: pd.DataFrame, phase: str, metrics: Sequence[Entry]) -> dict[str, float]:
    """`weight_gradient.gradient_norm.last_block`: the largest value at the last hidden layer."""
    asked = [(m, h) for m, h in _headlines(metrics) if "last_block" in h.aggregates]
    if not asked:
        return {}
    columns = ("tensor", "centred", "statistic", "unfolding", "phase", "layer_index", "value")
    rows = list(zip(*(table[c].to_list() for c in columns), strict=True))
    last = max((index for tensor, *_, index, _ in rows if tensor == "hidden"), default=None)
    largest: dict[tuple[str, bool, str], float] = {}
    for tensor, centred, statistic, unfolding, where, index, value in rows:
        if index == last and where == phase and unfolding in HEADLINE_UNFOLDINGS and np.isfinite(value):
            key = tensor, bool(centred), statistic
            largest[key] = max(value, largest.get(key, value))
    found = {m.name_of(h): largest.get((h.tensor, h.centred, m.key)) for m, h in asked}
    return {f"{name}.last_block": float(value) for name, value in found.items() if value is not None}


def _headlines(metrics: Sequence[Entry]) -> list[tuple[LayerMetric, Headline]]:
    return [(e.metric, h) for e in metrics if isinstance(e.metric, LayerMetric) for h in e.metric.headlines]


def _aggregates(name: str, wanted: Sequence[str], value: np.ndarray, censored: np.ndarray) -> dict[str, float]:
    known = np.isfinite(value)
    if not known.any():
        return {}
    low, middle, high = float(value[known].min()), float(np.median(value[known])), float(value[known].max())
    found = {"min": low, "max": high, "median": middle}
    if known[-1]:
        found["last"] = float(value[-1])
    # Censored condition numbers lie at one bound above all others, so an aggregate that reaches up to it is a bound.
    reached = float(value[known & censored].min(initial=np.inf))
    half = (value[known & censored].size * 2) >= known.sum()
    marked = {"min": low >= reached, "max": high >= reached, "median": half, "last": bool(censored[-1])}
    kept = [a for a in wanted if a in found]
    return {f"{name}.{a}": found[a] for a in kept} | {f"{name}.{a}.censored": 1.0 for a in kept if marked[a]}
