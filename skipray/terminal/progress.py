"""Progress of a launch: a table by architecture and depth on a terminal, one line an event elsewhere.

Everything goes to standard error; standard output is for results.
"""

import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from skipray.records import State
from skipray.spec import Cell, TrialSpec
from skipray.terminal.display import duration
from skipray.terminal.scores_table import running_grid, state_grid
from skipray.terminal.standing import Standing
from skipray.terminal.time_left import TimeLeft
from skipray.terminal.visible import visible
from skipray.terminal.waiting import busy_machine

if TYPE_CHECKING:
    from skipray.scheduling.work.events import Event

SILENT_SECONDS = 30.0
"""After so long without an event it is said what is being waited for."""
ACCURACIES = ("train.accuracy", "validation.accuracy")
"""What a worker sends of a finished trial; the test accuracy is in the tracking store."""
MOST_RUNNING = 4
"""Running trials that are named."""
LINE_SECONDS = 15.0
"""Off a terminal, at most one line of progress in this time, so that a log of a week stays readable."""


@dataclass
class _Found:
    """What finished trials have brought so far."""

    depth: str
    """What its columns are: depth, with what it counts."""
    latest: str = ""
    """The trial that has finished last, and its accuracy."""
    accuracies: dict[Cell, list[float]] = field(default_factory=dict)


class Progress:
    """Shows what a launch does. Use as a context manager; tell it each event."""

    def __init__(
        self,
        trials: Iterable[TrialSpec],
        states: Mapping[str, State],
        seconds: Mapping[str, float],
        depth: str = "depth",
    ):
        """
        Args:
            trials: of the whole sweep.
            states: trial_id -> finished, running, failed or missing, before the start.
            seconds: trial_id -> estimated training seconds, for the time that is left.
            depth: with what it counts: `SweepSpec.depth_words`.
        """
        self.trials = tuple(trials)
        self.states: dict[str, State] = {t.trial_id: states.get(t.trial_id, "missing") for t in self.trials}
        for trial_id, state in self.states.items():
            if state in ("running", "failed"):
                self.states[trial_id] = "missing"  # this launch runs them again
        self._time_left = TimeLeft(seconds)
        self.started = time.monotonic()
        self.ran = 0
        self.failures: deque[str] = deque(maxlen=3)
        self._attempts_failed: Counter[str] = Counter()
        self._found = _Found(depth)
        self.console = Console(stderr=True, highlight=False, emoji=False)
        self._live: Live | None = None
        self._last_line = 0.0
        self._last_word = time.monotonic()
        self._running: dict[str, tuple[TrialSpec, float]] = {}

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self.console, refresh_per_second=4, transient=True)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.__exit__(kind, error, trace)
            self.console.print(state_grid(self.trials, self.states, self._found.depth))

    def say(self, text: str) -> None:
        """A line of its own, such as what is being waited for."""
        self.console.print(
            visible(text), markup=False, soft_wrap=True, style="dim" if self.console.is_terminal else None
        )

    def on_event(self, event: "Event") -> None:
        """Tell it what has happened."""
        self._last_word = time.monotonic()
        self._running.pop(event.trial.trial_id, None)
        if event.kind == "started":
            self._running[event.trial.trial_id] = (event.trial, self._last_word)
            self._time_left.begun(event.trial.trial_id, self._last_word)
        else:
            self._time_left.ended(event.trial.trial_id, self._last_word, finished=event.kind == "finished")
        trial_id, cause = event.trial.trial_id, event.result.message if event.result else ""
        if trial_id not in self.states:
            self.trials += (event.trial,)  # it has followed from results
        if event.kind == "started":
            self.states[trial_id] = "running"
        elif event.kind == "finished":
            self.states[trial_id] = "finished"
            self.ran += 1
            self._keep(event)
            if cause:
                self.say(f"{event.trial.label}: {cause}")
        elif event.kind == "interrupted":
            self.states[trial_id] = "missing"
        else:
            again = event.kind == "again"
            self.states[trial_id] = "missing" if again else "failed"
            text = f"{event.trial.label} {'is tried again' if again else 'failed'}: {cause}"
            self.failures.append(text)
            self._attempts_failed[(event.result.failure_class if event.result else None) or "error"] += 1
            if self._live is None:
                print(visible(text), file=sys.stderr, flush=True)
        self._refresh(force=self._left() == 0)

    def on_wait(self, taken: Callable[[], str] = lambda: "") -> None:
        """Tell it that time passes: now and then it says what is being waited for.

        Args:
            taken: what others hold that a first trial needs, in words; empty where they hold nothing.
        """
        now = time.monotonic()
        if now - self._last_word >= SILENT_SECONDS:
            self._last_word = now
            self.say(f"{self._summary()}; waiting for {self._awaited(now, taken)}")

    def standing(self) -> Standing:
        """Where the launch stands now."""
        left = self._seconds_left() if self._left() else 0.0
        return Standing(Counter(self.states.values()), Counter(self._attempts_failed), left)

    def last_ones_run(self) -> bool:
        """Whether trials run, and none is left that waits for a worker."""
        return bool(self._running) and self._left() == len(self._running)

    def _awaited(self, now: float, taken: Callable[[], str]) -> str:
        if not self._running:
            words = taken()
            if words:
                return f"room on the cluster, which others use: {words} (`ray status`)"
            return f"a worker to start and import what it needs{busy_machine()}"
        trial, since = min(self._running.values(), key=lambda item: item[1])
        others = f" and {len(self._running) - 1} more" if len(self._running) > 1 else ""
        return f"{trial.label}, which runs for {duration(now - since)}{others}{busy_machine()}"

    def _left(self) -> int:
        return sum(state in ("missing", "running") for state in self.states.values())

    def _keep(self, event: "Event") -> None:
        """Its accuracy, for the table and the line."""
        self._found.latest = event.trial.label
        if event.result is None or event.trial.recipe.epochs == 0:  # what nothing has trained is no accuracy to look at
            return
        found = {key: event.result.scalars[key] for key in ACCURACIES if key in event.result.scalars}
        self._found.latest += "".join(f", {key.partition('.')[0]} accuracy {value:.3f}" for key, value in found.items())
        if ACCURACIES[0] in found:
            self._found.accuracies.setdefault(event.trial.cell, []).append(found[ACCURACIES[0]])

    def _seconds_left(self) -> float | None:
        """None before the first trial has ended."""
        left = [i for i, state in self.states.items() if state in ("missing", "running")]
        return self._time_left.seconds(left, time.monotonic())

    def _summary(self) -> str:
        elapsed = time.monotonic() - self.started
        finished = sum(state == "finished" for state in self.states.values())
        parts = [f"{finished}/{len(self.states)} trials", duration(elapsed)]
        if self.ran:
            parts.append(f"{self.ran / elapsed * 60:.1f} per minute")
        eta = self._seconds_left()
        if eta is not None and self._left():
            parts.append(f"about {duration(eta)} left")
        failed = sum(state == "failed" for state in self.states.values())
        if failed:
            parts.append(f"{failed} failed")
        return ", ".join(parts)

    def _refresh(self, *, force: bool = False) -> None:
        if self._live is not None:
            self._live.refresh()
            return
        now = time.monotonic()
        if force or now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            latest = f"; {self._found.latest}" if self._found.latest else ""
            print(f"{self._summary()}{latest}", file=sys.stderr, flush=True)

    def _render(self) -> Group:
        finished = sum(state == "finished" for state in self.states.values())
        lines: list[RenderableType] = [state_grid(self.trials, self.states, self._found.depth)]
        if self._found.accuracies:
            lines.append(running_grid(self._found.accuracies, self._found.depth))
        bar = Table.grid()  # a bar alone does not end its line
        bar.add_row(ProgressBar(total=max(1, len(self.states)), completed=finished, width=40))
        lines += [bar, Text(self._summary())]
        now = time.monotonic()
        for trial, since in sorted(self._running.values(), key=lambda item: item[1])[:MOST_RUNNING]:
            lines.append(Text(f"  {trial.label}, for {duration(now - since)}", style="cyan"))
        if len(self._running) > MOST_RUNNING:
            lines.append(Text(f"  and {len(self._running) - MOST_RUNNING} more", style="cyan"))
        return Group(*lines, *(Text(text, style="red") for text in self.failures))
