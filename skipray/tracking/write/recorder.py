"""What a worker tells the tracking store about its trial. A store that is away never stops a trial."""

import logging
import time
from collections.abc import Sequence

from skipray.records import EpochRecord, TrialRecord
from skipray.spec import TrialSpec
from skipray.storage import Failure, Lease, artifacts_of
from skipray.tracking.address import Address, TrackingAway
from skipray.tracking.write.run import TrialRun
from skipray.tracking.write.run_server import RemoteRun

PAUSE_SECONDS = 20.0
"""After the store was found away, a process leaves it alone for so long: results wait in the storage meanwhile."""

log = logging.getLogger(__name__)

_away_until: dict[str, float] = {}
"""Address -> time (monotonic) until which this process does not try it. Shared by the trials of a warm worker."""
_away_since: dict[str, float] = {}
"""Address -> time (monotonic) at which this process found it away, which it says once."""


class Recorder:
    """Records one attempt of one trial.

    Args:
        address: from `prepare`.
        trial: being run.
        lease: the attempt's; its fence is checked before each write, and what cannot be delivered waits in its place.
        run_id: the trial's run, where the ledger knows one.
        look_first: whether a run may be there that the ledger does not know; of a later attempt by its lease it may.
        through: of the launch's `RunServer`, which then writes the run; None: this process does.
    """

    def __init__(
        self,
        address: Address,
        trial: TrialSpec,
        lease: Lease,
        *,
        run_id: str | None = None,
        look_first: bool = False,
        through: str | None = None,
    ):
        self.address = address
        self.trial = trial
        self.lease = lease
        look_first = look_first or lease.attempt > 1
        self._run: TrialRun | RemoteRun = (
            TrialRun(address, trial, attempt=lease.attempt, guard=lease.check, run_id=run_id, look_first=look_first)
            if through is None
            else RemoteRun(through, address, trial, lease, run_id=run_id, look_first=look_first)
        )

    @property
    def run_id(self) -> str | None:
        """The MLflow run; None while the store has been away since the start."""
        return self._run.run_id

    def start(self) -> bool:
        """Make or find the run. Returns whether the trial is to be run: False when it turns out to be finished.

        Raises Fenced when a newer attempt owns the trial.
        """
        if self._resting():
            return True
        try:
            self._run.open()
            self._there()
        except (TrackingAway, OSError) as error:  # OSError: whether the trial is still ours cannot be seen just now
            self._away(error)
        return not self._run.finished

    def epochs(self, records: Sequence[EpochRecord]) -> None:
        """Epochs that a durable checkpoint holds: `on_saved` of `skipray.trial.run_trial`.

        While the store is away nothing is lost by not sending them: they come again with the result.
        """
        if self._resting():
            return
        try:
            self._note_absent(self._run.log_epochs(records))
            self._there()
        except (TrackingAway, OSError) as error:
            self._away(error)

    def finish(self, record: TrialRecord) -> bool:
        """Keep the result in the storage, deliver it, remove it from there.

        Returns:
            Whether it was delivered, or is in the hands of the launch, which delivers it. Otherwise it waits for
            `deliver_pending`, or for the trial's next attempt.

        Raises:
            Fenced: a newer attempt owns the trial.
            TrackingRefused: the store refuses the result; it stays in the storage.
            OSError: neither the storage nor the store takes the result.
        """
        artifacts = artifacts_of(record)
        storage_error: OSError | None = None
        try:
            self.lease.save_result(record, artifacts)
        except OSError as error:  # full or read-only: the store may still take it
            storage_error = error
            log.warning("the result of %s cannot be kept in the storage: %s", self.trial.label, error)
        if self._resting() and storage_error is None:
            return False
        try:
            if isinstance(self._run, RemoteRun) and storage_error is None:
                absent = self._run.hand_over(record, artifacts)
            else:
                absent = self._run.finish(record, artifacts)
        except (TrackingAway, OSError) as error:
            self._away(error)
            if storage_error is not None:
                raise storage_error from error
            return False
        if absent is not None:  # else the launch has it, and has not said that the store is there
            self._there()
            self._note_absent(absent)
            self._forget()
        return True

    def fail(self, failure: Failure) -> bool:
        """Record that the attempt failed; its checkpoints stay for the next one. Returns whether it was delivered."""
        kept = True
        try:
            self.lease.save_failure(failure)
        except OSError as error:
            kept = False
            log.warning("the failure of %s cannot be kept in the storage: %s", self.trial.label, error)
        if self._resting() and kept:
            return False
        try:
            self._run.fail(failure)
            self._there()
        except (TrackingAway, OSError) as error:
            self._away(error)
            return False
        if kept:
            self.lease.remove_failure()
        return True

    def _forget(self) -> None:
        try:
            self.lease.remove_delivered()
        except OSError as error:  # what is left is found to be delivered, and removed, by the next launch
            log.warning("the delivered result of %s cannot be removed from the storage: %s", self.trial.label, error)

    def _resting(self) -> bool:
        return time.monotonic() < _away_until.get(self.address.uri, 0.0)

    def _away(self, error: TrackingAway | OSError) -> None:
        if isinstance(error, OSError):
            log.warning("the storage is away, nothing can be tracked: %s", error)
            return
        now = time.monotonic()
        _away_until[self.address.uri] = now + PAUSE_SECONDS
        if _away_since.setdefault(self.address.uri, now) == now:
            log.warning("the tracking store is away; trials go on, and their results wait in the storage: %s", error)

    def _there(self) -> None:
        """The store has answered."""
        since = _away_since.pop(self.address.uri, None)
        if since is not None:
            log.warning("the tracking store answers again after %.0f s", time.monotonic() - since)

    def _note_absent(self, keys: list[str]) -> None:
        if keys:
            log.warning("values of %s that are not finite were not sent: %s", self.trial.label, ", ".join(set(keys)))
