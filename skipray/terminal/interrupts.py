"""SIGTERM, SIGHUP and Ctrl-\\ end a command as Ctrl-C does, at any moment but in an import, in a transaction, or while
something is entered that is to be left again, whose end they wait for; as Ctrl-C does in a process that goes on
afterwards, such as a notebook's, where it waits for calls of libraries too."""

import inspect
import re
import signal
import threading
import time
from collections.abc import Callable
from functools import wraps
from operator import sub
from types import FrameType
from typing import ParamSpec, TypeVar

from skipray.scheduling.work.stopping import ONE_SIGNAL_SECONDS, SIGNALS

WHOLE = {"importlib", "sqlalchemy", "alembic", "contextlib", "skipray.scheduling.ray.local_start"}
"""Packages and modules whose calls are not left in their midst, nor are those of any `__enter__`. Python may drop an
exception in an import, and the command goes on; what has been imported by half, as parts of MLflow, cannot be imported
again; a transaction that SQLAlchemy has lost sight of locks the store; a lease that is taken, and not yet on the stack
that gives it up, is held by this process from then on. Nothing would work in it any more."""
LIBRARY = re.compile(r"[/\\](site|dist)-packages[/\\](?!skipray[/\\])")
"""Files of installed packages. In a process that goes on their calls are not left in their midst either: what one makes
when it is first called, as sqlparse its lexer, would stay half made."""
NETWORK = {"requests", "urllib3", "http"}
"""Packages by which libraries wait for others: then these are left at once."""
LOOK_SECONDS, PATIENCE_SECONDS = 0.01, 10.0

P = ParamSpec("P")
R = TypeVar("R")

_last = float("-inf")


def interrupt_on_signals() -> None:
    """From now on each of SIGNALS raises KeyboardInterrupt in the main thread, but what `nohup` has asked to ignore.

    Does nothing in another thread, where Python takes no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    between = _BetweenCalls(_interrupt)
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, between.handle)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _last
    now = time.monotonic()
    if now - _last > ONE_SIGNAL_SECONDS:
        _last = now
        raise KeyboardInterrupt


def interruptible(function: Callable[P, R]) -> Callable[P, R]:
    """A function of a process that goes on after Ctrl-C, which interrupts it between calls of what is in WHOLE and of
    installed packages."""

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        before = signal.getsignal(signal.SIGINT)
        by_another = isinstance(getattr(before, "__self__", None), _BetweenCalls)
        if threading.current_thread() is not threading.main_thread() or not callable(before) or by_another:
            return function(*args, **kwargs)
        between = _BetweenCalls(before, libraries=True)
        signal.signal(signal.SIGINT, between.handle)
        try:
            return function(*args, **kwargs)
        finally:
            signal.signal(signal.SIGINT, before)
            between.end()

    return called


class _BetweenCalls:
    """Hands a signal on once the main thread is in no call that is to be whole, or has been for PATIENCE_SECONDS; never
    in the machinery of imports itself."""

    def __init__(self, hand_on: Callable[[int, FrameType | None], object], *, libraries: bool = False):
        self._hand_on, self._libraries = hand_on, libraries
        self._outside = _calls(inspect.currentframe())
        self._since: float | None = None
        """When the signal came that waits."""
        self._timer: threading.Timer | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        since = self._since = self._since or now
        if not self._within(frame) or (now - since > PATIENCE_SECONDS and not _holds_imports(frame)):
            self._since = None
            self._hand_on(number, frame)
        elif self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(LOOK_SECONDS, self._again, [number])
            self._timer.daemon = True
            self._timer.start()

    def _again(self, number: int) -> None:
        self._timer = None
        if self._since is None:
            return
        if signal.getsignal(number) != self.handle:
            self._since = None  # a launch's own handler hears of it now, and nobody twice
        signal.pthread_kill(threading.main_thread().ident or 0, number)

    def _within(self, frame: FrameType | None) -> bool:
        """Whether a frame is in a call that is to be whole."""
        of_whole, of_libraries, of_network = map(sub, _calls(frame), self._outside)
        return of_whole > 0 or (self._libraries and of_libraries > 0 and of_network == 0)

    def end(self) -> None:
        """What still waits comes now."""
        if self._since is not None:
            self._since = None
            signal.raise_signal(signal.SIGINT)


def _holds_imports(frame: FrameType | None) -> bool:
    """Whether it may hold the lock of all imports, which no other thread would get any more."""
    return frame is not None and _package(frame) == "importlib"


def _calls(frame: FrameType | None) -> tuple[int, int, int]:
    """How many functions of what is in WHOLE, of libraries and of what is in NETWORK have called where a frame is."""
    of_whole = of_libraries = of_network = 0
    while frame is not None:
        of_whole += _package(frame) in WHOLE or _module(frame) in WHOLE or frame.f_code.co_name == "__enter__"
        of_libraries += LIBRARY.search(frame.f_code.co_filename) is not None
        of_network += _package(frame) in NETWORK
        frame = frame.f_back
    return of_whole, of_libraries, of_network


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _package(frame: FrameType) -> str:
    return _module(frame).partition(".")[0]
