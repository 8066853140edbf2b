"""While a launch runs: counts and accuracies so far, written now and then on the sweep's own run in MLflow."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from skipray import tracking
from skipray.spec import SweepSpec, TrialSpec
from skipray.terminal.progress import ACCURACIES

if TYPE_CHECKING:
    from skipray.scheduling.work.events import Event

EVERY_SECONDS = 60.0


class LiveAnswer(threading.Thread):
    """Writes what has come in the last minute; a sweep that ends sooner has its answer from its report alone."""

    def __init__(self, sweep: SweepSpec, address: "tracking.Address", total: int, finished: int):
        """
        Args:
            total: trials of the sweep.
            finished: of them, before this launch.
        """
        super().__init__(name="skipray-answer", daemon=True)
        self._sweep, self._address, self._total, self._finished = sweep, address, total, finished
        self._failed = 0
        self._values: dict[tuple[str, int, str], list[float]] = {}
        self._changed = False
        self._lock, self._over = threading.Lock(), threading.Event()

    def on_event(self, event: "Event") -> None:
        """Tell it what has happened."""
        with self._lock:
            if event.kind == "failed":
                self._failed += 1
            elif event.kind == "finished" and event.result is not None:
                self._finished += 1
                self._add(event.trial, event.result.scalars)
            else:
                return
            self._changed = True

    def _add(self, trial: TrialSpec, scalars: Mapping[str, float]) -> None:
        for key in ACCURACIES:
            if key in scalars:
                place = (trial.cell.group.label, trial.model.depth, key)
                self._values.setdefault(place, []).append(float(scalars[key]))

    def answer(self) -> "tracking.Answer":
        """What is known by now."""
        with self._lock:
            words = f"Running: {self._finished} of {self._total} trials finished"
            words += f", {self._failed} failed." if self._failed else "."
            self._changed = False
            return tracking.Answer(
                headline=f"**{self._sweep.question}** {words}",
                note="\n\n".join(part for part in (f"**{self._sweep.question}**", words, self._table()) if part),
                finished=self._finished,
                metrics={
                    "trials.total": float(self._total),
                    "trials.finished": float(self._finished),
                    "trials.failed": float(self._failed),
                },
            )

    def _table(self) -> str:
        """Mean accuracies of this launch's trials by group and depth, in Markdown."""
        depths = sorted({depth for _, depth, _ in self._values})
        rows = dict.fromkeys((label, key) for label, _, key in self._values)
        lines = [
            f"| finished so far, at {self._sweep.depth_words} | | {' | '.join(map(str, depths))} |",
            f"|---|---|{'---|' * len(depths)}",
        ]
        for label, key in rows:
            found = [self._values.get((label, depth, key)) for depth in depths]
            cells = " | ".join("–" if v is None else f"{sum(v) / len(v):.3f}" for v in found)
            lines.append(f"| {label} | {key.replace('.', ' ')} | {cells} |")
        return "\n".join(lines) if rows else ""

    def run(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            if self._changed:
                with suppress(tracking.TrackingAway, tracking.TrackingRefused):
                    tracking.write_answer(self._address, self.answer())

    def __enter__(self) -> "LiveAnswer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(EVERY_SECONDS)
