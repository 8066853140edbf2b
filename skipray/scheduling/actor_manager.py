"""Tune's loop survives a worker that Ray ends for a reason that Tune does not know.

Tune tells an actor's death from a task's error by two classes of exceptions, and ends the whole run at any other: also
at `OutOfMemoryError`, with which Ray's memory monitor reports the worker that it killed. There is no public switch.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.execution import tune_controller


class ActorManager(RayActorManager):
    """Takes every error of Ray's own for the death of the worker that it concerns."""

    def __init__(self, *args: Any, worker: type | None = None, **kwargs: Any):
        """
        Args:
            worker: the class of every actor, started as it is: in a process that Ray has started ahead. Tune gives each
                an environment of its own, of variables that are also this process's, and so a new process.
        """
        super().__init__(*args, **kwargs)
        self._worker: Any = ray.remote(worker) if worker else None

    def add_actor(self, cls: Any, *args: Any, **kwargs: Any) -> Any:
        return super().add_actor(self._worker or cls, *args, **kwargs)

    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, RayError) and not isinstance(exception, RayActorError | RayTaskError):
            exception = RayActorError(error_msg=f"{type(exception).__name__}: {exception}")
        super()._actor_task_failed(tracked_actor_task, exception)


@contextmanager
def tolerant_tune(worker: type | None = None) -> Iterator[None]:
    """Within it, a Tuner's loop uses this manager.

    Args:
        worker: see `ActorManager`; only where workers have the environment of this process.
    """
    manager = functools.partial(ActorManager, worker=worker)
    setattr(tune_controller, "RayActorManager", manager)  # noqa: B010 - a class is no variable to mypy
    try:
        yield
    finally:
        setattr(tune_controller, "RayActorManager", RayActorManager)  # noqa: B010
