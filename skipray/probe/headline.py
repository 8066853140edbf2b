"""A handful of numbers of a whole network: aggregates over layers for the runs' metrics, and profiles by layer."""

import numpy as np
import pandas as pd

AGGREGATED = {
    ("hidden", False): ("log10_condition", "effective_rank", "stable_rank", "mean_cosine", "dead_fraction"),
    ("hidden", True): ("log10_condition", "effective_rank"),
    ("weight", False): ("log10_condition", "effective_rank"),
    ("output_gradient", False): ("gradient_norm",),
}
"""(tensor, centred) -> statistics that become metrics: few, since a tracking server draws a chart for each."""
HEADLINE_UNFOLDINGS = ("matrix", "samples", "out")
"""Of a 4-D tensor the unfolding by samples (hidden) or by outputs (weights): rows are what the matrix case has as rows."""


def metrics(table: pd.DataFrame, phase: str) -> dict[str, float]:
    """`hidden.log10_condition.last`, `.max`, `.median`, ...; `<key>.censored` = 1 where the truth is beyond the value."""
    out: dict[str, float] = {}
    for (tensor, centred), part in _parts(table, phase):
        for statistic in AGGREGATED[tensor, centred]:
            chosen = part[part["statistic"] == statistic].sort_values("layer_index")
            out |= _aggregates(key(tensor, centred, statistic), chosen["value"], chosen["censored"])
    return out


def profiles(table: pd.DataFrame, phase: str) -> dict[str, tuple[tuple[int, ...], tuple[float, ...]]]:
    """`profile.<key>` -> (layer indices, values), absent layers left out."""
    out: dict[str, tuple[tuple[int, ...], tuple[float, ...]]] = {}
    for (tensor, centred), part in _parts(table, phase):
        for statistic in AGGREGATED[tensor, centred]:
            chosen = part[part["statistic"] == statistic].dropna(subset="value").sort_values("layer_index")
            if len(chosen):
                out[f"profile.{key(tensor, centred, statistic)}"] = (
                    tuple(int(i) for i in chosen["layer_index"]),
                    tuple(float(v) for v in chosen["value"]),
                )
    return out


def key(tensor: str, centred: bool, statistic: str) -> str:
    """`hidden.log10_condition`, `hidden.centred.log10_condition`, `weight.effective_rank`."""
    return f"{tensor}.{'centred.' if centred else ''}{statistic}"


def _parts(table: pd.DataFrame, phase: str) -> list[tuple[tuple[str, bool], pd.DataFrame]]:
    headline = table[(table["phase"] == phase) & table["unfolding"].isin(HEADLINE_UNFOLDINGS)]
    out = []
    for tensor, centred in AGGREGATED:
        part = headline[(headline["tensor"] == tensor) & (headline["centred"] == centred)]
        out.append(((tensor, centred), part))
    return out


def _aggregates(name: str, value: pd.Series, censored: pd.Series) -> dict[str, float]:
    v, c = value.to_numpy(), censored.to_numpy()
    known = np.isfinite(v)
    if not known.any():
        return {}
    found = {"max": float(v[known].max()), "median": float(np.median(v[known]))}
    if known[-1]:
        found["last"] = float(v[-1])
    out = {f"{name}.{aggregate}": number for aggregate, number in found.items()}
    # Censored values lie at one bound, so an aggregate is beyond its value when it reaches up to a censored one.
    marked = {
        "max": bool((c[known] != 0)[v[known] == v[known].max()].any()),
        "median": bool((c[known] > 0).mean() >= 0.5),
        "last": bool(c[-1] != 0),
    }
    return out | {f"{name}.{a}.censored": 1.0 for a in found if marked[a]}
