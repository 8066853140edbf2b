"""One local Ray for the tests of this folder, and a small sweep whose trials do nothing."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skipray.scheduling.ray.attempt import Execute, TrialAttempt, WorkerContext
from skipray.scheduling.work.protocol import TrialResult
from skipray.spec import SweepSpec, load_sweep

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def sweep() -> SweepSpec:
    """Six trials: three families, two depths, one seed."""
    return load_sweep(ROOT / "sweeps" / "quickstart.yaml", ["factors.depth=[8, 20]", "seeds=[0]"])


@pytest.fixture(scope="module")
def cluster(sweep: SweepSpec) -> Iterator[object]:
    """A Ray whose workers import their own module alone, and not torch and MLflow, which no pretended trial needs."""
    from skipray.scheduling.ray import cluster as clusters

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_preload_python_modules", "skipray.scheduling.ray.worker")
        made = clusters.connect(sweep)
        yield made
        clusters.disconnect(made)


@pytest.fixture
def context(tmp_path: Path) -> WorkerContext:
    return WorkerContext(None, str(tmp_path))


@pytest.fixture
def pretend() -> Callable[..., Execute]:
    """A stand-in for a trial. A closure, so that Ray sends its code: workers cannot import tests."""

    def make(
        folder: Path, *, kill: str = "", raises: str = "", memory: str = "", seconds: float = 0.0, deaf: bool = False
    ) -> Execute:
        log = str(folder)

        def execute(attempt: TrialAttempt, interrupted: Callable[[], None]) -> TrialResult:
            import signal

            label = attempt.trial.label
            (Path(log) / f"{label}.{attempt.number}").write_text(f"{os.getpid()} {attempt.cpus}")
            if kill in label and kill and attempt.number == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if raises and raises in label:
                raise ValueError(f"bad luck in {label}")
            if memory and memory in label and attempt.number == 1:
                raise MemoryError("no room")
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                if not deaf:
                    interrupted()
                time.sleep(0.02)
            return TrialResult(attempt.trial.trial_id, "finished", attempt.number, outcome="trained", train_seconds=0.1)

        return execute

    return make
