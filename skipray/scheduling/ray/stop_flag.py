"""A flag that the driver raises and every worker of the cluster can see: the launch is being stopped."""

from typing import Any

from skipray.scheduling.ray import private


class StopFlag:
    """Of one launch. Any process of the cluster may look at it; only the driver raises it."""

    def __init__(self, launch_id: str):
        self._name = f"skipray-stop-{launch_id}"
        self._flags = private.flags()
        self._actor: Any = None

    def set(self) -> None:
        """Raises Ray's errors, and waits for a head that is away."""
        if self._flags is not None:
            self._flags.put(self._name.encode(), b"1")
            return
        import ray

        # An actor's name is known as soon as it is asked for, before a process for it has started.
        self._actor = ray.remote(num_cpus=0)(_Stopped).options(name=self._name).remote()

    def is_set(self) -> bool:
        """Raises Ray's errors, and waits for a head that is away."""
        if self._flags is not None:
            return bool(self._flags.exists(self._name.encode()))
        import ray

        try:
            ray.get_actor(self._name)
        except ValueError:
            return False
        return True

    def remove(self) -> None:
        """Raises Ray's errors, and waits for a head that is away."""
        if self._flags is not None:
            self._flags.delete(self._name.encode())
        self._actor = None


class _Stopped:
    """An actor that is there while the flag is raised."""
