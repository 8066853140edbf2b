"""The next point of a study whose sampler learns from earlier ones, as Optuna's TPE does.

It follows from the study, the point's number and the points that it may know, and from nothing else: it is the same on
any number of workers, and in a launch that goes on where another was killed.
"""

import hashlib
from collections.abc import Mapping

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from skipray.search.study import OpenPoint
from skipray.search.tuning import Point
from skipray.spec import SearchRange
from skipray.spec.points import DIGITS, Setting

STARTUP = 4
"""So many of the first points are drawn at random: there is too little to learn from."""
STATES = {"diverged": TrialState.PRUNED}
"""Outcome of a point without an accuracy -> its state. Samplers count a pruned one as worse than any that ended."""


def suggest(asked: OpenPoint) -> Setting:
    """The setting of a point."""
    study = optuna.create_study(direction="maximize", sampler=_sampler(asked))
    space = asked.stage.space
    study.add_trials([_frozen(p, _state(p), space) for p in asked.ended])
    study.add_trials([_frozen(p, TrialState.RUNNING, space) for p in asked.pending])
    trial = study.ask({name: distribution(reach) for name, reach in space.items()})
    return tuple((name, rounded(trial.params[name], reach)) for name, reach in space.items())


def _sampler(asked: OpenPoint) -> BaseSampler:
    seed = int(hashlib.sha256(f"{asked.tag} {asked.number}".encode()).hexdigest()[:8], 16)
    if not asked.stage.round and asked.number < STARTUP:
        return RandomSampler(seed=seed)
    # Points that lie beyond a range inform a sampler of one field at a time alone.
    jointly = False if asked.stage.round else None
    return TPESampler(seed=seed, n_startup_trials=1, constant_liar=True, multivariate=jointly)


def _state(point: Point) -> TrialState:
    return TrialState.COMPLETE if point.accuracy is not None else STATES.get(point.outcome, TrialState.FAIL)


def _frozen(point: Point, state: TrialState, space: Mapping[str, SearchRange]) -> FrozenTrial:
    reaches = {n: (min(space[n].low, v), max(space[n].high, v)) for n, v in point.setting}
    return optuna.trial.create_trial(
        state=state,
        value=point.accuracy if state == TrialState.COMPLETE else None,
        params=dict(point.setting),
        distributions={
            n: distribution(space[n].model_copy(update={"low": low, "high": high}))
            for n, (low, high) in reaches.items()
        },
    )


def distribution(reach: SearchRange) -> BaseDistribution:
    """A range as Optuna has it."""
    return FloatDistribution(reach.low, reach.high, log=reach.scale == "log")


def rounded(value: float, reach: SearchRange) -> float:
    """A suggested value with the digits that a trial_id knows."""
    return min(max(float(f"{value:.{DIGITS}g}"), reach.low), reach.high)
