"""Figures for papers, drawn in two processes where there are two: matplotlib takes most of a report's time."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from skipray.report.chart import Chart

Files = tuple[Path, Path]

PATIENCE_SECONDS = 60.0
"""How long a figure is waited for that the other process has begun."""


def _save(chart: Chart, folder: Path) -> Files:
    from skipray.report import paper  # only where there is something to draw

    return paper.save(chart, folder)


class Drawing:
    """Charts that are being drawn into a folder, as NAME.svg and NAME.pdf."""

    def __init__(self, charts: Sequence[Chart], folder: Path, beside: Executor | None):
        """
        Args:
            beside: of `skipray.report.second_process`, which begins at once; without one, `finish` draws everything.
        """
        self._folder = folder
        self._left = deque(enumerate(charts))
        self._drawn: dict[int, Files] = {}
        self._other: threading.Thread | None = None
        if beside is not None:
            self._other = threading.Thread(target=self._draw_beside, args=(beside,), daemon=True)
            self._other.start()

    def finish(self) -> tuple[Path, ...]:
        """Draw from the last what the other process has not begun, and what it has not ended. Returns the files in
        order."""
        self._draw()
        if self._other is not None:
            self._other.join()
            self._draw()
        return tuple(path for number in sorted(self._drawn) for path in self._drawn[number])

    def _draw(self) -> None:
        while self._left:
            try:
                number, chart = self._left.pop()
            except IndexError:  # the other was faster
                return
            self._drawn[number] = _save(chart, self._folder)

    def _draw_beside(self, beside: Executor) -> None:
        while self._left:
            try:
                number, chart = self._left.popleft()
            except IndexError:
                return
            try:
                self._drawn[number] = beside.submit(_save, chart, self._folder).result(PATIENCE_SECONDS)
            except Exception:  # whatever it is: drawn here it works, or raises where somebody is told
                self._left.append((number, chart))
                return
