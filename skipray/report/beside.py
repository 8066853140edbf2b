"""Charts drawn in a process of their own, while the next ones are computed.

Drawing takes as long as what is drawn took to compute, and holds Python's lock meanwhile. The process is kept for the
next report, and ends with this one. Where it cannot be started, or has ended, charts are drawn here.
"""

import atexit
import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

from skipray.planning.cores import usable_cores
from skipray.report import drawing


class Beside:
    """Draws what it is given, in order, and is through with all of it when its block ends.

    Raises, at the block's end, what writing a file raised."""

    def __enter__(self) -> "Beside":
        self._thread = ThreadPoolExecutor(1, "drawing")
        self._asked: list[Future[None]] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            for asked in self._asked:
                asked.result()

    def draw(self, spec: dict[str, Any], paths: Sequence[Path]) -> None:
        self._asked.append(self._thread.submit(_draw, spec, list(paths)))


def _draw(spec: dict[str, Any], paths: list[Path]) -> None:
    if not _drawn_there(spec, paths):
        drawing.draw(spec, paths)


_LOCK = Lock()
_process: "subprocess.Popen[bytes] | None" = None


def _drawn_there(spec: dict[str, Any], paths: list[Path]) -> bool:
    """Whether the process has drawn it."""
    with _LOCK:
        process = _started()
        if process is None or process.stdin is None or process.stdout is None:
            return False
        try:
            process.stdin.write(json.dumps([spec, [str(path.absolute()) for path in paths]]).encode() + b"\n")
            process.stdin.flush()
            return process.stdout.readline() == b"null\n"
        except OSError:  # it has ended
            return False


def _started() -> "subprocess.Popen[bytes] | None":
    """The process, started anew where it has ended; None where there is a single core to use, or it cannot be."""
    global _process
    if (_process is None or _process.poll() is not None) and usable_cores() > 1:
        try:
            # Not of the terminal's group: it ends when its input does, in silence.
            _process = subprocess.Popen(
                [sys.executable, "-P", drawing.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            return None
        atexit.register(_end, _process)
    return _process


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=5)
