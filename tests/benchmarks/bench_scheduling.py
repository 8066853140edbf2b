"""What scheduling costs: how far the order of trials is from the best possible, and the overhead of a trial.

    python tests/benchmarks/bench_scheduling.py [NO_OP_TRIALS]

1. Clusters of 64 and 1,000 GPUs, simulated without waiting: costs of the paper's families and depths, with recipes'
   spread and noise. Makespan over the lower bound max(mean load, longest trial), for skipray's order and for Tune's own
   (the order of the file).
2. No-op trials through the real Tuner on this machine: seconds per trial and the driver's memory.
"""

import heapq
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skipray.scheduling.ray.attempt import TrialAttempt, WorkerContext
from skipray.scheduling.work.events import Event
from skipray.scheduling.work.protocol import FixedWork, TrialResult, Work
from skipray.spec import SweepSpec, TrialSpec, load_sweep

ROOT = Path(__file__).resolve().parents[2]
DEPTHS = (20, 38, 56, 74, 92, 110, 128, 146, 164)
SECONDS_A_LAYER = {"plainnet": 100.0, "resnet": 105.0, "resnext": 240.0}
"""About 200 epochs of CIFAR-10 per layer on a data-centre GPU: the families' spread is what matters here."""
ESTIMATE_ERROR = 0.15
"""Standard deviation of the logarithm of measured over estimated seconds, besides a factor for each family."""


class FileOrder:
    """Tune's own order: as the trials stand in the file."""

    def __init__(self, trials: Sequence[TrialSpec]):
        self._left = list(reversed(trials))

    @property
    def exhausted(self) -> bool:
        return not self._left

    def next(self) -> TrialSpec | None:
        return self._left.pop() if self._left else None

    def tell(self, trial: TrialSpec, result: TrialResult) -> None:
        pass

    def remaining(self) -> int:
        return len(self._left)


def simulate(work: Work, seconds: dict[str, float], machines: int) -> float:
    """Makespan in seconds: each machine takes the next trial when it is free."""
    free: list[tuple[float, int, TrialSpec | None]] = [(0.0, i, None) for i in range(machines)]
    heapq.heapify(free)
    end = 0.0
    while free:
        now, machine, done = heapq.heappop(free)
        if done is not None:
            work.tell(done, TrialResult(done.trial_id, "finished", train_seconds=seconds[done.trial_id]))
        trial = work.next()
        if trial is not None:
            end = max(end, now + seconds[trial.trial_id])
            heapq.heappush(free, (now + seconds[trial.trial_id], machine, trial))
    return end


def paper_sweep(sweep: SweepSpec, seeds: int) -> tuple[list[TrialSpec], list[float], dict[str, float]]:
    """Trials in the file's order, their estimated and their true seconds."""
    rng = np.random.default_rng(0)
    first = {t.model.architecture: t for t in sweep.trials()}
    family_error = {"plainnet": 0.8, "resnet": 1.0, "resnext": 1.5}
    trials, estimates, true = [], [], {}
    for family, trial in first.items():
        for depth in DEPTHS:
            for seed in range(seeds):
                t = replace(trial, model=trial.model.model_copy(update={"depth": depth}), seed=seed)
                estimate = SECONDS_A_LAYER[family] * depth
                trials.append(t)
                estimates.append(estimate)
                true[t.trial_id] = estimate * family_error[family] * float(np.exp(ESTIMATE_ERROR * rng.normal()))
    return trials, estimates, true


def orders(sweep: SweepSpec) -> list[tuple[int, int, float, float]]:
    """(GPUs, trials, skipray's makespan over the bound, Tune's own over the bound)."""
    rows = []
    for gpus, seeds in ((64, 20), (1000, 300)):
        trials, estimates, true = paper_sweep(sweep, seeds)
        bound = max(sum(true.values()) / gpus, max(true.values()))
        ours = simulate(FixedWork(trials, estimates), true, gpus)
        theirs = simulate(FileOrder(trials), true, gpus)
        rows.append((gpus, len(trials), ours / bound, theirs / bound))
    return rows


def no_op(attempt: TrialAttempt, interrupted: Callable[[], None]) -> TrialResult:
    return TrialResult(attempt.trial.trial_id, "finished", attempt.number, outcome="trained", train_seconds=1e-3)


def overhead(sweep: SweepSpec, count: int) -> tuple[float, float, float]:
    """(seconds per trial in the first half, in the second half, the driver's peak memory in MB)."""
    from skipray.scheduling.ray import cluster as clusters
    from skipray.scheduling.ray.run import run

    base = sweep.trials()
    trials = [replace(base[i % len(base)], seed=i // len(base)) for i in range(count)]
    times: list[float] = []

    def on_event(event: Event) -> None:
        if event.kind == "finished":
            times.append(time.monotonic())

    cluster = clusters.connect(sweep)
    try:
        with tempfile.TemporaryDirectory() as folder:
            work = FixedWork(trials, [float(t.model.depth) for t in trials])
            summary = run(work, sweep, WorkerContext(None, folder), cluster, on_event=on_event, execute=no_op)
    finally:
        clusters.disconnect(cluster)
    assert summary.finished == count
    half = count // 2
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (times[half] - times[0]) / half, (times[-1] - times[half]) / (count - half - 1), memory


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    sweep = load_sweep(ROOT / "sweeps" / "quickstart.yaml")
    print("makespan over the lower bound     skipray   file's order (Tune's own)")
    for gpus, trials, ours, theirs in orders(sweep):
        print(f"{gpus:5d} GPUs, {trials:5d} trials        {ours:7.3f}   {theirs:7.3f}")
        assert ours <= 1.05, "longest first should stay within 1.05 of the bound"
    first, second, memory = overhead(sweep, count)
    print(f"{count} no-op trials: {first:.3f} s each in the first half, {second:.3f} in the second; {memory:.0f} MB")


if __name__ == "__main__":
    main()
