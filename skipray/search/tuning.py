"""Tuning cells alike before they are compared: which points, which choice, which edges, and whether it was fair.

Every cell gets the same ranges and the same number of trials (`../spec`'s `tune:`); the best point on validation is
chosen, a best point on the edge of a range extends that range in all cells, and the chosen setting is then run with
fresh seeds. "Untrainable" (no point ends better than chance) and "untuned" (the default setting does not) are thus told
apart; Google's Deep Learning Tuning Playbook gives the number of layers as its example of why.

Pure: from results to decisions, and the same decisions from the same results in whatever order they came.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from skipray.spec import SearchRange, TrialSpec, Tune
from skipray.spec.fields import Recipe
from skipray.spec.points import FIRST_POINTS, Setting, fraction, sobol_points
from skipray.spec.values import canonical_json
from skipray.spec.words import value_limits

Side = tuple[str, Literal["low", "high"]]
"""A field of the recipe, and an end of its range."""
Round = frozenset[Side]
"""The sides to which all cells' ranges are extended together."""


@dataclass(frozen=True)
class SeedScore:
    """How one trial of a point ended."""

    outcome: str
    """trained, untrained (no better than chance, by the trial's own record), diverged, or failed (given up: nothing is
    known)."""
    accuracy: float | None = None
    """validation.accuracy at the last epoch; None where it is not known or the trial diverged."""
    loss: float | None = None
    """validation.loss at the last epoch."""


@dataclass(frozen=True)
class Point:
    """One setting in one cell, with the scores of its seeds as far as they are known."""

    number: int
    setting: Setting
    trials: tuple[TrialSpec, ...]
    scores: tuple[SeedScore | None, ...]

    @property
    def told(self) -> bool:
        return all(s is not None for s in self.scores)

    @property
    def outcome(self) -> str:
        """diverged or failed if a seed has; trained if all have; else untrained. Of a point that is told."""
        found = {s.outcome for s in self.scores if s is not None}
        return next((o for o in ("failed", "diverged", "untrained") if o in found), "trained")

    @property
    def accuracy(self) -> float | None:
        """Mean over the seeds; None unless every seed has one."""
        values = [s.accuracy for s in self.scores if s is not None and s.accuracy is not None]
        finite = self.outcome in ("trained", "untrained") and len(values) == len(self.scores)
        return sum(values) / len(values) if finite else None

    @property
    def loss(self) -> float:
        values = [math.inf if s is None or s.loss is None or math.isnan(s.loss) else s.loss for s in self.scores]
        return sum(values) / len(values)


@dataclass(frozen=True)
class Choice:
    """What tuning made of one cell."""

    cell: TrialSpec
    points: tuple[Point, ...]
    best: int | None
    """Index of the chosen point; None where no trial gave a result to choose by."""
    edges: Round
    """Sides of the final ranges on which the chosen point lies: the cell may be better than it looks."""

    @property
    def untrainable(self) -> bool:
        """No point ends better than chance: a result, not a lack of tuning."""
        return self.best is not None and not any(p.outcome == "trained" for p in self.points)

    @property
    def setting(self) -> Setting | None:
        return None if self.best is None else self.points[self.best].setting


@dataclass(frozen=True)
class Decision:
    """Where a study of all cells stands."""

    rounds: tuple[Round, ...]
    """Extensions so far. The last is not complete while `complete` is False and other cells may still add to it."""
    complete: bool
    """Every point of every cell is told, and no range is to be extended any more."""
    choices: tuple[Choice, ...]
    """In the order of the sweep's cells; empty unless complete."""


def extended(tune: Tune, rounds: Sequence[Round]) -> dict[str, SearchRange]:
    """The ranges after some extensions: each widens its sides by half of the first range, on its scale.

    A range never leaves what the recipe allows: it ends halfway to a bound that it would cross.
    """
    space = dict(tune.space)
    for sides in rounds:
        for name, side in sorted(sides):
            space[name] = _wider(name, tune.space[name], space[name], side)
    return space


def _wider(name: str, first: SearchRange, now: SearchRange, side: str) -> SearchRange:
    limits = value_limits(Recipe, name)
    if first.scale == "log":
        step = (first.high / first.low) ** 0.5
        low, high = now.low / step, now.high * step
    else:
        half = (first.high - first.low) / 2
        low, high = now.low - half, now.high + half
    if side == "low":
        floor = limits.low or 0.0
        return now.model_copy(update={"low": low if low > floor else (now.low + floor) / 2})
    ceiling = math.inf if limits.high is None else limits.high
    return now.model_copy(update={"high": high if high < ceiling else (now.high + ceiling) / 2})


def extra_points(tune: Tune) -> int:
    """Points that each extended side adds to every cell: as dense as the first ones."""
    return math.ceil(tune.trials / 2)


@dataclass(frozen=True)
class Stage:
    """The points of a study that share a range: the first ones, or those of one side of one extension."""

    round: int
    """0 of the first points, else which extension it is, from 1."""
    numbers: range
    """Of its points. They depend on its own side alone, not on which other sides are extended; so there may be gaps."""
    space: Mapping[str, SearchRange]
    """Of an extension the new slab alone; the other ranges are as they were, so that no side's points wait for
    another's."""
    salt: str
    """Scrambles its Sobol points, which more trials go on with."""
    name: str
    """Tells its points from those of all other stages of the cell, where they depend on earlier results; empty of the
    first points, which more trials go on with. An extension follows from how many those were."""


def stages(tune: Tune, rounds: Sequence[Round]) -> tuple[Stage, ...]:
    """The stages of every cell by the numbers of their points, those of extensions last."""
    return _stages(tune.model_dump_json(), tuple(rounds))


@lru_cache(maxsize=64)
def _stages(tune_json: str, rounds: tuple[Round, ...]) -> tuple[Stage, ...]:
    tune = Tune.model_validate_json(tune_json)
    found = [Stage(0, range(tune.trials), tune.space, FIRST_POINTS, "")]
    sides_of_space = [(name, side) for name in tune.space for side in ("low", "high")]
    extra = extra_points(tune)
    for number, sides in enumerate(rounds):
        before = extended(tune, rounds[:number])
        for name, side in sorted(sides):
            new = _wider(name, tune.space[name], before[name], side)
            slab = {"low": new.low, "high": before[name].low} if side == "low" else {
                "low": before[name].high, "high": new.high
            }  # fmt: skip
            start = tune.trials + extra * (number * len(sides_of_space) + sides_of_space.index((name, side)))
            follows_from = [tune.trials, [sorted(r) for r in rounds[:number]], name, side]
            found.append(
                Stage(
                    number + 1,
                    range(start, start + extra),
                    before | {name: new.model_copy(update=slab)},
                    f"skipray tuning, extension {number + 1}, {name} {side}",
                    hashlib.sha256(canonical_json(follows_from).encode()).hexdigest()[:8],
                )
            )
    return tuple(sorted(found, key=lambda s: s.numbers.start))


@lru_cache(maxsize=64)
def _settings(tune_json: str, rounds: tuple[Round, ...]) -> tuple[tuple[int, Setting], ...]:
    return tuple(
        point
        for stage in _stages(tune_json, rounds)
        for point in zip(stage.numbers, sobol_points(stage.space, len(stage.numbers), stage.salt), strict=True)
    )


def settings_of(tune: Tune, rounds: Sequence[Round]) -> tuple[tuple[int, Setting], ...]:
    """The Sobol points of every cell with their numbers, those of extensions last."""
    return _settings(tune.model_dump_json(), tuple(rounds))


def best_point(points: Sequence[Point]) -> int | None:
    """The point with the highest validation accuracy, and nothing else; ties: the lower loss, then the earlier point.

    Where all diverge it is the first that did not fail, whose finals then show the divergence; where all failed there
    is none.
    """
    told = [i for i, p in enumerate(points) if p.told]
    scored = [(i, a) for i in told if (a := points[i].accuracy) is not None]
    if scored:
        return min(scored, key=lambda s: (-s[1], points[s[0]].loss, s[0]))[0]
    return next((i for i in told if points[i].outcome == "diverged"), None)


def edges_of(tune: Tune, rounds: Sequence[Round], points: Sequence[Point]) -> Round:
    """Sides of the ranges on whose edge the best point lies: in the outermost stratum.

    n Sobol points have one in each n-th of every range; the outermost n-th is the edge. After an extension the strata
    are as wide as before it. A cell where no point trains has no edge: nothing says on which side it would train. What
    trains is by the trials' own records here, better than chance: which trials there are never follows from the sweep's
    `trained`, which is a matter of reading.
    """
    best = best_point(points)
    if best is None or not any(p.outcome == "trained" for p in points if p.told):
        return frozenset()
    space = extended(tune, rounds)
    found: set[Side] = set()
    for name, value in points[best].setting:
        first, now = tune.space[name], space[name]
        width = 1 / tune.trials
        here, low, high = fraction(value, first), _end(now.low, first), _end(now.high, first)
        if here < low + width and _can_extend(name, now, "low"):
            found.add((name, "low"))
        if here >= high - width and _can_extend(name, now, "high"):
            found.add((name, "high"))
    return frozenset(found)


def _end(value: float, first: SearchRange) -> float:
    return fraction(value, first)


def _can_extend(name: str, now: SearchRange, side: str) -> bool:
    """Whether anything lies beyond a side: a range that ends at a bound of the recipe has no edge there."""
    limits = value_limits(Recipe, name)
    return now.low > (limits.low or 0.0) if side == "low" else limits.high is None or now.high < limits.high
