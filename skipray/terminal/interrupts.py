"""SIGTERM, SIGHUP and Ctrl-\\ end a command as Ctrl-C does, at any moment."""

import signal
import threading
import time
from types import FrameType

from skipray.scheduling.work.stopping import ONE_SIGNAL_SECONDS, SIGNALS

_last = float("-inf")


def interrupt_on_signals() -> None:
    """From now on each of SIGNALS raises KeyboardInterrupt in the main thread, but what `nohup` has asked to ignore.

    Does nothing in another thread, where Python takes no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _last
    now = time.monotonic()
    if now - _last > ONE_SIGNAL_SECONDS:
        _last = now
        raise KeyboardInterrupt
