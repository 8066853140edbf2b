"""Processes that take turns at every operation on the storage and the tracking store, and what disturbs them.

Each process is a greenlet, so that one order of operations is one run, repeatable to the last step. A *disturbance*
names a step, counted over all processes from the start of the run, and strikes whoever is about to take it:

    crash@12       the process ends there, without a word
    freeze@12-30   it stands still until step 30, is taken for dead, and goes on then
    orphan@12-30   the launch dies; this worker of it stands still until step 30, and goes on then
    second@12      another launch of the sweep begins, and is at work before this one goes on
    takeover@12-30 the launch stands still with its workers until step 30; another one finds it silent and begins
    error@12       the user's code raises, if the step trains
    exit@12        the worker's process is asked to end: SystemExit comes, after the request where the step is one
    full@12        the storage refuses, if the step writes to it
    lost@12        the request does not reach the server
    cut@12         it does, and its answer is lost
    twice@12       a proxy passes it on twice
    void@12        it does not reach the server, and the answer is `{}`, as of one that was carried out
    away@12-30     the server is away until step 30
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import greenlet

LASTING = ("freeze", "orphan", "takeover", "away")
STEPS_AT_MOST = 3000
"""A run that takes more goes round in circles."""


class Crash(BaseException):
    """A process ends; nothing of it may run on, so that it is no Exception."""


class Endless(AssertionError):
    """A run that does not come to an end."""


@dataclass(frozen=True, order=True)
class Disturbance:
    step: int
    kind: str
    until: int = 0

    def __str__(self) -> str:
        return f"{self.kind}@{self.step}" + (f"-{self.until}" if self.kind in LASTING else "")


def disturbances(text: str) -> tuple[Disturbance, ...]:
    """Out of words such as `crash@12 away@20-31`. ValueError for others."""
    found = []
    for word in text.split():
        parts = re.fullmatch(r"([a-z]+)@(\d+)(?:-(\d+))?", word)
        if parts is None or parts[1] not in KINDS or (parts[3] is not None) != (parts[1] in LASTING):
            raise ValueError(f"found {word}; allowed: KIND@STEP or KIND@STEP-STEP, KIND one of {', '.join(KINDS)}")
        found.append(Disturbance(int(parts[2]), parts[1], int(parts[3] or 0)))
    return tuple(sorted(found))


KINDS = (
    "crash",
    "freeze",
    "orphan",
    "second",
    "takeover",
    "error",
    "exit",
    "full",
    "lost",
    "cut",
    "twice",
    "void",
    "away",
)


class Process(greenlet.greenlet):
    """One process of the run."""

    def __init__(self, world: "World", name: str, work: Callable[[], Any], launch: "Process | None" = None):
        super().__init__(self._live)
        self.world, self.name, self.launch = world, name, launch
        self._work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.frozen_until: int | None = None
        self.ready: Callable[[], bool] = lambda: True
        """Whether there is what it waits for."""
        self.ended = False
        self.given_up = False
        """Its launch, or of a launch the next one, takes it for dead."""
        self.was_silent = False
        """A launch that stood still: another may have taken over, which it hears of only later."""

    def _live(self) -> None:
        self.parent = self.world.hub
        try:
            self.result = self._work()
        except Crash:
            self.given_up = True
        except BaseException as error:
            self.error = error
        self.ended = True


class World:
    """One run: its processes, the steps that were taken, and the clock."""

    def __init__(self, disturbing: tuple[Disturbance, ...] = ()):
        self.hub = greenlet.getcurrent()
        self.steps = 0
        self.trace: list[str] = []
        self.processes: list[Process] = []
        self._at = {d.step: d for d in disturbing}
        self._away_until = 0
        self._seconds = 1_700_000_000.0
        self.launch_another: Callable[[], object] = lambda: None
        """Starts another launch of the sweep; whoever plays the run sets it."""

    def calm(self) -> None:
        """Nothing strikes from now on."""
        self._at, self._away_until = {}, 0

    def now(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        self._seconds += seconds

    def start(self, name: str, work: Callable[[], Any], launch: Process | None = None) -> Process:
        process = Process(self, name, work, launch)
        self.processes.append(process)
        return process

    @property
    def current(self) -> Process | None:
        found = greenlet.getcurrent()
        return found if isinstance(found, Process) else None

    def step(self, what: str, kind: str) -> str:
        """One operation of the current process is about to happen.

        Args:
            kind: train, read, write or request.

        Returns:
            How it goes otherwise than it should, one of `full, lost, cut, twice, void, exit, error`; else nothing.
        """
        self.steps += 1
        self._seconds += 0.01
        if self.steps > STEPS_AT_MOST:
            raise Endless(f"after {STEPS_AT_MOST} steps: {self.trace[-5:]}")
        process = self.current
        assert process is not None, "only processes take steps"
        if process.ended:
            raise Crash  # an interpreter that collects what is left of it
        self.trace.append(f"{self.steps} {process.name}: {what}")
        struck = self._strike(process, kind)
        if any(p.frozen_until is not None and p.frozen_until <= self.steps for p in self.processes):
            self.hub.switch()  # one that has stood still goes on first
        return struck

    def _strike(self, process: Process, kind: str) -> str:
        found = self._at.get(self.steps)
        if found is not None:
            self.trace[-1] += f"   <- {found}"
            if found.kind == "crash":
                raise Crash
            if found.kind == "orphan" and process.launch is not None:
                self._kill(process.launch)
            if found.kind in ("freeze", "orphan") and process.launch is not None:
                process.given_up, process.frozen_until = True, found.until
                self.hub.switch()
            if found.kind == "takeover":
                self._suspend(process.launch or process, found.until)
            if found.kind in ("second", "takeover"):
                self.launch_another()
                self.hub.switch()
            if found.kind == "exit" and process.launch is not None:
                if kind == "request":
                    return "exit"
                raise SystemExit(1)
            if found.kind == "away":
                self._away_until = found.until
        if kind == "request" and self.steps < self._away_until:
            return "lost"
        allowed = {"train": ("error",), "write": ("full",), "request": ("lost", "cut", "twice", "void")}.get(kind, ())
        return found.kind if found is not None and found.kind in allowed else ""

    def _kill(self, process: Process) -> None:
        # Not thrown into: it is waiting, and never gets its turn again.
        process.ended = process.given_up = True

    def _suspend(self, launch: Process, until: int) -> None:
        """A machine stands still: a launch with all its workers."""
        launch.given_up = launch.was_silent = True
        for one in self.processes:
            if one is launch or (one.launch is launch and not one.ended):
                one.frozen_until = max(until, one.frozen_until or 0)

    def wait(self, ready: Callable[[], bool]) -> None:
        """The current process has nothing to do until something is so."""
        process = self.current
        assert process is not None, "only processes wait"
        process.ready = ready
        while not ready():
            self.hub.switch()
        process.ready = lambda: True

    def run(self, process: Process) -> None:
        """Let processes take turns until this one has ended: one that stood still first, then the newest."""
        while not process.ended:
            self._next().switch()

    def run_rest(self) -> None:
        """Let all that stand still, or were left alone, come to their ends."""
        for process in self.processes:
            process.frozen_until = None if process.ended else process.frozen_until
        while any(not p.ended for p in self.processes):
            for p in self.processes:
                if p.frozen_until is not None:
                    p.frozen_until = self.steps
            self._next().switch()

    def _next(self) -> Process:
        living = [p for p in self.processes if not p.ended]
        due = [p for p in living if p.frozen_until is not None and p.frozen_until <= self.steps]
        awake = [p for p in living if p.frozen_until is None and p.ready()]
        if not due and not awake:  # nothing else would take steps until then
            due = [min((p for p in living if p.frozen_until is not None), key=lambda p: p.frozen_until or 0)]
        if not due:
            return awake[-1]
        due[0].frozen_until = None
        if due[0].launch is None:
            due[0].given_up = False  # it is heard of again
        return due[0]
