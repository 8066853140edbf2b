"""A tuned sweep as a queue: points of all cells interleave, finals fill workers that would wait for the last points."""

from collections.abc import Callable, Iterable

from skipray.scheduling.work.protocol import TrialResult
from skipray.scheduling.work.studies import Studies
from skipray.scheduling.work.suggesting import suggest
from skipray.search.finals import default_finals, finals
from skipray.search.study import OpenPoint, Study
from skipray.search.tuning import Decision, SeedScore
from skipray.spec import TrialSpec


class TunedWork:
    """A Work (`skipray.scheduling.work.protocol`): tuning points, then the finals of the chosen and default settings.

    Points are handed out round by round, the first of every cell, then the second, the longest first within a round: no
    cell waits for another. The default setting's finals are known from the start and depend on nothing; they come when
    no point is left to hand out, while the last points run.
    """

    def __init__(
        self,
        study: Study,
        studies: Studies,
        seconds: Callable[[TrialSpec], float],
        *,
        finished: Iterable[str] = (),
        look_up: Callable[[TrialSpec], SeedScore | None] = lambda trial: None,
        keep: Callable[[TrialSpec], bool] = lambda trial: True,
    ):
        """
        Args:
            study: with the scores of what finished before.
            studies: Optuna's, of this study.
            seconds: the estimated time of a trial.
            finished: trial_ids of finals that are done.
            look_up: the score of a point that a worker found finished, and did not run.
            keep: which finals are wanted, where a budget does not reach for all.
        """
        self.study = study
        self._studies = studies
        self._seconds = seconds
        self._look_up = look_up
        self._keep = keep
        self._begun = set(finished)
        """Handed out, or done before: never handed out again."""
        self._points: list[TrialSpec] = []
        self._finals: list[TrialSpec] = []
        """Both with the next one last."""
        self.decision: Decision = study.decide()
        for cell in range(len(study.cells)):
            self._mirror(cell)
        self._refill()

    @property
    def exhausted(self) -> bool:
        return self.decision.complete and not self._points and not self._finals

    def next(self) -> TrialSpec | None:
        if not self._points:
            self._suggest()
        if self._points:
            trial = self._points.pop()
            setting = tuple((name, getattr(trial.recipe, name)) for name in self.study.tune.space)
            assert trial.point is not None
            self._studies.enqueue(self.study.cell_of(trial.study), trial.point, setting, self.decision.rounds)
        elif self._finals:
            trial = self._finals.pop()
        else:
            return None
        self._begun.add(trial.trial_id)
        return trial

    def tell(self, trial: TrialSpec, result: TrialResult) -> None:
        if trial.phase != "tune":
            return
        self.study.scores[trial.trial_id] = self._score(trial, result)
        cell = self.study.cell_of(trial.study)
        self._mirror(cell)
        if self._completes_a_round(cell, trial):
            self.decision = self.study.decide()
            self._refill()

    def remaining(self) -> int | None:
        return len(self._finals) + len(self._points) if self.decision.complete else None

    def _score(self, trial: TrialSpec, result: TrialResult) -> SeedScore:
        if result.status != "finished":
            return SeedScore("failed")
        if result.outcome is None:
            return self._look_up(trial) or SeedScore("failed")
        return SeedScore(result.outcome, result.validation_accuracy, result.scalars.get("validation.loss"))

    def _completes_a_round(self, cell: int, trial: TrialSpec) -> bool:
        """Whether the cell now has all points of some round that the trial belongs to."""
        rounds = self.decision.rounds
        for count in range(len(rounds) + 1):
            points = self.study.points(cell, rounds[:count])
            belongs = any(p.number == trial.point for p in points)
            if belongs and len(points) == self.study.count(rounds[:count]) and all(p.told for p in points):
                return True
        return False

    def _mirror(self, cell: int) -> None:
        """Tell Optuna the points of a cell that have ended."""
        for point in self.study.points(cell, self.decision.rounds):
            if point.told:
                self._studies.tell(cell, point, self.decision.rounds)

    def _refill(self) -> None:
        """What may be handed out, after a decision."""
        rounds = self.decision.rounds
        waiting = [
            (point.number, seed, -self._seconds(trial), cell, trial)
            for cell in range(len(self.study.cells))
            for point in self.study.points(cell, rounds)
            for seed, (trial, score) in enumerate(zip(point.trials, point.scores, strict=True))
            if score is None and trial.trial_id not in self._begun
        ]
        self._points = [row[-1] for row in sorted(waiting, key=lambda row: row[:4], reverse=True)]
        known = [*finals(self.study.sweep, self.decision), *default_finals(self.study.sweep)]
        wanted = [t for t in known if t.trial_id not in self._begun and self._keep(t)]
        self._finals = sorted({t.trial_id: t for t in reversed(wanted)}.values(), key=self._seconds)

    def _suggest(self) -> None:
        """Ask a sampler of its own for the next point of the cell that has the fewest, the longest first."""
        while not self._points and (asked := self._asked()) is not None:
            setting = suggest(asked)
            self.study.add(asked.tag, asked.number, setting)
            trials = self.study.trials_of(asked.cell, asked.number, setting, asked.stage.name)
            self._points = [t for t in reversed(trials) if t.trial_id not in self._begun]
            if not self._points:  # the same setting again, which counts as tried
                self.decision = self.study.decide()
                self._refill()

    def _asked(self) -> OpenPoint | None:
        if self.study.tune.sampler == "sobol":
            return None
        rounds = self.decision.rounds
        known = [len(self.study.points(cell, rounds)) for cell in range(len(self.study.cells))]
        short = [cell for cell, count in enumerate(known) if count < self.study.count(rounds)]
        for cell in sorted(short, key=lambda c: (known[c], -self._seconds(self.study.cells[c]))):
            asked = self.study.open_point(cell, rounds)
            if asked is not None:
                return asked
        return None
