"""A command's work runs in a child process, and its parent sees that it ends: in time, with a sentence and a code.

What works for a command can end without a word: Ray's C++ core ends a driver whose head is gone, a user's own code may
call `os._exit` or crash, and calls of Ray's wait for minutes, deaf to signals. Only another process can tell. The
parent does nothing but wait: it passes each signal on, once; ends a child that has not ended in time, with all that the
child has started; and says what has happened where the child could not. It is this process as it was when the command
line was read, so it costs a few milliseconds.

The child has a session of its own. A signal to the whole process group (a closing terminal, `timeout`, a batch system)
therefore reaches Ray's processes through their launch, which stops them in order.
"""

import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from skipray.extension.readable import readable
from skipray.scheduling.work.parent import end_with_parent
from skipray.scheduling.work.stopping import ONE_SIGNAL_SECONDS, SIGNALS

INTERRUPTED = 130
END_SECONDS = 25.0
"""From the first signal until the child is killed."""
HURRIED_SECONDS = 5.0
"""From the second one."""
LEAVE_SECONDS = 5.0
"""From the child's last word until it is killed: libraries may hang while a process ends, when all is done."""
LOOK_SECONDS = 0.5
CRASH_BYTES = 100_000


def supervised(work: Callable[[], int], on_death: Callable[[str, str], int]) -> int:
    """Do the work in a child process.

    Args:
        work: returns an exit code.
        on_death: called in the parent where the child has ended without one, with how it ended ("signal SIGSEGV",
            "exit code 0") and what the interpreter has written of where it was; says so to the user, and returns an
            exit code.

    Returns:
        The exit code. In the child this function does not return.
    """
    if not hasattr(os, "fork"):
        return work()
    told, tells = os.pipe()
    with tempfile.TemporaryFile() as crash:
        parent = os.getpid()
        # A signal that comes before the parent passes signals on would end it alone, and its child would go on.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        child = os.fork()
        if child == 0:
            os.close(told)
            _become_child(parent, crash.fileno())
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            try:
                code = work()
            except SystemExit as leaving:
                code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
            with contextlib.suppress(OSError):
                os.write(tells, bytes([code % 256]))
            os.close(tells)
            if code == INTERRUPTED:
                _leave_at_once()
            sys.exit(code)
        os.close(tells)
        waiting = _Parent(child, told, crash.fileno(), on_death)
        before = waiting.pass_signals_on()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            return waiting.wait()
        finally:
            os.close(told)
            for number, handler in before.items():
                signal.signal(number, handler)


def _become_child(parent: int, crash: int) -> None:
    import faulthandler

    os.setsid()
    faulthandler.enable(crash)
    _trace_exits(crash)
    end_with_parent(parent, INTERRUPTED)  # who kills a launch means all of it


def _leave_at_once() -> NoReturn:
    """What was interrupted leaves things of Ray's behind that ask a cluster which is no more, and complain: all has
    been said, and nothing of them is needed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    logging.shutdown()
    os._exit(INTERRUPTED)


def _trace_exits(crash: int) -> None:
    """`os._exit` leaves no trace of who has called it: it does now."""
    leave, child = os._exit, os.getpid()

    def traced(status: int) -> NoReturn:
        if os.getpid() == child:  # and not a process that it has forked
            os.write(crash, "".join(traceback.format_stack()).encode())
        leave(status)

    os._exit = traced


def _as_told(number: int) -> int:
    """SIGTERM as another of SIGNALS that the child hears: while Ray starts, its C++ core answers SIGTERM with a dump of
    its stack, and ends the process."""
    heard = (n for n in SIGNALS if n != signal.SIGTERM and signal.getsignal(n) is not signal.SIG_IGN)
    return number if number != signal.SIGTERM else next(heard, number)


class _Parent:
    def __init__(self, child: int, told: int, crash: int, on_death: Callable[[str, str], int]):
        self._child, self._told, self._crash = child, told, crash
        self._on_death = on_death
        self._last_signal = float("-inf")
        self._signals = 0
        self._silent = False
        """There is nothing more to hear of the child but its end."""
        self._deadline = float("inf")
        self._killed = False
        self._code: int | None = None

    def pass_signals_on(self) -> dict[int, Any]:
        """Returns the handlers that were there before."""
        heard = [n for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]  # the others as `nohup` has asked
        before: dict[int, Any] = {number: signal.signal(number, self._pass_on) for number in heard}
        before[signal.SIGTSTP] = signal.signal(signal.SIGTSTP, self._stop)
        return before

    def wait(self) -> int:
        status = self._follow()
        if not self._silent:
            self._hear()
        self._end_the_rest()
        if self._code is not None:
            return self._code
        if self._killed or self._signals:
            return self._on_death("", "")
        ended = os.waitstatus_to_exitcode(status)
        how = f"signal {signal.Signals(-ended).name}" if ended < 0 else f"exit code {ended}"
        os.lseek(self._crash, 0, os.SEEK_SET)
        return self._on_death(how, os.read(self._crash, CRASH_BYTES).decode(errors="replace"))

    def _follow(self) -> int:
        """The child's wait status, when it has ended or was killed."""
        while True:
            ended, status = os.waitpid(self._child, os.WNOHANG)
            if ended:
                return status
            if time.monotonic() > self._deadline and not self._killed:
                self._killed = True
                os.kill(self._child, signal.SIGKILL)
            self._hear()

    def _hear(self) -> None:
        """Wait a moment for the child's last word, or its end."""
        if self._silent:
            time.sleep(LOOK_SECONDS / 50)
        elif readable(self._told, LOOK_SECONDS):
            word = os.read(self._told, 1)
            self._silent = True
            if word:
                self._code = word[0]
                self._deadline = min(self._deadline, time.monotonic() + LEAVE_SECONDS)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last_signal < ONE_SIGNAL_SECONDS:
            return
        self._last_signal = now
        self._signals += 1
        self._deadline = min(self._deadline, now + (END_SECONDS if self._signals == 1 else HURRIED_SECONDS))
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._child, _as_told(number))

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: the child's session stands still while this process does, Ray's workers too, whose groups are their
        own."""
        self._tell_all(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._tell_all(signal.SIGCONT)

    def _end_the_rest(self) -> None:
        """What a child that has ended has left behind of its session, and its folder in the temporary one."""
        if self._code is not None and not self._killed:
            return
        self._tell_all(signal.SIGKILL)
        for root in {Path("/tmp"), Path(tempfile.gettempdir())}:
            for folder in root.glob(f"skipray-{self._child}-*"):
                shutil.rmtree(folder, ignore_errors=True)

    def _tell_all(self, number: int) -> None:
        """A signal to every process of the child's session; the child is the first."""
        import psutil

        for pid in sorted(psutil.pids(), key=lambda pid: pid != self._child):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if pid != os.getpid() and os.getsid(pid) == self._child:
                    os.kill(pid, number)
