"""What Tune's loop does otherwise here: there is no public switch for any of it.

- It survives a worker that Ray ends for a reason that Tune does not know. Tune tells an actor's death from a task's
  error by two classes of exceptions, and ends the whole run at any other: also at `OutOfMemoryError`, with which Ray's
  memory monitor reports the worker that it killed.
- A worker that is starting keeps its trial. Tune gives the trial to the next warm worker that is free and ends the one
  that starts, just before it is ready: trials that are shorter than a start would never use a node that joins.
- On one machine, workers are processes that Ray has started ahead (alone.py). Tune gives each an environment of its
  own, of variables that are also this process's, and so a new process.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune.execution import tune_controller
from ray.tune.execution.tune_controller import TuneController

from skipray.scheduling.ray.replacing import replaced

_reuse = TuneController._maybe_reuse_cached_actor


class ActorManager(RayActorManager):
    """Takes every error of Ray's own for the death of the worker that it concerns."""

    def __init__(self, *args: Any, worker: type | None = None, **kwargs: Any):
        """
        Args:
            worker: the class of every actor, started as it is; as Tune starts it when left out.
        """
        super().__init__(*args, **kwargs)
        self._worker: Any = ray.remote(worker) if worker else None

    def add_actor(self, cls: Any, *args: Any, **kwargs: Any) -> Any:
        return super().add_actor(self._worker or cls, *args, **kwargs)

    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, RayError) and not isinstance(exception, RayActorError | RayTaskError):
            exception = RayActorError(error_msg=f"{type(exception).__name__}: {exception}")
        super()._actor_task_failed(tracked_actor_task, exception)


def _reuse_unless_starting(controller: TuneController, trial: Any) -> bool:
    """Give the trial a warm worker, unless its own has been given resources and starts."""
    own = controller._trial_to_actor.get(trial)
    if own is not None and controller._actor_manager.is_actor_started(own):
        return False
    return bool(_reuse(controller, trial))


@contextmanager
def adjusted_tune(worker: type | None = None) -> Iterator[None]:
    """Within it, a Tuner's loop is as described above.

    Args:
        worker: see `ActorManager`; only where workers have the environment of this process.
    """
    manager = functools.partial(ActorManager, worker=worker)
    with (
        replaced(tune_controller, "RayActorManager", manager),
        replaced(TuneController, "_maybe_reuse_cached_actor", _reuse_unless_starting),
    ):
        yield
