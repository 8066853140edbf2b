"""The right to run a sweep's trials: one launch per sweep, from whatever folder, user or machine, with one storage."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from skipray import storage, tracking
from skipray.spec import SpecError, SweepSpec
from skipray.tracking import Address


def refuse_second(sweep: SweepSpec, tracking_uri: str | None) -> None:
    """Raise AlreadyRunning where a launch of the sweep is living; a look that costs nothing and makes nothing."""
    owner = tracking.living_owner(sweep, tracking_uri)
    if owner is not None:
        raise storage.AlreadyRunning(sweep.name, owner)


@dataclass(frozen=True)
class Ownership:
    """The right to run a sweep's trials, as it is held."""

    taken_over: Callable[[], bool]
    """Whether another launch has taken over."""
    mark: str
    """By which workers see in the storage that it is held still; empty where a launch before has not given it up."""
    why: Callable[[], str]
    """What has taken it over, in words."""


@contextmanager
def owned(sweep: SweepSpec, address: Address, storage_url: str) -> Iterator[Ownership]:
    """Own the sweep meanwhile.

    The tracking store decides, since every launch of a sweep looks there. The storage is owned too: two stores may
    share it, and an earlier skipray looks there alone.

    Raises:
        skipray.storage.AlreadyRunning: another launch is living.
        SpecError: the storage cannot be written, or it is not the one that the sweep's results wait in.
    """
    name = storage_name(address.uri, storage_url)
    refuse_other_storage(sweep, address, name)
    with ExitStack() as stack:
        first = stack.enter_context(tracking.StoreLease(address, sweep, storage=name))
        second = storage.SweepLease(storage_url, sweep.name)
        try:
            stack.enter_context(second)
        except OSError as error:
            said = f"storage: {storage_url} cannot be written: {error}; mend its rights or its room"
            raise SpecError([said]) from error

        def why() -> str:
            if second.gone:
                return f"the storage of sweep {sweep.name} was removed ({storage_url}); launch the same file again"
            return f"another launch has taken sweep {sweep.name} over while this one was silent; it goes on"

        yield Ownership(lambda: first.lost.is_set() or second.lost.is_set(), mark_of(first, second), why)


def mark_of(first: tracking.StoreLease, second: storage.SweepLease) -> str:
    """By which workers see in the storage that it is held still; empty where a launch before has not given it up.

    Workers look for a trial's run in every case then: that launch, or what it left, may be at work still, finish a
    trial, and remove what is kept of it after this launch has read what is finished.
    """
    return second.mark if first.in_turn else ""


def storage_name(uri: str, storage_url: str) -> str:
    """How launches tell one storage from another; empty for that beside the tracking store, which moves with it."""
    path = storage.local_path(storage_url)
    if path is None:
        return tracking.redact(storage_url)
    if tracking.sqlite_path(uri) is not None and path.resolve().is_relative_to(tracking.store_folder(uri).resolve()):
        return ""
    return f"{socket.gethostname()}:{path.resolve()}"


def refuse_other_storage(sweep: SweepSpec, address: Address, name: str) -> None:
    """Raise SpecError where an earlier launch kept checkpoints and results elsewhere, and some may still be there."""
    launches = tracking.read_launches(address.uri, address.parent_run_id)
    last = launches.last
    if last is None or last.storage == name or launches.forgotten == str(launches.number):
        return
    host, _, path = last.storage.partition(":")
    if "://" not in last.storage and (not last.storage or host == socket.gethostname()):
        before = Path(path) if path else tracking.store_folder(address.uri) / "storage"
        if not before.is_dir() or not storage.trials_kept(before, sweep.name):
            return  # nothing waits there
    raise SpecError(
        [
            f"tracking.storage: found {_words(name)}, but the launch before ({last.host}, {last.folder}) kept its "
            f"checkpoints and results in {_words(last.storage)}; allowed: one storage per sweep (tracking.storage, or "
            f"SKIPRAY_STORAGE), or `skipray doctor {sweep.name} --repair` where nothing there is needed any more"
        ]
    )


def _words(name: str) -> str:
    return name or "the folder beside the tracking store"
