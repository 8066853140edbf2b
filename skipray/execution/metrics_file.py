"""Where a launch stands, in a file that Prometheus' node exporter reads: for those who watch clusters.

It is in Prometheus' text format and is replaced as a whole, as the exporter's textfile collector asks.
"""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from skipray.errors import InputRefused
from skipray.outputs import check_output
from skipray.records import STATES
from skipray.terminal.standing import Standing

if TYPE_CHECKING:
    from prometheus_client import Gauge

EVERY_SECONDS = 5.0
"""The file is written at most so often; the exporter reads it every 15 to 60 seconds."""
SUFFIX = ".prom"
"""The exporter reads no other file."""


def check_metrics(path: Path | None) -> None:
    """Raise InputRefused for a file that can never be written, before anything starts."""
    if path is None:
        return
    check_output(path, (SUFFIX,), replace=True, option="--metrics")
    if path.exists() and not _is_ours(path):
        raise InputRefused(
            f"--metrics: found {path}, which no launch of skipray has written; allowed: another name, in a folder that "
            "exists"
        )


def _is_ours(path: Path) -> bool:
    """Whether a launch has written the file, which the next writes over; nothing is lost with an empty one."""
    try:
        with path.open("rb") as file:
            start = file.read(65_536)
    except OSError as error:
        raise InputRefused(f"--metrics: found {path}, which cannot be read: {error.strerror}") from None
    return not start or b"skipray_launch_running" in start


class MetricsFile:
    """One launch's file. Use as a context manager: at its end, however it comes, the file says that nothing runs."""

    def __init__(self, path: Path, sweep: str, say: Callable[[str], None]):
        """
        Args:
            say: told, once, that the file can no longer be written; the launch goes on.
        """
        from prometheus_client import CollectorRegistry

        self._path, self._sweep, self._say = path, sweep, say
        self._written, self._said = 0.0, False
        self._look: Callable[[], Standing] | None = None
        self._registry = CollectorRegistry()
        gauge = self._gauge
        self._running = gauge("launch_running", "1 while the launch lives, 0 after its end.")
        self._started = gauge("launch_start_time_seconds", "When the launch began, since 1970.")
        self._updated = gauge("launch_updated_time_seconds", "When this was written last: an old one has stopped.")
        self._left = gauge("launch_left_seconds", "Time that is left by the trials so far; NaN before the first end.")
        self._trials = gauge("trials", "Trials of the sweep by state.", "state")
        self._failed = gauge("attempts_failed", "Attempts of this launch that failed, by cause.", "cause")
        self._left.labels(sweep).set(float("nan"))
        self._started.labels(sweep).set(time.time())

    def _gauge(self, name: str, meaning: str, *labels: str) -> "Gauge":
        from prometheus_client import Gauge

        return Gauge(f"skipray_{name}", meaning, ("sweep", *labels), registry=self._registry)

    def update(self, look: Callable[[], Standing]) -> None:
        """Write where the launch stands, unless it was written just now.

        Args:
            look: says it; asked only when it is written, since of many trials it takes milliseconds.
        """
        self._look = look
        if time.monotonic() - self._written >= EVERY_SECONDS:
            self._try_to_write(running=1)

    def _fill(self, standing: Standing) -> None:
        for state in STATES:
            self._trials.labels(self._sweep, state).set(standing.states.get(state, 0))
        for cause, count in standing.again.items():
            self._failed.labels(self._sweep, cause).set(count)
        if standing.seconds_left is not None:
            self._left.labels(self._sweep).set(round(standing.seconds_left, 1))

    def _try_to_write(self, *, running: int) -> None:
        try:
            self._write(running=running)
        except OSError as error:
            if not self._said:
                self._said = True
                self._say(f"--metrics {self._path}: {error.strerror or error}; the launch goes on without it")

    def _write(self, *, running: int) -> None:
        from prometheus_client import write_to_textfile

        self._written = time.monotonic()
        if self._look is not None:
            self._fill(self._look())
        self._running.labels(self._sweep).set(running)
        self._updated.labels(self._sweep).set(time.time())
        write_to_textfile(str(self._path), self._registry)

    def __enter__(self) -> "MetricsFile":
        try:
            self._write(running=1)
        except OSError as error:
            raise InputRefused(f"--metrics: found {self._path}, which cannot be written: {error.strerror}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._try_to_write(running=0)
