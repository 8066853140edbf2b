"""A launch goes on where the process that its workers are forks of has been killed."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from skipray.scheduling.ray.attempt import TrialAttempt, WorkerContext
from skipray.scheduling.ray.cluster import connect, disconnect
from skipray.scheduling.ray.run import run
from skipray.scheduling.work.protocol import FixedWork, TrialResult
from skipray.spec import SweepSpec


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_trials_go_on_where_the_process_that_forks_has_died(
    sweep: SweepSpec, context: WorkerContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its forks end with it, as workers do with their raylet; Ray starts workers of its own in their place."""
    for name in ("RAY_ADDRESS", "RAY_preload_python_modules"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_preload_python_modules", "skipray.scheduling.ray.worker")
    folder, trials = str(tmp_path), sweep.trials()[:3]

    def execute(attempt: TrialAttempt, interrupted: Callable[[], None]) -> TrialResult:
        forked = "skipray.scheduling.ray.forking.serve" in sys.modules
        first = Path(folder, "first")
        if forked and not first.exists():
            first.touch()
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)
        Path(folder, attempt.trial.label).write_text(str(forked))
        return TrialResult(attempt.trial.trial_id, "finished", attempt.number)

    cluster = connect(sweep)
    try:
        done = run(FixedWork(trials, [1.0] * len(trials)), sweep, context, cluster, execute=execute)
        assert (done.finished, done.failed) == (len(trials), ())
        again = run(FixedWork(trials, [1.0] * len(trials)), sweep, context, cluster, execute=execute)
        assert (again.finished, again.failed) == (len(trials), ())
        assert {(tmp_path / trial.label).read_text() for trial in trials} == {"False"}
    finally:
        disconnect(cluster)
    assert cluster.start is not None
    assert not cluster.start.folder.path.exists()
