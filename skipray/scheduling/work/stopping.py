"""Ctrl-C, Ctrl-\\, SIGTERM and SIGHUP: the first ends the launch cleanly and resumably, the second at once."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

GRACE_SECONDS = 5.0
"""For workers to save a checkpoint, close their runs and give their leases back."""

ONE_SIGNAL_SECONDS = 1.0
"""Signals within so long are one: `timeout` and batch systems send theirs to a process and again to its group."""

SIGNALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Whether the launch is being stopped. Use as a context manager around the loop.

    Tune's own handler is switched off (TUNE_DISABLE_SIGINT_HANDLER): it waits for running steps, and a step is a trial.
    """

    def __init__(self, announce: Callable[[], None]):
        """
        Args:
            announce: tells the workers; called once, in a thread, because a signal may arrive inside any call of Ray's.
        """
        self.signal: int | None = None
        self._announce = announce
        self._since: float | None = None
        self._previous: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        return self._since is not None

    @property
    def seconds(self) -> float:
        """Since it was requested; 0 when it was not."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    @property
    def overdue(self) -> bool:
        return self.seconds > GRACE_SECONDS

    def request(self, number: int | None = None) -> None:
        if self._since is None:
            self.signal = number
            self._since = time.monotonic()
            threading.Thread(target=self._announce, name="skipray-announce-stop", daemon=True).start()

    def __enter__(self) -> "Stop":
        # Signals reach the main thread only; a launch in another thread is stopped by `request`.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is signal.SIG_IGN:
                    continue  # as `nohup` has asked
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested and self.seconds > ONE_SIGNAL_SECONDS:
            self.__exit__()
            raise KeyboardInterrupt
        self.request(number)
