"""What would run: every trial with its size, its estimated time, its state, and the order. Starts nothing."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from skipray import architectures, datasets
from skipray.architectures import Sizes
from skipray.extension import apart
from skipray.planning.estimate import CPU, CUDA, Speed, estimate_seconds
from skipray.records import State
from skipray.spec import Group, ModelSpec, SweepSpec, TrialSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlannedTrial:
    trial: TrialSpec
    sizes: Sizes | None
    """None where a user's own family cannot be built here: its trials say why."""
    seconds: float
    """Estimated time: training, evaluation, probes."""
    state: State


@dataclass(frozen=True)
class Plan:
    sweep: SweepSpec
    trials: tuple[PlannedTrial, ...]
    """In the order in which they would start: the longest first."""
    speed: Speed
    concurrency: int
    to_come: int = 0
    """Trials that will follow from results: a tuned sweep's tuned finals; the most that an adaptive one may need."""
    seconds_to_come: float = 0.0
    """Estimated time of those."""

    @property
    def unfinished(self) -> tuple[PlannedTrial, ...]:
        return tuple(t for t in self.trials if t.state != "finished")

    @property
    def total_seconds(self) -> float:
        """Estimated wall time of what is not finished: never less than the longest trial."""
        seconds = [t.seconds for t in self.unfinished]
        return max([(sum(seconds) + self.seconds_to_come) / self.concurrency, *seconds], default=0.0)

    def count(self, state: State) -> int:
        return sum(t.state == state for t in self.trials)


def make_plan(
    sweep: SweepSpec,
    states: Mapping[str, State] | None = None,
    *,
    trials: Sequence[TrialSpec] | None = None,
    speed: Speed | None = None,
    seconds: Callable[[TrialSpec], float] | None = None,
    concurrency: int = 1,
) -> Plan:
    """Size and order the trials of a sweep.

    Args:
        states: trial_id -> state of the trials that were started before; the others are missing.
        trials: those that the sweep has by now (`skipray.tracking.known_trials`); when left out, those that are known
            before anything has run: of an adaptive sweep none.
        speed: of the machine; a stated default when left out.
        seconds: the time of a trial, where it was measured; else it is estimated from the speed.
        concurrency: trials at once, for the wall time.
    """
    states = states or {}
    speed = speed or (CUDA if sweep.resources.device == "cuda" else CPU)
    if seconds is not None:
        speed = replace(speed, source="timed steps at three depths of each group")

    def cost(trial: TrialSpec) -> float:
        return seconds(trial) if seconds is not None else estimate_seconds(trial, trial_sizes(trial), speed)

    if trials is None:
        trials = () if sweep.adaptive is not None else sweep.trials()
    planned = [PlannedTrial(t, trial_sizes(t), cost(t), states.get(t.trial_id, "missing")) for t in trials]
    planned.sort(key=lambda p: -p.seconds)  # stable: equal costs keep the file's order
    to_come, later = _to_come(sweep, trials, cost)
    return Plan(sweep, tuple(planned), speed, max(1, concurrency), to_come, later)


def _to_come(sweep: SweepSpec, trials: Sequence[TrialSpec], cost: Callable[[TrialSpec], float]) -> tuple[int, float]:
    """How many trials will follow from results, and their time."""
    if sweep.adaptive is not None:
        groups: dict[Group, list[float]] = {}
        for trial in sweep.cells:
            groups.setdefault(trial.cell.group, []).append(cost(trial))
        most = sweep.adaptive.max_trials * len(groups)
        left = max(0, most - len(trials))
        return left, left * sum(sum(costs) / len(costs) for costs in groups.values()) / len(groups)
    if sweep.tune is None:
        return 0, 0.0
    tuned = {(t.model, t.seed) for t in trials if t.setting == "tuned"}
    awaited = [cell for cell in sweep.cells for seed in sweep.seeds if (cell.model, seed) not in tuned]
    later = [cost(cell) for cell in awaited]
    if sweep.tune.sampler != "sobol":
        points = sweep.tune.trials * len(sweep.tune.seeds)
        begun = Counter(t.model for t in trials if t.phase == "tune")
        later += [cost(cell) for cell in sweep.cells for _ in range(max(0, points - begun[cell.model]))]
    return len(later), sum(later)


def trial_sizes(trial: TrialSpec) -> Sizes | None:
    """Parameters, FLOPs and activation bytes of the trial's network; None where a user's own family cannot be built.

    A user's own network is built in a process of its own: it must not cost the other families their plan, whatever it
    does. What it did is logged, once.
    """
    shape, classes = datasets.shape_and_classes(trial.dataset)
    if ":" not in trial.model.architecture:
        return _sizes(trial.model, shape, classes)
    return _own_sizes(trial.model, shape, classes)


def sizes_if_known(trial: TrialSpec) -> Sizes | None:
    """The same for a trial that was read back; None too where this skipray, or this machine, cannot tell it."""
    try:
        return trial_sizes(trial)
    except ValueError:
        return None


@lru_cache(maxsize=10_000)
def _sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes:
    return architectures.sizes(model, input_shape, classes)


_unbuilt: dict[str, str] = {}
"""A user's family -> why it could not be built, the first time."""


@lru_cache(maxsize=10_000)
def _own_sizes(model: ModelSpec, input_shape: tuple[int, int, int], classes: int) -> Sizes | None:
    family = model.architecture
    if apart.NOT_ENDED in _unbuilt.get(family, ""):
        return None  # not as many times the patience as there are cells
    try:
        return apart.call(architectures.sizes, model, input_shape, classes)
    except apart.OwnCodeFailed as error:
        if family not in _unbuilt:
            _unbuilt[family] = str(error)
            logger.warning("%s cannot be built at depth %d: %s", family, model.depth, error)
        return None
