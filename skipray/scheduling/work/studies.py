"""Optuna's studies of a tuned sweep, one per cell: where its samplers suggest points, and what optuna-dashboard shows.

The truth about a tuning trial is its run in the tracking store. The journal mirrors it, and holds besides what a
sampler has suggested and no run shows yet; where it is lost it is made again.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from skipray.search.study import Study
from skipray.search.tuning import Point, Round, extended
from skipray.spec import SearchRange, Tune
from skipray.spec.points import Setting

LOCK_SECONDS = 5
"""The lock of a driver that was killed while it wrote is taken over after so long; a launch's lease is its own."""
NUMBER, OUTCOME, TRIALS = "skipray.point", "skipray.outcome", "skipray.trial_ids"
"""User attributes of Optuna's trials."""

log = logging.getLogger(__name__)


class Studies:
    """The studies of all cells, brought up to what is known.

    Points that the journal has suggested and that no run shows are added to the study, so that none is lost.
    """

    def __init__(self, study: Study, path: Path | None = None):
        """
        Args:
            study: with the points and scores of the tracking store.
            path: the journal; in memory when left out.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = study
        self._open: list[dict[int, optuna.trial.Trial]] = [{} for _ in study.cells]
        """Number of a point -> Optuna's trial, which is running."""
        self._told: list[set[int]] = [set() for _ in study.cells]
        storage: BaseStorage = InMemoryStorage() if path is None else _journal(path)
        self.studies = [
            optuna.create_study(
                storage=storage,
                study_name=f"{study.sweep.name}: {study.cells[cell].cell.label} {key[:8]}",
                direction="maximize",
                sampler=_sampler(study, cell),
                load_if_exists=True,
            )
            for cell, key in enumerate(study.keys)
        ]
        for cell in range(len(study.cells)):
            self._adopt(cell)

    def suggest(self, cell: int, rounds: tuple[Round, ...]) -> tuple[int, Setting]:
        """A new point from the cell's sampler: its number and setting."""
        known = self._study.points(cell, rounds)
        number = max((p.number for p in known), default=-1) + 1
        space = extended(self._study.tune, rounds if len(known) >= self._study.tune.trials else ())
        trial = self.studies[cell].ask(_distributions(space))
        setting = tuple((name, _rounded(trial.params[name], r.low, r.high)) for name, r in space.items())
        self._begin(cell, number, trial)
        return number, setting

    def enqueue(self, cell: int, number: int, setting: Setting, rounds: tuple[Round, ...]) -> None:
        """A point that is known beforehand begins; nothing happens where it has begun already."""
        if number in self._open[cell] or number in self._told[cell]:
            return
        self.studies[cell].enqueue_trial(dict(setting), user_attrs={NUMBER: number})
        self._begin(cell, number, self.studies[cell].ask(self._distributions(rounds)))

    def tell(self, cell: int, point: Point, rounds: tuple[Round, ...]) -> None:
        """Every trial of a point has ended.

        A diverged point is told as pruned: samplers count it as worse than any that ended, and learn to keep away. A
        failed one is told as failed: it says nothing about the setting.
        """
        number = point.number
        if number in self._told[cell]:
            return
        value = point.accuracy
        state = TrialState.COMPLETE if value is not None else _STATES.get(point.outcome, TrialState.FAIL)
        trial = self._open[cell].pop(number, None)
        attributes = {NUMBER: number, OUTCOME: point.outcome, TRIALS: [t.trial_id for t in point.trials]}
        if trial is None:
            self.studies[cell].add_trial(
                optuna.trial.create_trial(
                    state=state,
                    value=value,
                    params=dict(point.setting),
                    distributions=dict(self._distributions(rounds)),
                    user_attrs=attributes,
                )
            )
        else:
            for name, attribute in attributes.items():
                trial.set_user_attr(name, attribute)
            self.studies[cell].tell(trial, value, state=state)
        self._told[cell].add(number)

    def _distributions(self, rounds: tuple[Round, ...]) -> dict[str, BaseDistribution]:
        return _distributions(extended(self._study.tune, rounds))

    def _begin(self, cell: int, number: int, trial: optuna.trial.Trial) -> None:
        trial.set_user_attr(NUMBER, number)
        self._open[cell][number] = trial

    def _adopt(self, cell: int) -> None:
        """Go on with what a killed driver has left in the journal."""
        study = self.studies[cell]
        widest = _widest(self._study.tune)
        while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.ask(_distributions(widest))  # enqueued, and the driver died before it asked
        for frozen in study.get_trials(deepcopy=False):
            number = frozen.user_attrs.get(NUMBER)
            if frozen.state.is_finished():
                if number is not None and frozen.state != TrialState.FAIL:
                    self._told[cell].add(number)  # a failed point runs again, as a trial of its own
            elif number is None or number in self._open[cell]:
                study.tell(
                    frozen.number, state=TrialState.FAIL
                )  # the launch that asked for it ended before it had a trial
            else:
                trial = _gone_on_with(study, frozen)
                if trial is not None:
                    self._open[cell][number] = trial
                names = self._study.tune.space
                if self._study.tune.sampler != "sobol" and all(n in frozen.params for n in names):
                    self._study.add(
                        self._study.keys[cell],
                        number,
                        tuple((n, _rounded(frozen.params[n], widest[n].low, widest[n].high)) for n in names),
                    )


def _gone_on_with(study: optuna.Study, frozen: optuna.trial.FrozenTrial) -> optuna.trial.Trial | None:
    """A running trial of the journal, to be told its end.

    How its storage knows it has no public name of Optuna's. Where that is gone, the trial is closed, None is returned,
    and the point is added anew when it has ended, as one is whose journal was lost.
    """
    key = _number_in_storage(frozen)
    if key is None:
        study.tell(frozen.number, state=TrialState.FAIL)
        return None
    return optuna.trial.Trial(study, key)


def _number_in_storage(frozen: optuna.trial.FrozenTrial) -> int | None:
    return getattr(frozen, "_trial_id", None)


_STATES = {"diverged": TrialState.PRUNED}


def _journal(path: Path) -> JournalStorage:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _mend(path)

    def opened() -> JournalStorage:
        lock = JournalFileOpenLock(str(path), grace_period=LOCK_SECONDS)
        return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))

    try:
        return opened()
    except Exception as error:  # whatever Optuna makes of a damaged file
        damaged = path.with_suffix(".damaged")
        log.warning("%s cannot be read (%s); it is kept as %s and made again", path, error, damaged.name)
        path.replace(damaged)
        return opened()


def _mend(path: Path) -> None:
    """Cut a last line that a killed driver has left half written: Optuna would append to it."""
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


def _sampler(study: Study, cell: int) -> BaseSampler:
    if study.tune.sampler == "sobol":
        return RandomSampler(seed=0)  # never asked: every point is enqueued
    startup = max(2, study.tune.trials // 4)
    # A sampler that begins again, after a kill, must not suggest its first points again.
    seed = (int(study.keys[cell][:8], 16) + len(study.points(cell, ()))) % 2**32
    return TPESampler(seed=seed, n_startup_trials=startup, constant_liar=True)


def _widest(tune: Tune) -> dict[str, SearchRange]:
    """The ranges after every extension on every side."""
    every: Round = frozenset({(name, "low") for name in tune.space} | {(name, "high") for name in tune.space})
    return extended(tune, [every] * tune.extensions)


def _distributions(space: Mapping[str, SearchRange]) -> dict[str, BaseDistribution]:
    return {name: FloatDistribution(r.low, r.high, log=r.scale == "log") for name, r in space.items()}


def _rounded(value: float, low: float, high: float) -> float:
    return min(max(float(f"{value:.6g}"), low), high)
