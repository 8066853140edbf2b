"""A launch's two leases, in the tracking store and in the storage, without their threads: processes in place of pids.

Who lives is what the world says: a launch that has ended, or stands still with its machine, is silent. That another
launch has taken over is seen only at the second look: the first one comes before the heartbeat.
"""

import contextlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from stores import MemoryServer
from world import World

from skipray.execution.ownership import mark_of
from skipray.spec import SweepSpec
from skipray.storage import Owner, SweepLease
from skipray.tracking import Address, StoreLease
from skipray.tracking.read.launches import PARAM


@dataclass
class Held:
    """The right to run the sweep, as `skipray.execution.ownership` gives it."""

    leases: tuple[StoreLease, SweepLease]
    is_newest: Callable[[], bool]
    _beaten: bool = False

    @property
    def mark(self) -> str:
        return mark_of(*self.leases)

    def taken_over(self) -> bool:
        """What a heartbeat has found by now."""
        if not self.is_newest():
            if self._beaten:
                for lease in self.leases:
                    lease.lost.set()
            self._beaten = True
        return all(lease.lost.is_set() for lease in self.leases)


@contextlib.contextmanager
def held(address: Address, sweep: SweepSpec, storage: str, world: World, server: MemoryServer) -> Iterator[Held]:
    """Both leases meanwhile. Raises AlreadyRunning."""
    me = world.current
    assert me is not None
    pid = world.processes.index(me)

    def is_newest() -> bool:
        launches = {
            key: value for key, value in server.params_of(address.parent_run_id).items() if key.startswith(PARAM)
        }
        return bool(json.loads(launches[max(launches)])["pid"] == pid)

    with StoreLease(address, sweep) as first, SweepLease(storage, sweep.name) as second:
        yield Held((first, second), is_newest)


def of_processes(world: World) -> Mapping[str, Any]:
    """What takes the place of pids, threads and what a process remembers."""
    tokens = itertools.count(1)

    def myself(storage: str = "") -> Owner:
        process = world.current
        assert process is not None
        return Owner("host", "machine", world.processes.index(process), 0.0, f"token {next(tokens)}", world.now())

    def lives(owner: Owner) -> bool:
        process = world.processes[owner.pid]
        return not process.ended and not process.given_up

    modules = "skipray.tracking.write.store_lease", "skipray.storage.launch_lease"
    replaced = {
        "myself": myself,
        "is_here": lambda owner: True,
        "process_lives": lives,
        "threading": SimpleNamespace(Thread=_NoThread, Event=threading.Event),
    }
    return {f"{module}.{name}": value for module in modules for name, value in replaced.items()} | {
        f"{modules[0]}._given_up": _Forgetful()
    }


class _NoThread:
    def __init__(self, **_: object) -> None: ...

    def start(self) -> None: ...

    def join(self, seconds: float) -> None: ...


class _Forgetful(set):  # type: ignore[type-arg]
    """What a process remembers of its own launches: each has one here."""

    def add(self, _: object) -> None: ...
