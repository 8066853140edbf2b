"""When a trial's state is saved, and who is told of the records that this has made durable."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from skipray.records import EpochRecord


class Checkpoints(Protocol):
    """Where a trial's own state is kept."""

    def load(self) -> bytes | None:
        """The latest valid state, or None."""
        ...

    def save(self, state: bytes) -> None:
        """Durable when it returns, and atomic. Raises when a newer attempt owns the trial."""
        ...


class Saving:
    """Saves a state every `seconds`, and sends each record once, when a state that has it is durable."""

    def __init__(
        self, place: Checkpoints | None, on_saved: Callable[[Sequence[EpochRecord]], None] | None, seconds: float
    ):
        self.is_wanted = place is not None
        self._place, self._on_saved, self._seconds = place, on_saved, seconds
        self._saved_at = time.monotonic()
        self._sent = 0

    @property
    def is_due(self) -> bool:
        return time.monotonic() - self._saved_at >= self._seconds

    def load(self) -> bytes | None:
        """The latest valid state, or None."""
        return self._place.load() if self._place is not None else None

    def save(self, state: bytes) -> None:
        """Keep a state."""
        if self._place is not None:
            self._place.save(state)
            self._saved_at = time.monotonic()

    def send(self, records: Sequence[EpochRecord]) -> None:
        """Hand on what a state holds and has not been handed on in this attempt."""
        if self._on_saved and self._sent < len(records):
            self._on_saved(records[self._sent :])
        self._sent = len(records)
