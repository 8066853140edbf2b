"""What a sweep's storage shows from outside while it runs: attempts, their processes, their checkpoints.

Looked at many times a second, because a trial's folder is gone when its result has been delivered.
"""

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LOOK_SECONDS = 0.03


@dataclass
class Attempt:
    """One attempt of one trial, as its file says and as it was seen."""

    number: int
    pid: int
    acquired: float
    """Seconds since 1970, as all times here."""
    delivers_only: bool = False
    """A result was waiting when it began: it trains nothing."""
    saved: dict[str, float] = field(default_factory=dict)
    """Name of each checkpoint -> when it was written."""
    result: float | None = None
    """When it kept its result."""
    ended: float | None = None
    """When its process died."""


class StorageWatch(threading.Thread):
    """Follows one sweep's folder in the storage. A context manager."""

    def __init__(self, folder: Path):
        super().__init__(name="storage-watch", daemon=True)
        self.folder = folder
        self.attempts: dict[str, dict[int, Attempt]] = {}
        """trial_id -> number -> attempt."""
        self.lost: set[tuple[str, str]] = set()
        """(trial_id, name) of checkpoints that the suite has damaged."""
        self.told_to_stop: float | None = None
        """When every worker was told to save and train no more."""
        self.error: str = ""
        self._done = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "StorageWatch":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()

    def run(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            with self._lock:
                self._look()

    def running(self) -> dict[str, Attempt]:
        """trial_id -> newest attempt, of trials that train at this moment and have a checkpoint."""
        with self._lock:
            newest = {trial: attempts[max(attempts)] for trial, attempts in self.attempts.items()}
            return {
                trial: a
                for trial, a in newest.items()
                if a.saved and not a.delivers_only and self._is_open(trial, a) and psutil.pid_exists(a.pid)
            }

    def unfinished_of(self, pid: int) -> set[str]:
        """trial_ids of the attempts of a process that have kept no result."""
        with self._lock:
            return {
                trial
                for trial, attempts in self.attempts.items()
                if any(a.pid == pid and self._is_open(trial, a) for a in attempts.values())
            }

    def _is_open(self, trial_id: str, attempt: Attempt) -> bool:
        """Whether an attempt has no result yet. A delivered trial's files may be gone before its result was seen."""
        return attempt.result is None and self.has(trial_id)

    def has(self, trial_id: str) -> bool:
        """Whether a trial has checkpoints or a result: they are gone when the result has been delivered."""
        try:
            return any(not path.name.startswith((".", "attempt-")) for path in (self.folder / trial_id).iterdir())
        except OSError:
            return False

    def newest(self, trial_id: str) -> Attempt:
        with self._lock:
            return self.attempts[trial_id][max(self.attempts[trial_id])]

    def first_attempt_after(self, when: float, trials: set[str] | None = None) -> float | None:
        """When the first attempt (of these trials) began after a moment."""
        with self._lock:
            times = [
                a.acquired
                for trial, attempts in self.attempts.items()
                if trials is None or trial in trials
                for a in attempts.values()
                if a.acquired > when
            ]
        return min(times, default=None)

    def first_written_after(self, when: float) -> float | None:
        """When the first checkpoint or result was written after a moment."""
        with self._lock:
            times = [
                t
                for attempts in self.attempts.values()
                for a in attempts.values()
                for t in (*a.saved.values(), *([a.result] if a.result else []))
                if t > when
            ]
        return min(times, default=None)

    def repeated(self) -> list[float]:
        """Seconds of work of each attempt that was cut short: from its last usable checkpoint to its end.

        An upper bound of the training that is repeated: evaluation and probing are in it. An attempt that had not come
        to its first checkpoint is left out: it had trained for less than an interval, after a start whose length cannot
        be told from outside.
        """
        found = []
        with self._lock:
            for trial, attempts in self.attempts.items():
                for number, attempt in sorted(attempts.items()):
                    after = attempts.get(number + 1)
                    if after is None or attempt.delivers_only or attempt.result is not None:
                        continue
                    end = min(attempt.ended or after.acquired, after.acquired)
                    if self.told_to_stop is not None and self.told_to_stop < max(attempt.saved.values(), default=0.0):
                        # It saved, and its process lived on while Ray ended: had it trained, it would have saved again.
                        end = min(end, max(attempt.saved.values()))
                    saved = {name: when for name, when in attempt.saved.items() if when <= end}
                    if saved:
                        usable = [when for name, when in saved.items() if (trial, name) not in self.lost]
                        found.append(max(0.0, end - max([*usable, attempt.acquired])))
        return found

    def _look(self) -> None:
        now = time.time()
        try:
            trials = [p for p in self.folder.iterdir() if p.is_dir()]
        except OSError:
            return
        for place in trials:
            try:
                names = [p.name for p in place.iterdir()]
            except OSError:
                continue
            for name in names:
                self._note(place, name, names)
        for attempts in self.attempts.values():
            for attempt in attempts.values():
                if attempt.ended is None and not _lives(attempt.pid):
                    attempt.ended = now

    def _note(self, place: Path, name: str, names: list[str]) -> None:
        kind, _, rest = name.partition("-")
        if kind not in ("attempt", "state", "result") or not rest[:6].isdigit():
            return
        number = int(rest[:6])
        attempts = self.attempts.setdefault(place.name, {})
        try:
            if kind == "attempt" and number not in attempts:
                content = json.loads((place / name).read_text())
                waiting = any(n.startswith("result-") for n in names)
                attempts[number] = Attempt(number, content["pid"], content["time"], "purpose" in content or waiting)
            elif kind == "state" and number in attempts and name not in attempts[number].saved:
                attempts[number].saved[name] = (place / name).stat().st_mtime
            elif kind == "result" and number in attempts and attempts[number].result is None:
                attempts[number].result = (place / name).stat().st_mtime
        except (OSError, ValueError, KeyError):
            return  # gone, or written this moment: the next look tells


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
