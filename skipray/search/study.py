"""The tuning of all cells of a sweep: from what is known to what is to be run and what is chosen."""

from collections.abc import Sequence

from skipray.search.finals import default_finals, finals
from skipray.search.tuning import (
    Choice,
    Decision,
    Point,
    Round,
    SeedScore,
    Side,
    best_point,
    edges_of,
    extra_points,
    settings_of,
)
from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.points import Setting, point_trials, study_key


class Study:
    """The tuning of all cells of a sweep: from what is known to what is to be run and what is chosen.

    Sobol points follow from the spec and the extensions. Those of another sampler are given by `add`, in order.
    """

    def __init__(self, sweep: SweepSpec):
        assert sweep.tune is not None, "a Study needs a tuned sweep"
        self.sweep, self.tune = sweep, sweep.tune
        self.cells = sweep.cells
        self.keys = [study_key(cell, self.tune) for cell in self.cells]
        self._index = {key: i for i, key in enumerate(self.keys)}
        self._added: list[dict[int, Setting]] = [{} for _ in self.cells]
        self._points: dict[tuple[int, int, Setting], tuple[TrialSpec, ...]] = {}
        self.scores: dict[str, SeedScore] = {}
        """trial_id -> how it ended."""

    def add(self, key: str, number: int, setting: Setting) -> None:
        """A point of a study that is not known beforehand, with its number; points of other studies are left out."""
        if key in self._index:
            self._added[self._index[key]][number] = setting

    def cell_of(self, key: str) -> int:
        """Index of a study's cell."""
        return self._index[key]

    def count(self, rounds: Sequence[Round]) -> int:
        """Points of each cell."""
        return self.tune.trials + extra_points(self.tune) * sum(len(sides) for sides in rounds)

    def trials_of(self, cell: int, number: int, setting: Setting) -> tuple[TrialSpec, ...]:
        """The trials of one point."""
        key = (cell, number, setting)
        if key not in self._points:
            self._points[key] = point_trials(self.cells[cell], self.tune, setting, number, self.keys[cell])
        return self._points[key]

    def points(self, cell: int, rounds: Sequence[Round]) -> tuple[Point, ...]:
        """The points of a cell that are known, in order."""
        if self.tune.sampler == "sobol":
            numbered = list(settings_of(self.tune, rounds))
        else:
            numbered = sorted(self._added[cell].items())[: self.count(rounds)]
        found = []
        for number, setting in numbered:
            trials = self.trials_of(cell, number, setting)
            found.append(Point(number, setting, trials, tuple(self.scores.get(t.trial_id) for t in trials)))
        return tuple(found)

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
