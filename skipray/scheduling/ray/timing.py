"""How long trials take, from timed steps at the smallest, the middle and the largest depth of each group.

A trial's time is its start, its epochs (evaluation, checkpoints) and its steps; between those depths each grows
linearly.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skipray.extension import apart
from skipray.planning.estimate import compiled_sizes, train_samples
from skipray.spec import Group, SpecError, SweepSpec, TrialSpec

OWN_CODE_SECONDS = 600.0
"""So long a few steps of a user's own network may take."""
STEPS = (2, 6)
"""Steps of an epoch of the two timed runs; their difference is what steps cost."""


@dataclass(frozen=True)
class Timing:
    """Of one depth of one group, in seconds."""

    group: Group
    depth: int
    start: float
    """Building, compiling, evaluation before the first step, the end."""
    epoch: float
    """Each epoch, besides its steps."""
    step: float
    probe: float
    """All probes of a trial that is probed."""


class Estimate:
    """Seconds of any trial of a sweep, from timings of some."""

    def __init__(self, timings: Iterable[Timing]):
        self._of: dict[Group, list[Timing]] = {}
        for timing in timings:
            self._of.setdefault(timing.group, []).append(timing)
        for known in self._of.values():
            known.sort(key=lambda t: t.depth)

    def __call__(self, trial: TrialSpec) -> float:
        """Training and probing of one trial, whatever else the machine does."""
        known = self._of[trial.cell.group]
        depths = [t.depth for t in known]

        def at(values: list[float]) -> float:
            return float(np.interp(trial.model.depth, depths, values))

        steps = -(-train_samples(trial) // trial.recipe.batch_size)
        epoch = at([t.epoch for t in known]) + steps * at([t.step for t in known])
        probe = at([t.probe for t in known]) if trial.probe.preset != "none" else 0.0
        return at([t.start for t in known]) + trial.recipe.epochs * epoch + probe


def sample(sweep: SweepSpec) -> list[TrialSpec]:
    """The cells to time: of each group the smallest, the middle and the largest depth."""
    chosen = []
    for _, cells in deepest(sweep):
        ranked = sorted(cells, key=lambda c: c.model.depth)
        chosen += [ranked[i] for i in sorted({0, len(ranked) // 2, len(ranked) - 1})]
    return chosen


def deepest(sweep: SweepSpec) -> list[tuple[TrialSpec, list[TrialSpec]]]:
    """The deepest cell of each group, and the cells of the group."""
    groups: dict[Group, list[TrialSpec]] = {}
    for cell in sweep.cells:
        groups.setdefault(cell.cell.group, []).append(cell)
    return [(max(cells, key=lambda c: c.model.depth), cells) for cells in groups.values()]


def time_sweep(sweep: SweepSpec, data_root: str | None = None) -> Estimate:
    """Time steps of a sweep on the connected cluster, as many at once as fit: as crowded as its trials will be."""
    import ray

    gpus = 1 if sweep.resources.device == "cuda" else 0
    timer: Any = ray.remote(num_cpus=sweep.resources.threads, num_gpus=gpus, max_retries=2)(time_steps)
    return Estimate(ray.get([timer.remote(cell, data_root) for cell in sample(sweep)]))


def time_here(sweep: SweepSpec, data_root: str | None = None) -> Estimate:
    """Time steps of a sweep on this machine, one cell after the other, where no cluster is at hand.

    Raises:
        SpecError: a user's own family, which is timed in a process of its own, cannot be.
    """
    timings = []
    for cell in sample(sweep):
        if ":" not in cell.model.architecture:
            timings.append(time_steps(cell, data_root))
            continue
        try:
            timings.append(apart.call(time_steps, cell, data_root, seconds=OWN_CODE_SECONDS))
        except apart.OwnCodeFailed as error:
            raise SpecError([f"{sweep.path}: {cell.label} cannot be timed: {error}"]) from error
    return Estimate(timings)


def time_steps(trial: TrialSpec, data_root: str | None = None) -> Timing:
    """Time a few steps of a trial in this process. Imports torch."""
    from skipray.trial import run_trial

    batch = trial.recipe.batch_size
    available = train_samples(trial)
    few, more = (min(steps * batch, available) for steps in STEPS)

    def run(samples: int, epochs: int) -> tuple[float, float, float]:
        short = replace(
            trial,
            dataset=trial.dataset.model_copy(update={"train_samples": samples}),
            recipe=trial.recipe.model_copy(update={"epochs": epochs, "warmup_epochs": 0.0}),
            save_weights=False,
        )
        began = time.perf_counter()
        record = run_trial(short, data_root=data_root)
        compiling = record.compiling.get("compile_seconds", 0.0)
        return time.perf_counter() - began - record.probe_seconds - compiling, record.probe_seconds, compiling

    _, _, compiling = run(few, 1)  # opens the data, warms caches; what is compiled, the compiler keeps
    once, probe, _ = run(few, 1)
    longer, _, _ = run(more, 1)
    twice, _, _ = run(few, 2)
    steps_few, steps_more = -(-few // batch), -(-more // batch)
    step = max(0.0, longer - once) / max(1, steps_more - steps_few)
    epoch = max(0.0, twice - once - steps_few * step)
    start = max(0.0, once - epoch - steps_few * step) + compiled_sizes(trial) * compiling
    return Timing(trial.cell.group, trial.model.depth, start, epoch, step, probe)
