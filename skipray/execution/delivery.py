"""Results that workers had to leave in the storage, delivered to the tracking store while a launch goes on and at its
end."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from skipray import storage, tracking
from skipray.spec import SweepSpec, TrialSpec
from skipray.wording import counted

if TYPE_CHECKING:
    from skipray.tracking import Address, KnownTrials, Pending, RunServer

DELIVERY_SECONDS = 30.0
"""How often a launch looks for results that could not be delivered."""
IN_HAND_SECONDS = 30.0
"""How long the end of a launch waits for results that it has in hand; then they are delivered like all that waits."""
QUIET_SECONDS = 2.0
"""How long that is not mentioned, and all that is waited after an interruption."""
PATIENCE_SECONDS = 120.0
"""How long a launch that has run everything waits for a tracking store that takes nothing."""
RETRY_SECONDS = 5.0
"""How often it is tried while it is away."""


class DeliveryThread(threading.Thread):
    """Delivers, while the launch goes on, what workers had to leave in the storage when the tracking store was away.

    It also removes what they leave there of a finished trial until its launch knows of the end.

    Args:
        running: trial_ids of this moment.
        finished: trial_ids, as they come; they are taken out.
        say: told how many results wait, whenever that is another number.
        hands: of this process, which may still have results of finished trials in hand.
    """

    def __init__(
        self,
        address: "Address",
        trials: Callable[[], tuple[TrialSpec, ...]],
        sweep_name: str,
        storage_url: str,
        running: set[str],
        finished: deque[str],
        say: Callable[[str], None],
        hands: "RunServer | None" = None,
    ):
        super().__init__(name="skipray-delivery", daemon=True)
        self._address, self._trials, self._sweep_name = address, trials, sweep_name
        self._storage_url, self._running, self._finished = storage_url, running, finished
        self._hands, self._ended = hands, threading.Event()
        self._say, self._left, self._away = say, 0, ""

    def run(self) -> None:
        while not self._ended.wait(RETRY_SECONDS if self._away else DELIVERY_SECONDS):
            self._forget()
            waiting = set(storage.awaiting_delivery(self._storage_url, self._sweep_name)) - self._busy()
            left, self._away = 0, ""
            if waiting:
                trials = [t for t in self._trials() if t.trial_id in waiting]
                pending = tracking.deliver_pending(self._address, trials, self._storage_url, skip=self._busy())
                left, self._away = len(pending.left), pending.away
            self._tell(left)

    def _busy(self) -> set[str]:
        """Trial_ids that are not to be taken over. Asked in this order: from the one they go to the other."""
        running = set(self._running)
        return running | self._hands.in_hand if self._hands else running

    def _tell(self, left: int) -> None:
        if left != self._left:
            self._left = left
            self._say(waiting_words(left, self._away) if left else "nothing waits any more")

    def __enter__(self) -> "DeliveryThread":
        self.start()
        return self

    def wait_for_hands(self, *, hurry: bool) -> None:
        """Until nothing is in hand.

        Args:
            hurry: who has pressed Ctrl-C wants the prompt back.
        """
        if self._hands and not self._hands.drain(QUIET_SECONDS) and not hurry:
            self._say(f"{waiting_words(len(self._hands.in_hand))}; for {IN_HAND_SECONDS:g} s at most (Ctrl-C)")
            self._hands.drain(IN_HAND_SECONDS)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join(DELIVERY_SECONDS)
        self._forget()

    def _forget(self) -> None:
        known = {self._finished.popleft() for _ in range(len(self._finished))}
        if known:
            with suppress(OSError):
                # One that waits is known as finished too, but not to the tracking store.
                waiting = set(storage.awaiting_delivery(self._storage_url, self._sweep_name))
                tracking.forget_finished(known - waiting, self._storage_url, self._sweep_name)
                self._finished.extend(known & waiting)


def waiting_words(results: int, away: str = "") -> str:
    """Such as `2 results wait for the tracking store (no connection)`."""
    wait = counted(results, "result waits", "results wait")
    return f"{wait} for the tracking store" + (f" ({away})" if away else "")


def deliver_rest(
    sweep: SweepSpec,
    address: "Address",
    known: "KnownTrials",
    storage_url: str,
    patience_seconds: float,
    say: Callable[[str], None],
) -> "Pending":
    """Deliver what still waits, for as long as the store takes some of it within so many seconds."""
    least, end = None, time.monotonic() + patience_seconds
    while True:
        pending = tracking.deliver_pending(address, deliverable(sweep, address, known), storage_url)
        left = len(pending.left)
        if least is not None and left < least:
            end = time.monotonic() + patience_seconds  # a store that comes and goes takes some each time
        if not left or time.monotonic() > end:
            break
        if least is None or left < least:
            say(f"{waiting_words(left, pending.away)}; until none is taken for {patience_seconds:g} s (Ctrl-C)")
        least = left
        time.sleep(RETRY_SECONDS)
    with suppress(tracking.TrackingAway, tracking.TrackingRefused):
        tracking.take_back_doubles(address, sweep.name)
    with suppress(tracking.TrackingAway, OSError):
        if storage.trials_kept(storage_url, sweep.name):
            trials = known_by_now(sweep, address, known).trials
            finished = tracking.read_ledger(sweep, address.uri, trials=trials).finished
            tracking.forget_finished(finished, storage_url, sweep.name)
    return pending


def known_by_now(sweep: SweepSpec, address: "Address", before: "KnownTrials") -> "KnownTrials":
    """The trials by now; those that were known before while the store is away."""
    try:
        return tracking.known_trials(sweep, address.uri)
    except tracking.TrackingAway:
        return before


def deliverable(sweep: SweepSpec, address: "Address", known: "KnownTrials") -> tuple[TrialSpec, ...]:
    """Trials whose results may wait in the storage; of an adaptive sweep also those that no run shows yet."""
    return sweep.trials() if sweep.tune is None else known_by_now(sweep, address, known).trials
