"""What the end of a launch needs, made ready beside its last trials."""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread


class Ahead:
    """Something that takes seconds, and that finds done what it has done before, such as imports."""

    def __init__(self, work: Callable[[], None]):
        self._work = work
        self._thread: Thread | None = None

    def begin(self) -> None:
        """Have it done in a thread; again does nothing."""
        if self._thread is None:
            self._thread = Thread(target=self._try, name="skipray-ahead", daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """Have it done. Raises what it raises."""
        if self._thread is not None:
            self._thread.join()
        self._work()

    def _try(self) -> None:
        with suppress(Exception):  # `finish` says it
            self._work()
