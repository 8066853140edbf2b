"""How long a trial has trained and probed, over all its attempts."""

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds of training and of probing; what lies between two laps belongs to one of them."""

    train_seconds: float = 0.0
    probe_seconds: float = 0.0
    _mark: float = field(default_factory=time.perf_counter)

    def trained(self) -> None:
        """The time since the last lap was training."""
        self.train_seconds += self._lap()

    def probed(self) -> None:
        """The time since the last lap was probing."""
        self.probe_seconds += self._lap()

    def pass_over(self) -> None:
        """The time since the last lap was neither."""
        self._lap()

    def _lap(self) -> float:
        now = time.perf_counter()
        seconds, self._mark = now - self._mark, now
        return seconds
