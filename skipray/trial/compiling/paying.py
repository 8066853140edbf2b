"""Whether compiling pays for itself within a trial, from measurements.

A step of the whole network is timed as it is. Two shallow networks of the trial's family, twins that differ from it in
nothing but depth, are timed as they are and compiled, and so is compiling them. Both steps and the compiling grow
linearly with depth (`line`), so that the whole network's compiled step and its compiling follow: of the step its ratio
to the plain one, which the load of the machine moves least.

Twins are measured once for all trials of a machine that differ in depth and seed alone: what was found lies beside what
the compiler has kept, and trials of one cell decide by the same figures.
"""

import hashlib
import json
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from skipray import __version__, architectures
from skipray.datasets import Splits, shape_and_classes
from skipray.spec import TrialSpec, canonical_json
from skipray.spec.recipes import piece_sizes
from skipray.trial.channels_last import memory_format
from skipray.trial.compiling.compiled import Compiled
from skipray.trial.training import make_optimizer, to_device
from skipray.trial.training.step import Step

LEAST_SECONDS = 300.0
"""Of a trial's steps: a shorter one is not worth finding out for. Compiling takes tens of seconds, and finding out
about a minute, once for each family and machine."""
MARGIN = 0.1
"""Share of the steps' time that compiling has to save at least: the estimate is no better than that."""
LEAST_RATIO = 0.9
"""The whole network's compiled step takes at least so much of its plain one, as a share of what the twins' do: lines
through times that are a little off can be far off at a depth ten times as large."""
SHALLOWEST, SHARE, DEEPER = 8, 4, 1.75
"""The first twin is at least so deep; where the network is shallow, a fourth of its depth is enough. The second is so
many times deeper. Families that count blocks are deep at small numbers."""
TRIED = 200
"""Depths at which a twin is looked for."""
TIMED_FIELDS = ("precision", "gradient_clip_norm", "gradient_accumulation", "optimizer", "loss")
"""Of a recipe, what a step's time follows from, besides the batch."""
WARM_STEPS, TIMED_STEPS = 3, 5
"""Before the timed steps; how many of these there are at least."""
ENOUGH_SECONDS, MOST_SECONDS = 2.0, 10.0
"""Steps are timed for so long; none is begun after the longer time, timed or not."""


@dataclass(frozen=True)
class Twin:
    """What was measured of a shallow network, in seconds."""

    depth: int
    step: float
    """Plain."""
    compiled_step: float
    compiling: float
    """Of one size of batch."""


@dataclass(frozen=True)
class Forecast:
    """What the decision rests on, in seconds."""

    steps: int
    sizes: int
    """Of batches, each of which is compiled."""
    step: float
    """Of the whole network, measured."""
    compiled_step: float
    compiling: float
    """All sizes."""

    @property
    def plain_seconds(self) -> float:
        return self.steps * self.step

    @property
    def compiled_seconds(self) -> float:
        return self.compiling + self.steps * self.compiled_step

    @property
    def pays(self) -> bool:
        """Whether compiling saves MARGIN of the steps' time at least."""
        return self.compiled_seconds < (1 - MARGIN) * self.plain_seconds


def line(depths: tuple[int, int], values: tuple[float, float], depth: int) -> float:
    """The value at a depth of the straight line through two depths, never below the half of the first's value.

    >>> line((4, 8), (1.0, 2.0), 16)
    4.0
    """
    slope = (values[1] - values[0]) / (depths[1] - depths[0])
    return max(values[0] + slope * (depth - depths[0]), values[0] / 2)


def estimate(depth: int, step: float, twins: tuple[Twin, Twin], steps: int, sizes: int) -> Forecast:
    """What compiling the whole network takes, and a step of it then.

    Args:
        depth: of the whole network.
        step: its plain step, measured.
        steps: of the trial.
        sizes: of batches.
    """
    first, second = twins
    depths = first.depth, second.depth
    plain = line(depths, (first.step, second.step), depth)
    compiled = line(depths, (first.compiled_step, second.compiled_step), depth)
    least = LEAST_RATIO * min(first.compiled_step / first.step, second.compiled_step / second.step)
    compiling = line(depths, (first.compiling, second.compiling), depth)
    return Forecast(steps, sizes, step, step * max(compiled / plain, least), sizes * compiling)


def decide(trial: TrialSpec, splits: Splits, folder: Path) -> dict[str, Any]:
    """What auto becomes: `ran`, a mode of torch.compile or none; `why`; and the estimate, with the twins.

    Leaves random numbers as they were.

    Args:
        splits: on the trial's device.
        folder: the compiler's.
    """
    samples = len(splits.train_y)
    steps = trial.recipe.epochs * -(-samples // trial.recipe.batch_size)
    with _random_kept(trial):
        timer = StepTimer(trial, splits)
        step = timer.early_step(trial.model.depth)
        if steps * step >= LEAST_SECONDS:
            step = timer.plain_step(trial.model.depth)
        if steps * step < LEAST_SECONDS:
            why = f"its {steps} steps take {steps * step:.3g} s, less than {LEAST_SECONDS:g}"
            return {"ran": "none", "why": why, "steps": steps, "step_seconds": step}
        try:
            twins = twins_of(timer, folder)
        except (Exception, SystemExit) as error:  # a compiler that is not there; whatever a user's own code raises
            said = next(iter(str(error).splitlines()), "")
            why = f"a twin cannot be measured: {type(error).__name__}: {said}"
            return {"ran": "none", "why": why, "steps": steps, "step_seconds": step}
    found = estimate(trial.model.depth, step, twins, steps, len(piece_sizes(trial.recipe, samples)))
    compiled, plain = found.compiled_seconds, found.plain_seconds
    mode = timer.mode if found.pays else "none"
    why = f"compiling and the compiled steps are estimated to take {compiled:.3g} s, plain steps {plain:.3g} s"
    return {
        "ran": mode,
        "why": f"{why}; it has to save {MARGIN:.0%}",
        "steps": steps,
        "step_seconds": step,
        "estimated_compiled_step_seconds": found.compiled_step,
        "estimated_compile_seconds": found.compiling,
        "batch_sizes": found.sizes,
        "twins": [asdict(twin) for twin in twins],
    }


class StepTimer:
    """Times steps of a trial's family at any depth."""

    def __init__(self, trial: TrialSpec, splits: Splits):
        """
        Args:
            splits: of the trial's data, on its device.
        """
        self.trial = trial
        self.device = torch.device(trial.resources.device)
        self.mode = "reduce-overhead" if self.device.type == "cuda" else "default"
        samples = len(splits.train_y)
        # A batch whose pieces all have one size.
        chosen = torch.arange(max(piece_sizes(trial.recipe, samples)) * trial.recipe.gradient_accumulation) % samples
        self.inputs, self.labels = splits.normalise(splits.train_x[chosen]), splits.train_y[chosen]

    def early_step(self, depth: int) -> float:
        """Seconds of the second step of a new network of the family, which is soon known and hardly too small."""
        take = self._step(self._network(depth))
        take()
        began = self._now()
        take()
        return self._now() - began

    def plain_step(self, depth: int) -> float:
        """Seconds of a step of a new network of the family."""
        return self._fastest(self._step(self._network(depth)))[0]

    def twin(self, depth: int) -> Twin:
        """A new network of the family measured, plain and compiled for the first time."""
        network, other = self._network(depth), self._network(depth)
        compiled = Compiled(other, self.mode, {"compile_seconds": 0.0})
        try:
            take = self._step(other, compiled)
            with _nothing_kept():
                began = self._now(with_children=True)
                take()
                first = self._now(with_children=True) - began
            plain, step = self._fastest(self._step(network), take)
        finally:
            compiled.close()
        return Twin(depth, plain, step, max(0.0, first - step))

    def depths(self) -> tuple[int, int]:
        """Two depths that the family can have.

        Raises:
            ValueError: there are none.
        """
        found: list[int] = []
        least: float = max(1, min(SHALLOWEST, self.trial.model.depth // SHARE))
        for depth in range(1, TRIED):
            if depth < least:
                continue
            with suppress(Exception):  # which the family does not have
                architectures.sizes(self._model(depth), *shape_and_classes(self.trial.dataset))
                found.append(depth)
                least = DEEPER * depth
            if len(found) == 2:
                return found[0], found[1]
        raise ValueError(f"found no two depths of {self.trial.model.architecture} below {TRIED}")

    def warm_up(self) -> None:
        """What a process, or a folder, does once, and no twin is to be charged with."""
        layer = nn.Linear(2, 2).to(self.device)
        once = Compiled(layer, self.mode, {"compile_seconds": 0.0})
        try:
            once(torch.ones(2, 2, device=self.device)).sum().backward()
        finally:
            once.close()

    def _model(self, depth: int) -> Any:
        return self.trial.model.model_copy(update={"depth": depth})

    def _network(self, depth: int) -> nn.Module:
        shape, classes = shape_and_classes(self.trial.dataset)
        network = architectures.build(self._model(depth), shape, classes, seed=self.trial.seed)
        return to_device(network, self.device).train()

    def _step(self, network: nn.Module, forward: Compiled | None = None) -> Callable[[], object]:
        recipe = self.trial.recipe
        taking = Step(network, recipe, make_optimizer(network, recipe), forward=forward)
        inputs = self.inputs.contiguous(memory_format=memory_format(network))
        rate = 1e-3 * recipe.learning_rate  # weights that run off would be timed with numbers of their own
        return lambda: taking.take(inputs.clone(), self.labels, self.labels, rate, None)

    def _fastest(self, *takes: Callable[[], object]) -> list[float]:
        """Seconds of the fastest of several steps, of each kind; they alternate. What else a machine does only adds."""
        began, rounds = self._now(), []
        while True:
            seconds = []
            for take in takes:
                before = self._now()
                take()
                seconds.append(self._now() - before)
            rounds.append(seconds)
            spent = self._now() - began
            if spent > MOST_SECONDS or (len(rounds) >= WARM_STEPS + TIMED_STEPS and spent > ENOUGH_SECONDS):
                return [min(column) for column in zip(*(rounds[WARM_STEPS:] or rounds[-1:]), strict=True)]

    def _now(self, *, with_children: bool = False) -> float:
        """Of one thread the seconds that it has computed, which other processes do not add to; else the clock's.

        Args:
            with_children: with those of the processes that have ended, as compilers do.
        """
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        if self.trial.resources.threads > 1:
            return time.perf_counter()
        times = os.times()
        if with_children:
            return times.user + times.system + times.children_user + times.children_system
        return time.process_time() if self.device.type == "cpu" else time.perf_counter()


def twins_of(timer: StepTimer, folder: Path) -> tuple[Twin, Twin]:
    """Measured now, or by an earlier trial of this machine.

    Args:
        folder: the compiler's, where they are kept.
    """
    depths = timer.depths()
    path = folder / f"skipray-twins-{_key(timer, depths)}.json"
    with suppress(OSError, ValueError, TypeError):
        first, second = (Twin(**found) for found in json.loads(path.read_text()))
        return first, second
    timer.warm_up()
    twins = timer.twin(depths[0]), timer.twin(depths[1])
    fresh = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        fresh.write_text(json.dumps([asdict(twin) for twin in twins]))
        fresh.replace(path)
    return twins


def _key(timer: StepTimer, depths: tuple[int, int]) -> str:
    """What the times of twins follow from."""
    trial, cuda = timer.trial, timer.device.type == "cuda"
    told = {
        "versions": [__version__, torch.__version__],
        "device": torch.cuda.get_device_name(timer.device) if cuda else torch.backends.cpu.get_cpu_capability(),
        "threads": trial.resources.threads,
        "depths": depths,
        "model": trial.model.model_copy(update={"depth": 1}).model_dump(),
        "recipe": {name: getattr(trial.recipe, name) for name in TIMED_FIELDS},
        "data": [list(timer.inputs.shape), str(timer.inputs.dtype), shape_and_classes(trial.dataset)[1]],
        "sources": dict(trial.source_hashes),
    }
    return hashlib.sha256(canonical_json(told).encode()).hexdigest()[:16]


@contextmanager
def _nothing_kept() -> Iterator[None]:
    """Compiling as if it had never been done: what the compiler has kept of such a twin is not read, and none is kept.

    The whole network's is not there either, until a trial of its depth has compiled it.
    """
    config: Any = getattr(torch.compiler, "config", None)  # since torch 2.7
    if config is None:
        yield
        return
    with warnings.catch_warnings(), config.patch(force_disable_caches=True):
        warnings.simplefilter("ignore", UserWarning)  # that it is so
        yield


@contextmanager
def _random_kept(trial: TrialSpec) -> Iterator[None]:
    """StepTimer draws no random number of the trial's."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = [torch.cuda.current_device()] if trial.resources.device == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
