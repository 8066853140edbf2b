"""A connection that is made in a thread, while the caller reads the ledger: Ray takes several seconds to start."""

import atexit
import os
import threading
from collections.abc import Callable

from skipray.errors import InputRefused
from skipray.scheduling.ray.addresses import StartFailed, local_address
from skipray.scheduling.ray.cluster import Cluster, connect, disconnect
from skipray.scheduling.ray.local_processes import LocalProcesses, descendants
from skipray.scheduling.ray.local_start import LocalStart, begin
from skipray.spec import SweepSpec

LOOK_SECONDS = 0.2
START_SECONDS = 5.0
"""For a Ray that is still starting when it is left: it is whole within one or two."""
LEFT_SECONDS = 60.0
"""For the same, when the next launch of the process is to begin."""

_turn = threading.Lock()
_at_work: "dict[int, PendingConnection]" = {}
"""The process that has a connection, which is this one or the one that it was forked from; Ray has one a process."""


class PendingConnection:
    """To a cluster, which `result` waits for."""

    def __init__(
        self,
        sweep: SweepSpec,
        *,
        address: str | None = None,
        trials: int | None = None,
        start: LocalStart | None = None,
    ):
        """Of which nothing is begun. Arguments as `connect` has them.

        Raises:
            ClusterError: as `local_address`.
        """
        self._sweep, self._address = sweep, local_address(address) or "local"
        self._trials, self._start = trials, start
        self._made: Cluster | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._connect, name="skipray-ray", daemon=True)
        self._meeting, self._came = threading.Lock(), 0
        self._ready, self._ended = threading.Event(), threading.Event()
        self._ready.set()  # until it begins nobody waits for it
        self._over = False
        self._before: set[int] | None = None

    def prepare(self) -> None:
        """Begin what takes longest of it; `begin` goes on. Who calls it calls `end`, also where it raises.

        Waits for a Ray that an earlier launch of this process has left while it started, a minute at most.

        Raises:
            InputRefused: another launch of this process has a connection, or there is no room for Ray's files.
        """
        other = _at_work.get(os.getpid())
        if other is not None and other._over:
            other._ended.wait(LEFT_SECONDS)
        with _turn:
            if os.getpid() in _at_work:
                raise InputRefused(
                    "found another launch at work in this Python process, or the Ray of one that was interrupted while "
                    f"it started, where {self._sweep.name} was to be launched; allowed: one after the other, or each "
                    "in a process of its own"
                )
            _at_work.clear()
            _at_work[os.getpid()] = self
        self._before = descendants()
        self._start = self._start or begin(self._sweep, self._address)

    def begin(self) -> None:
        """Connect, in a thread."""
        self._ready.clear()  # before it has begun: Ctrl-C leaves a thread that starts starting
        self._thread.start()
        if self._address == "local":
            threading.Thread(target=self._look_after, name="skipray-ray-start", daemon=True).start()

    def _connect(self) -> None:
        try:
            self._made = connect(self._sweep, address=self._address, trials=self._trials, start=self._start)
        except BaseException as error:
            self._error = error
        over = self._is_second()
        self._ready.set()
        if over:
            self._leave_now(self._made)
            atexit.unregister(self._leave_now)
            return
        # Ray's processes are told to die with the thread that started them (PR_SET_PDEATHSIG): it lives as long.
        self._ended.wait()

    def _is_second(self) -> bool:
        """Of the two that come here, the thread once it has connected and the launch once it ends: it leaves Ray."""
        with self._meeting:
            self._came += 1
            return self._came == 2

    def _look_after(self) -> None:
        """Ray waits half a minute for a process of its own that has died while it starts."""
        assert self._before is not None
        started = LocalProcesses(self._before)
        while not self._ready.wait(LOOK_SECONDS):
            started.add_new()
            dead = started.dead()
            if dead:
                self._error = StartFailed(f"its {dead} has died")
                self._ready.set()
                return

    def result(self) -> Cluster:
        """The cluster, or what `connect` raised.

        Raises:
            ClusterError: also where a process of Ray's has died while it started.
        """
        self._ready.wait()
        if self._error is not None:
            raise self._error
        assert self._made is not None
        return self._made

    def end(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Leave the cluster, see `disconnect`.

        A Ray that is not there within seconds is left as soon as it is; until then the next launch of this process
        waits. One that is ended while it starts is waited for by its own code, for a minute or for ever.
        """
        self._over = True
        try:
            self._ready.wait(START_SECONDS)
        finally:
            self._leave(meanwhile)

    def _leave(self, meanwhile: Callable[[], None]) -> None:
        if self._thread.ident is not None and not self._is_second():
            atexit.register(self._leave_now, None)
        else:
            self._leave_now(self._made, meanwhile)

    def _leave_now(self, made: Cluster | None, meanwhile: Callable[[], None] = lambda: None) -> None:
        try:
            if made is not None:
                disconnect(made, meanwhile)
            elif self._address == "local" and self._before is not None:
                LocalProcesses(self._before).end()
        finally:
            if self._start is not None:
                self._start.end()
            if _at_work.get(os.getpid()) is self:
                _at_work.clear()
            self._ended.set()
