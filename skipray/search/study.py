"""The tuning of all cells of a sweep: from what is known to what is to be run and what is chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skipray.search.finals import default_finals, finals
from skipray.search.tuning import (
    Choice,
    Decision,
    Point,
    Round,
    SeedScore,
    Side,
    Stage,
    best_point,
    edges_of,
    extra_points,
    settings_of,
    stages,
)
from skipray.spec import SearchRange, SweepSpec, TrialSpec
from skipray.spec.points import Setting, point_trials, stage_tag, study_key, told_apart

AT_ONCE = 2
"""So many points of a stage are tried in a cell at a time. A point follows from those that many before it and earlier,
whatever else has ended by then: no number of workers and no interruption changes it."""


@dataclass(frozen=True)
class OpenPoint:
    """A point that a sampler of its own is to suggest, and what it may know by then."""

    cell: int
    number: int
    stage: Stage
    tag: str
    """Of its trials: the study and the stage."""
    ended: tuple[Point, ...]
    pending: tuple[Point, ...]
    """Those just before it, as if none of them had ended."""


class Study:
    """The tuning of all cells of a sweep: from what is known to what is to be run and what is chosen.

    Sobol points follow from the spec and the extensions. Those of another sampler are given by `add`.
    """

    def __init__(self, sweep: SweepSpec):
        assert sweep.tune is not None, "a Study needs a tuned sweep"
        self.sweep, self.tune = sweep, sweep.tune
        self.cells = sweep.cells
        self.keys = [study_key(cell, self.tune) for cell in self.cells]
        self._index = {key: i for i, key in enumerate(self.keys)}
        self._added: list[dict[tuple[str, int], list[Setting]]] = [{} for _ in self.cells]
        """(stage, number) -> settings, of which one is the point."""
        self._beyond: set[int] = set()
        """Numbers of points outside the first ranges, that bear no stage's name."""
        self._points: dict[tuple[int, int, Setting, str], tuple[TrialSpec, ...]] = {}
        self.scores: dict[str, SeedScore] = {}
        """trial_id -> how it ended."""

    def add(self, tag: str, number: int, setting: Setting) -> None:
        """A point of a study that is not known beforehand, with its number; points of other studies are left out.

        Args:
            tag: its study and stage.
        """
        key, stage = told_apart(tag)
        if key in self._index:
            self._added[self._index[key]].setdefault((stage, number), []).append(setting)
            if not stage and not _within(self.tune.space, setting):
                self._beyond.add(number)

    def cell_of(self, tag: str) -> int:
        """Index of a study's cell."""
        return self._index[told_apart(tag)[0]]

    def count(self, rounds: Sequence[Round]) -> int:
        """Points of each cell."""
        return self.tune.trials + extra_points(self.tune) * sum(len(sides) for sides in rounds)

    def trials_of(self, cell: int, number: int, setting: Setting, stage: str = "") -> tuple[TrialSpec, ...]:
        """The trials of one point.

        Args:
            stage: its name, where it depends on earlier results.
        """
        key = (cell, number, setting, stage)
        if key not in self._points:
            tag = stage_tag(self.keys[cell], stage)
            self._points[key] = point_trials(self.cells[cell], self.tune, setting, number, tag)
        return self._points[key]

    def points(self, cell: int, rounds: Sequence[Round]) -> tuple[Point, ...]:
        """The points of a cell that are known, in order."""
        if self.tune.sampler == "sobol":
            return tuple(self._point(cell, number, setting) for number, setting in settings_of(self.tune, rounds))
        return tuple(point for _, of_stage in self._staged(cell, rounds) for point in of_stage.values())

    def open_point(self, cell: int, rounds: Sequence[Round]) -> OpenPoint | None:
        """The next point of a cell that a sampler of its own is to suggest; None where it has every point, or what the
        next one follows from has not ended."""
        staged = self._staged(cell, rounds)
        for stage, known in staged:
            number = next((n for n in stage.numbers if n not in known), None)
            if number is None:
                continue
            earlier = [(s, points) for s, points in staged if s.round < stage.round]
            before = [p for _, points in earlier for p in points.values()]
            own = [known[n] for n in stage.numbers if n < number]
            first_pending = max(0, len(own) - (AT_ONCE - 1))
            ended, pending = (*before, *own[:first_pending]), tuple(own[first_pending:])
            if sum(len(s.numbers) for s, _ in earlier) == len(before) and all(p.told for p in ended):
                return OpenPoint(cell, number, stage, stage_tag(self.keys[cell], stage.name), ended, pending)
        return None

    def _staged(self, cell: int, rounds: Sequence[Round]) -> list[tuple[Stage, dict[int, Point]]]:
        """The points of a sampler of its own that are known, by stage and number.

        Up to skipray 0.2 no stage had a name, and the points of extensions were numbered on, over all ranges. Such
        points lie beyond the first ranges in one cell at least; the first points of a longer study never do.
        """
        of_stages = stages(self.tune, rounds)
        added = self._added[cell]
        former = range(self.tune.trials, self.count(rounds))
        numbered_on = iter(former if self._beyond & set(former) else ())
        found = []
        for stage in of_stages:
            points = {}
            for number in stage.numbers:
                settings = added.get((stage.name, number), [])
                if not stage.round:
                    settings = [s for s in settings if _within(stage.space, s)]
                elif (once := next(numbered_on, None)) is not None and not settings:
                    settings = sorted(added.get(("", once), []), key=lambda s: _within(self.tune.space, s))
                if settings:
                    points[number] = self._point(cell, number, settings[0], stage.name)
            found.append((stage, points))
        return found

    def _point(self, cell: int, number: int, setting: Setting, stage: str = "") -> Point:
        trials = self.trials_of(cell, number, setting, stage)
        return Point(number, setting, trials, tuple(self.scores.get(t.trial_id) for t in trials))

    def decide(self) -> Decision:
        """Where the study stands. The same scores give the same decision."""
        rounds: list[Round] = []
        while True:
            cells = [self.points(i, rounds) for i in range(len(self.cells))]
            done = [len(points) == self.count(rounds) and all(p.told for p in points) for points in cells]
            hit: set[Side] = set()
            if len(rounds) < self.tune.extensions:
                for points, is_done in zip(cells, done, strict=True):
                    if is_done:
                        hit |= edges_of(self.tune, rounds, points)
            if not all(done):
                # What one cell asks for every cell will get: its points need not wait for the slowest cell.
                return Decision((*rounds, frozenset(hit)) if hit else tuple(rounds), False, ())
            if not hit:
                choices = [
                    Choice(cell, points, best_point(points), edges_of(self.tune, rounds, points))
                    for cell, points in zip(self.cells, cells, strict=True)
                ]
                return Decision(tuple(rounds), True, tuple(choices))
            rounds.append(frozenset(hit))

    def point_trials(self) -> tuple[TrialSpec, ...]:
        """Every tuning trial that is known by now, cells in the file's order."""
        rounds = self.decide().rounds
        return tuple(t for i in range(len(self.cells)) for p in self.points(i, rounds) for t in p.trials)

    def trials(self) -> tuple[TrialSpec, ...]:
        """Every trial of the sweep that is known by now: points, the default setting's finals, the tuned finals."""
        return (*self.point_trials(), *default_finals(self.sweep), *finals(self.sweep, self.decide()))

    def to_come(self) -> int:
        """Trials that will follow from results: points not yet suggested and tuned finals. Extensions are not in it."""
        decision = self.decide()
        if decision.complete:
            return 0
        points = sum(self.count(decision.rounds) - len(self.points(i, decision.rounds)) for i in range(len(self.cells)))
        return points * len(self.tune.seeds) + len(self.cells) * len(self.sweep.seeds)


def _within(space: Mapping[str, SearchRange], setting: Setting) -> bool:
    return all(space[name].low <= value <= space[name].high for name, value in setting)
