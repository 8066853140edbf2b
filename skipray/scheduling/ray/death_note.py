"""What a worker that dies in the middle of a trial leaves for the driver: where in which code it was.

An exception says so itself. A segmentation fault, an abort, or a step that never ends cannot: the interpreter's fault
handler writes the Python lines into a file that is open beforehand, and needs neither the interpreter nor its lock to
do so. The file is where the driver can read it, and goes when the trial ends in any other way.
"""

import faulthandler
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, NoReturn

from skipray.extension import own_code

REARM_SECONDS = 1.0
"""Progress is noted at most so often: it costs a thread each time."""


class ExitRefused(RuntimeError):
    """`os._exit` in a trial would end a process that is not the trial's own."""


class DeathNote:
    """Around a trial in a worker. Also takes `os._exit` from the trial's code, which would leave no word at all."""

    def __init__(self, path: Path | None, stall_seconds: float | None):
        """
        Args:
            path: see `note_path`; None where there is no folder that the driver sees too.
            stall_seconds: the process is ended when `progress` was not called for so long; never when left out.
        """
        self._path = path
        self._stall_seconds = stall_seconds
        self._file: IO[str] | None = None
        self._armed = 0.0
        self._exit: Callable[[int], NoReturn] = os._exit
        self._process = os.getpid()

    def __enter__(self) -> "DeathNote":
        if self._path is not None:
            with suppress(OSError):  # a full disk costs the note, not the trial
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("w")
                faulthandler.enable(self._file)
        os._exit = self._refuse
        self._arm()
        return self

    def progress(self) -> None:
        """The trial has made a step. A copy of the process that the trial's code has forked ends here: one goes on."""
        if os.getpid() != self._process:
            self._exit(1)
        if self._stall_seconds is not None and time.monotonic() - self._armed > min(
            REARM_SECONDS, self._stall_seconds / 4
        ):
            self._arm()

    def _arm(self) -> None:
        if self._stall_seconds is not None:
            self._armed = time.monotonic()
            faulthandler.dump_traceback_later(self._stall_seconds, exit=True, file=self._file or sys.stderr)

    def _refuse(self, status: int) -> NoReturn:
        if os.getpid() == self._process:
            raise ExitRefused(f"os._exit({status}) was called; allowed: to raise an exception")
        self._exit(status)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._process:
            self._exit(1)
        if self._stall_seconds is not None:
            faulthandler.cancel_dump_traceback_later()
        os._exit = self._exit  # type: ignore[assignment]
        if self._file is not None and self._path is not None:
            faulthandler.enable()
            self._file.close()
            with suppress(OSError):
                self._path.unlink()


def note_path(folder: str | None, trial_id: str, number: int) -> Path | None:
    """Of one attempt of a trial."""
    return None if folder is None else Path(folder) / f"{trial_id}-{number}.txt"


def read_note(path: Path | None) -> str:
    """What a dead worker has written; empty where it had no time to, such as one that was killed."""
    if path is None:
        return ""
    with suppress(OSError):
        text = path.read_text(errors="replace")
        path.unlink()
        return text
    return ""


def cause_in(note: str, stall_seconds: float | None) -> str | None:
    """`mine.py:12: Segmentation fault`: the cause that a note tells; None where it tells none of the trial's own.

    Ray's core aborts a worker whose node is gone, from a thread of its own: then no Python thread is the one at fault.
    """
    if note.startswith("Timeout"):
        place = own_code.place_in(note)
        said = f"no progress for {stall_seconds:g} s (resources.stall_seconds)"
        return f"{place}: {said}" if place else said
    fault = re.search(r"Fatal Python error: (.+)", note)
    at_fault = re.search(r"Current thread .*?(?:\n\n|\Z)", note, re.DOTALL)
    if fault is None or at_fault is None:
        return None
    place = own_code.place_in(at_fault.group())
    said = f"{fault.group(1).strip()}: the process has ended itself"
    return f"{place}: {said}" if place else said
