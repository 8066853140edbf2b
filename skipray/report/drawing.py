"""Figures for papers, drawn in two processes where there are two: matplotlib takes most of a report's time."""

from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path

from skipray.report.chart import Chart

Files = tuple[Path, Path]


def _save(chart: Chart, folder: Path) -> Files:
    from skipray.report import paper  # only where there is something to draw

    return paper.save(chart, folder)


class Drawing:
    """Charts that are being drawn into a folder, as NAME.svg and NAME.pdf."""

    def __init__(self, charts: Sequence[Chart], folder: Path, beside: Executor | None):
        """
        Args:
            beside: of `skipray.second_process`, which begins at once; without one, `finish` draws everything.
        """
        self._charts, self._folder = charts, folder
        self._begun: list[Future[Files]] = []
        if beside is not None:
            for chart in charts:
                try:
                    self._begun.append(beside.submit(_save, chart, folder))
                except BrokenExecutor:
                    break

    def finish(self) -> tuple[Path, ...]:
        """Draw what the other process has not begun, from the last, and wait for it. Returns the files in order."""
        drawn: dict[int, Files] = {}
        for number in reversed(range(len(self._charts))):
            if number >= len(self._begun) or self._begun[number].cancel():
                drawn[number] = _save(self._charts[number], self._folder)
        for number, future in enumerate(self._begun):
            if number not in drawn:
                try:
                    drawn[number] = future.result()
                except BrokenExecutor:
                    drawn[number] = _save(self._charts[number], self._folder)
        return tuple(path for number in range(len(self._charts)) for path in drawn[number])
