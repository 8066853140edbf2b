"""Optuna's studies of a tuned sweep, one per cell: what optuna-dashboard shows.

The truth about a tuning trial is its run in the tracking store. The journal mirrors it; where it is lost it is made
again.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from skipray.scheduling.work.suggesting import STATES, distribution
from skipray.search.study import Study
from skipray.search.tuning import Point, Round, extended
from skipray.spec.points import DIGITS, Setting

LOCK_SECONDS = 5
"""The lock of a driver that was killed while it wrote is taken over after so long; a launch's lease is its own."""
NUMBER, OUTCOME, TRIALS = "skipray.point", "skipray.outcome", "skipray.trial_ids"
"""User attributes of Optuna's trials."""

log = logging.getLogger(__name__)


class Studies:
    """The studies of all cells, brought up to what is known. A point is told from others by its setting."""

    def __init__(self, study: Study, path: Path | None = None):
        """
        Args:
            study: with the points and scores of the tracking store.
            path: the journal; in memory when left out.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = study
        self._open: list[dict[Setting, optuna.trial.Trial]] = [{} for _ in study.cells]
        """Optuna's trials that are running."""
        self._told: list[set[Setting]] = [set() for _ in study.cells]
        storage: BaseStorage = InMemoryStorage() if path is None else _journal(path)
        self.studies = [
            optuna.create_study(
                storage=storage,
                study_name=f"{study.sweep.name}: {study.cells[cell].cell.label} {key[:8]}",
                direction="maximize",
                sampler=RandomSampler(seed=0),  # never asked: every point is enqueued
                load_if_exists=True,
            )
            for cell, key in enumerate(study.keys)
        ]
        for cell in range(len(study.cells)):
            self._adopt(cell)

    def enqueue(self, cell: int, number: int, setting: Setting, rounds: tuple[Round, ...]) -> None:
        """A point begins; nothing happens where it has begun already."""
        key = _key(setting)
        if key in self._open[cell] or key in self._told[cell]:
            return
        self.studies[cell].enqueue_trial(dict(setting), user_attrs={NUMBER: number})
        self._open[cell][key] = self.studies[cell].ask(self._distributions(rounds))

    def tell(self, cell: int, point: Point, rounds: tuple[Round, ...]) -> None:
        """Every trial of a point has ended.

        A diverged point is told as pruned: samplers count it as worse than any that ended, and learn to keep away. A
        failed one is told as failed: it says nothing about the setting.
        """
        key = _key(point.setting)
        if key in self._told[cell]:
            return
        value = point.accuracy
        state = TrialState.COMPLETE if value is not None else STATES.get(point.outcome, TrialState.FAIL)
        trial = self._open[cell].pop(key, None)
        attributes = {NUMBER: point.number, OUTCOME: point.outcome, TRIALS: [t.trial_id for t in point.trials]}
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
        self._told[cell].add(key)

    def _distributions(self, rounds: tuple[Round, ...]) -> dict[str, BaseDistribution]:
        return {name: distribution(reach) for name, reach in extended(self._study.tune, rounds).items()}

    def _adopt(self, cell: int) -> None:
        """Go on with what a killed driver has left in the journal."""
        study = self.studies[cell]
        every: Round = frozenset((name, side) for name in self._study.tune.space for side in _SIDES)
        widest = self._distributions((every,) * self._study.tune.extensions)
        while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.ask(widest)  # enqueued, and the driver died before it asked
        for frozen in study.get_trials(deepcopy=False):
            key = self._key_of(frozen)
            if frozen.state.is_finished():
                if key is not None and frozen.state != TrialState.FAIL:
                    self._told[cell].add(key)  # a failed point runs again, as a trial of its own
            elif key is None or key in self._open[cell]:
                study.tell(frozen.number, state=TrialState.FAIL)  # its launch ended before it had a trial
            else:
                trial = _gone_on_with(study, frozen)
                if trial is not None:
                    self._open[cell][key] = trial

    def _key_of(self, frozen: optuna.trial.FrozenTrial) -> Setting | None:
        found = frozen.params
        return _key([(name, found[name]) for name in self._study.tune.space if name in found]) or None


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


def _key(setting: Iterable[tuple[str, float]]) -> Setting:
    """A setting as it is told from others; skipray 0.2 kept what a sampler had suggested with all its digits."""
    return tuple((name, float(f"{value:.{DIGITS}g}")) for name, value in setting)


_SIDES: tuple[Literal["low"], Literal["high"]] = ("low", "high")


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
