"""What `trained` means, decided from what was logged: another definition trains nothing anew and holds for old stores.

Three things can be asked of a network, each with a limit of its own: whether it *fits* the training set (the headline),
whether it *learns* anything, and whether it *lags* behind its twins, the other families at the same depth, factors and
seed. The sweep's `trained` has the thresholds. One that does not fit and whose loss ended far above that of the best
constant answer has *exploded*: it is worse than not having learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skipray.analysis.score import Score, score_of
from skipray.records import CHANCE_SCORE
from skipray.spec import Group, SweepSpec
from skipray.spec.data_factors import DATASET

FITS, LEARNS, KEEPS_UP = "trained.fits", "trained.learns", "trained.keeps_up"
"""Columns of a judged table: 1, 0, or NaN where it cannot be told (no twin that learns, a score that is missing)."""
BAR = "trained.bar"
"""Column: the score from which a trial's group fits, never below that from which it learns."""


@dataclass(frozen=True)
class Definition:
    """One of the three, in words."""

    name: str
    """fits | learns | lags"""
    column: str
    sentence: str
    """What is asked, as a main clause: `A network fits where its train accuracy is at least 0.55, ...`"""


def judged(sweep: SweepSpec, trials: pd.DataFrame, groups: Sequence[Group]) -> pd.DataFrame:
    """The table with the columns above, and with `outcome` as they have it.

    Args:
        trials: finished trials, with the outcome that each was given when it ended.
        groups: of each row.
    """
    score = score_of(sweep, trials)
    lost = (trials["outcome"] == "diverged").to_numpy(dtype=bool)
    value = np.where(lost, score.chance, score.value)
    known = np.isfinite(value) & np.isfinite(score.chance)
    asked = sweep.trained
    least = _least(sweep, score)
    learns = _reaches(value, least)
    # A trial from before chance was logged: it knew itself how frequent its most frequent class was.
    told = trials[CHANCE_SCORE].notna().to_numpy() if CHANCE_SCORE in trials else np.zeros(len(trials), dtype=bool)
    learns &= told | (trials["outcome"] != "untrained").to_numpy(dtype=bool)
    learns &= ~lost
    bar = np.fmax(_bars(sweep, trials, groups, np.where(known, value, np.nan), score), least)
    fits = learns & _reaches(value, bar)
    tag = (trials["outcome"] == "trained").to_numpy(dtype=bool)
    out = trials.copy()
    out[FITS] = np.where(known, fits, tag).astype(float)
    out[LEARNS] = np.where(known, learns, tag).astype(float)
    out[KEEPS_UP] = _keeps_up(trials, groups, np.where(known, value, np.nan), learns, asked.lags.margin)
    out[BAR] = bar
    with np.errstate(invalid="ignore"):
        exploded = score.loss > asked.explodes.loss_ratio * score.chance_loss
    fitting = out[FITS].to_numpy() > 0
    judged_as = np.where(fitting, "trained", np.where(exploded, "exploded", "untrained"))
    out["outcome"] = np.where(lost, "diverged", judged_as)
    return out


def _reaches(value: np.ndarray, bar: np.ndarray) -> np.ndarray:
    """Whether values are at least a bar, which is computed: its last bits decide nothing."""
    return (value >= bar) | np.isclose(value, bar, rtol=1e-9, atol=0.0)


def definitions(sweep: SweepSpec, trials: pd.DataFrame) -> tuple[Definition, ...]:
    """The three definitions, the headline first, with the numbers that they come to in a judged table."""
    asked, score = sweep.trained, score_of(sweep, trials)
    data = trials[DATASET].astype(str).to_numpy() if DATASET in trials else np.full(len(trials), "")
    if len(trials) and not (np.isfinite(score.value) & np.isfinite(score.chance)).any():
        return _as_told(score.label)
    chance = _span(score.chance, data)
    at_least = _span(trials[BAR].to_numpy(dtype=float), data) if BAR in trials else ""
    level = _span(_least(sweep, score), data)
    if asked.fits.at_least is not None:
        fits = f"a {score.label} of at least {at_least or f'{asked.fits.at_least:.3g}'}"
    else:
        way = "half-way" if asked.fits.fraction == 0.5 else f"{100 * asked.fits.fraction:g} % of the way"
        best = "the best mean that any depth of any family reaches with the same other factors"
        fits = f"a {score.label} of at least {at_least}, {way} between chance ({chance}) and {best}"
    if BAR in trials and (trials[BAR].to_numpy(dtype=float) <= _least(sweep, score)).any():
        fits += f", and never less than what learning anything asks for ({level})"
    way = f"{100 * asked.learns.margin:g} % of the way from chance ({chance}) to {score.perfect:g}"
    learns = f"a {score.label} of at least {level}, {way}"
    lags = f"a {score.label} less than {asked.lags.margin:g} below the best of its twins of the same depth and seed"
    return (
        Definition("fits", FITS, f"A network fits its training set with {fits}"),
        Definition("learns", LEARNS, f"A network learns anything with {learns}"),
        Definition("lags", KEEPS_UP, f"A network keeps up with {lags}, where one of these learns"),
    )


def _as_told(label: str) -> tuple[Definition, ...]:
    """Of results from elsewhere that lack the score or its chance: what they say of themselves is all there is."""
    why = f"since its {label} or the chance level is not known"
    said = f"unless its record says otherwise, {why}"
    return (
        Definition("fits", FITS, f"A network counts as fitting its training set {said}"),
        Definition("learns", LEARNS, f"A network counts as learning anything {said}"),
        Definition("lags", KEEPS_UP, f"Which networks keep up with their twins cannot be told, {why}"),
    )


def _least(sweep: SweepSpec, score: Score) -> np.ndarray:
    """(trials,) the score from which each learns anything."""
    return score.chance + sweep.trained.learns.margin * (score.perfect - score.chance)


def _bars(
    sweep: SweepSpec, trials: pd.DataFrame, groups: Sequence[Group], value: np.ndarray, score: Score
) -> np.ndarray:
    """(trials,) the score from which each fits."""
    asked = sweep.trained.fits
    if asked.at_least is not None:
        return np.full(len(trials), asked.at_least)
    best: dict[Group, float] = {}
    means = pd.DataFrame({"group": _codes(groups), "depth": trials["depth"].to_numpy(), "value": value})
    top = means.groupby(["group", "depth"])["value"].mean().groupby("group").max()
    for place, group in enumerate(dict.fromkeys(groups)):
        best[group] = float(top.get(place, np.nan))
    reached = {g: np.nanmax([best[h] for h in best if _comparable(g, h)] + [-np.inf]) for g in best}
    return score.chance + asked.fraction * (np.array([reached[g] for g in groups]) - score.chance)


def _keeps_up(
    trials: pd.DataFrame, groups: Sequence[Group], value: np.ndarray, learns: np.ndarray, margin: float
) -> np.ndarray:
    """(trials,) whether each is less than the margin below the best of its twins that have finished."""
    rows: dict[tuple[Group, int, int], int] = {}
    for i, (group, depth, seed) in enumerate(zip(groups, trials["depth"], trials["seed"], strict=True)):
        rows[group, int(depth), int(seed)] = i
    twins = {g: [h for h in dict.fromkeys(groups) if h != g and _comparable(g, h)] for g in dict.fromkeys(groups)}
    out = np.full(len(trials), np.nan)
    for (group, depth, seed), i in rows.items():
        theirs = [rows[h, depth, seed] for h in twins[group] if (h, depth, seed) in rows]
        theirs = [j for j in theirs if learns[j] and np.isfinite(value[j])]
        if theirs and np.isfinite(value[i]):
            lag = max(value[j] for j in theirs) - value[i]
            out[i] = float(lag < margin and not np.isclose(lag, margin, rtol=1e-9))
    return out


def _comparable(one: Group, other: Group) -> bool:
    """Whether two groups have the same values of the factors, but the architecture, that both have."""
    if one.architecture == other.architecture:
        return one == other
    ours, theirs = dict(one.factors), dict(other.factors)
    return all(ours[k] == theirs[k] for k in ours.keys() & theirs.keys())


def _codes(groups: Sequence[Group]) -> np.ndarray:
    position = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    return np.array([position[group] for group in groups], dtype=int)


def _span(values: np.ndarray, data: np.ndarray) -> str:
    """`0.55`, or `0.52 to 0.55` where groups differ, or `0.1 on digits, 0.25 on gaussian` where data sets do.

    Args:
        values, data: (trials,) a number and what the data set is called.
    """
    known = np.isfinite(values)
    if not known.any():
        return "unknown"
    spans = {name: _one_span(values[known & (data == name)]) for name in dict.fromkeys(data[known])}
    if len(set(spans.values())) == 1:
        return next(iter(spans.values()))
    return ", ".join(f"{span} on {name}" for name, span in spans.items())


def _one_span(values: np.ndarray) -> str:
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"  # as many digits as the tables of accuracies have
    return low if low == high else f"{low} to {high}"
