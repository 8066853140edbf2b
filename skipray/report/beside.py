"""Charts drawn in a process of their own, while the next ones are computed.

Drawing takes as long as what is drawn took to compute, and holds Python's lock meanwhile. The process is kept for the
next report, and ends with this one. Where it cannot be started, or has ended, charts are drawn here.
"""

import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Lock, Thread
from types import TracebackType
from typing import Any

from skipray.analysis.kept_process import KeptProcess
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


_FIRST: dict[str, Any] = {"data": {"values": []}, "mark": "point"}
_LOCK = Lock()
PROCESS = KeptProcess([drawing.__file__])


@cache
def make_ready() -> None:
    """Start the process, once and where there is a core for it: its first chart takes most of a second."""
    Thread(target=_drawn_there, args=(_FIRST, []), name="drawing", daemon=True).start()


def _drawn_there(spec: dict[str, Any], paths: list[Path]) -> bool:
    """Whether the process has drawn it."""
    with _LOCK:
        process = PROCESS.started()
        if process is None or process.stdin is None or process.stdout is None:
            return False
        try:
            process.stdin.write(json.dumps([spec, [str(path.absolute()) for path in paths]]).encode() + b"\n")
            process.stdin.flush()
            return process.stdout.readline() == b"null\n"
        except OSError:  # it has ended
            return False
