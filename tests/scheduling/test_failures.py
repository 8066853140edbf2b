import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
import torch

from skipray.scheduling.ray.worker import is_end_of_process
from skipray.scheduling.work.failures import (
    MAX_DEATHS,
    Attempts,
    Retry,
    classify,
    classify_death,
    memory_line,
    spoils_process,
)


def test_errors_are_repeated_at_most_so_often() -> None:
    attempts = Attempts(max_failures=2)
    assert [attempts.after("a", "error") for _ in range(3)] == [Retry(1), Retry(1), None]
    assert attempts.after("b", "error") == Retry(1)


def test_no_failures_allowed() -> None:
    assert Attempts(max_failures=0).after("a", "error") is None


def test_out_of_memory_is_repeated_once_with_twice_the_share() -> None:
    attempts = Attempts(max_failures=5)
    assert attempts.after("a", "out_of_memory") == Retry(2)
    assert attempts.after("a", "error") == Retry(2), "the doubled share stays"
    assert attempts.after("a", "out_of_memory") is None


def test_lost_is_not_counted_but_ends() -> None:
    attempts = Attempts(max_failures=0)
    assert all(attempts.after("a", "lost", with_node=True) == Retry(1) for _ in range(10 * MAX_DEATHS))
    assert all(attempts.after("a", "lost") == Retry(1) for _ in range(MAX_DEATHS))
    assert attempts.after("a", "lost") is None


def test_a_forgotten_trial_starts_anew() -> None:
    attempts = Attempts(max_failures=0)
    attempts.after("a", "out_of_memory")
    attempts.forget("a")
    assert attempts.after("a", "out_of_memory") == Retry(2)


@pytest.mark.parametrize(
    ("error", "expected", "spoils"),
    [
        (MemoryError(), "out_of_memory", True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out_of_memory", True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "out_of_memory", True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), "error", True),
        (ValueError("found 3; allowed: 4"), "error", False),
        (pickle.UnpicklingError("x"), "error", False),
    ],
)
def test_classes(error: Exception, expected: str, spoils: bool) -> None:
    assert (classify(error), spoils_process(error)) == (expected, spoils)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("The actor died unexpectedly before finishing this task.\n\tWorker exit type: SYSTEM_ERROR", ("lost", False)),
        ("The actor died because its node has died. Node Id: 12ab", ("lost", True)),
        (
            "Memory on the node (IP: 10.0.0.1) was 62GB / 64GB, which exceeds the memory usage threshold of 0.95",
            ("out_of_memory", False),
        ),
    ],
)
def test_deaths(message: str, expected: tuple[str, bool]) -> None:
    assert classify_death(message) == expected


def test_a_worker_that_starts_keeps_its_trial(monkeypatch: pytest.MonkeyPatch) -> None:

    from ray.tune.execution.tune_controller import TuneController

    from skipray.scheduling.ray import private

    given: list[str] = []
    monkeypatch.setattr(TuneController, "_maybe_reuse_cached_actor", lambda self, trial: given.append(trial) or True)
    loop = SimpleNamespace(
        _trial_to_actor={"starting": "its own", "waiting for room": "not started"},
        _actor_manager=SimpleNamespace(is_actor_started=lambda actor: actor == "its own"),
    )
    with private.adjusted_loop():
        reuse = TuneController._maybe_reuse_cached_actor
        assert [reuse(loop, trial) for trial in ("starting", "waiting for room", "new")] == [False, True, True]
    assert given == ["waiting for room", "new"]
    assert TuneController._maybe_reuse_cached_actor is not reuse


def test_a_worker_that_rays_memory_monitor_killed_does_not_end_tunes_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.air.execution import PlacementGroupResourceManager
    from ray.air.execution._internal import TrackedActor
    from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
    from ray.exceptions import OutOfMemoryError, RayActorError
    from ray.tune.execution import tune_controller

    from skipray.scheduling.ray.private import adjusted_loop

    with adjusted_loop():
        manager = tune_controller.RayActorManager(PlacementGroupResourceManager())
    monkeypatch.setattr(manager, "_cleanup_actor", lambda tracked_actor: None)
    told: list[Exception] = []
    actor = TrackedActor(1, on_error=lambda actor, error: told.append(error))
    task = TrackedActorTask(actor, on_error=lambda actor, error: told.append(error))
    killed = OutOfMemoryError("Task was killed due to the node running low on memory.\nTop 10 memory users: ...")
    manager._actor_task_failed(task, killed)
    assert len(told) == 2
    assert all(isinstance(error, RayActorError) for error in told)
    assert classify_death(str(told[0])) == ("out_of_memory", False)
    assert "low on memory." in (memory_line(str(told[0])) or "")
    with pytest.raises(RuntimeError, match="unexpected"):  # an error that is not Ray's is still one of ours
        manager._actor_task_failed(task, KeyError("ours"))


def test_credentials_go_with_the_work_and_not_into_what_ray_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.tune.execution import class_cache

    from skipray.scheduling.ray.attempt import WorkerContext
    from skipray.scheduling.ray.private import adjusted_loop

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted-Kd72")
    asked: list[dict[str, dict[str, str]]] = []
    monkeypatch.setattr(class_cache.ray, "remote", lambda runtime_env: asked.append(runtime_env) or (lambda cls: cls))
    class_cache._ActorClassCache().get(object)
    assert asked[0]["env_vars"]["AWS_SECRET_ACCESS_KEY"] == "planted-Kd72", "as Tune is by itself"
    with adjusted_loop():
        class_cache._ActorClassCache().get(object)
    assert "planted-Kd72" not in str(asked[1])
    context = WorkerContext(None, "storage")
    assert context.credentials["AWS_SECRET_ACCESS_KEY"] == "planted-Kd72"
    assert "planted-Kd72" not in repr(context)


def test_what_a_failed_attempt_says_has_no_secrets() -> None:
    """It is printed, told to `--notify` and kept in JSON, besides being recorded."""
    from skipray.scheduling.ray.worker import failure_of

    attempt: Any = SimpleNamespace(trial=SimpleNamespace(trial_id="a"), number=1)
    try:
        raise RuntimeError("cannot reach postgresql://u:pass-Ur33@db/x, Authorization: Bearer bearer-Wq90")
    except RuntimeError as error:
        result = failure_of(attempt, error)
    assert "cannot reach postgresql://***@db/x" in result.message
    for said in (result.message, result.traceback):
        assert "Ur33" not in said
        assert "Wq90" not in said


OF_RAY = str(Path(ray.__file__).parent / "_private" / "worker.py")


@pytest.mark.parametrize(
    ("files", "is_rays"),
    [
        ([OF_RAY], True),
        ([OF_RAY, "python/ray/_raylet.pyx"], True),  # as it is where Ray's handler of SIGTERM has run
        (["/home/user/mine.py"], False),
        (["<string>"], False),
        (["python/ray/_raylet.pyx"], False),
    ],
)
def test_the_end_of_a_process_is_told_from_the_users_own_exit(files: list[str], is_rays: bool) -> None:
    exits: Callable[[], Any] = sys.exit
    for file in reversed(files):
        names: dict[str, Any] = {"inner": exits}
        exec(compile("def outer():\n    inner()", file, "exec"), names)
        exits = names["outer"]
    with pytest.raises(SystemExit) as ended:
        exits()
    assert is_end_of_process(ended.value) == is_rays
    assert not is_end_of_process(ValueError())
