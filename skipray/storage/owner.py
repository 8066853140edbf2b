"""Who runs a sweep: a process, named so that neither a jump of the clock nor a pid that is used again deceives.

On Linux a process is known by its machine's boot, its pid namespace, its pid and the tick of that boot at which it
started: none of them is a time of day. A process that is suspended lives.
"""

import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from skipray.errors import SkiprayError

STALE_SECONDS = 30.0
"""An owner of another machine that has not been heard of for so long is gone."""
CLOCK_TOLERANCE = 2.0
"""Seconds by which two readings of a start differ, where the system has no ticks."""


@dataclass(frozen=True)
class Owner:
    """A launch, as it describes itself."""

    host: str
    machine: str
    """Host, boot and process namespace: equal only where process ids mean the same."""
    pid: int
    process_started: float
    """Seconds since 1970, for people."""
    token: str
    heartbeat: float
    """Seconds since 1970, on the owner's clock."""
    ticks: int = 0
    """Clock ticks from the boot to the process's start; 0 where the system does not say."""
    folder: str = ""
    """Its working directory."""
    storage: str = ""
    """Where it keeps checkpoints and results that wait."""

    def __str__(self) -> str:
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.process_started))
        where = f" in {self.folder}" if self.folder else ""
        return f"process {self.pid} on {self.host}{where}, running since {started}"


class AlreadyRunning(SkiprayError, RuntimeError):
    """Another launch of this sweep is living."""

    def __init__(self, sweep: str, owner: Owner):
        self.owner = owner
        super().__init__(f"sweep {sweep} is being run already by {owner}; wait for it, or stop it first")


def owner_from(told: Mapping[str, Any]) -> Owner:
    """An owner out of its JSON; what this version does not know is left out. TypeError for what is none."""
    known = {field.name for field in fields(Owner)}
    return Owner(**{key: value for key, value in told.items() if key in known})


def myself(storage: str = "") -> Owner:
    """This process."""
    process = psutil.Process()
    return Owner(
        host=socket.gethostname(),
        machine=machine(),
        pid=process.pid,
        process_started=process.create_time(),
        token=uuid.uuid4().hex,
        heartbeat=time.time(),
        ticks=_ticks(process.pid),
        folder=str(Path.cwd()),
        storage=storage,
    )


def is_here(owner: Owner) -> bool:
    """Whether an owner's pid means something on this machine."""
    return owner.machine == machine()


def process_lives(owner: Owner) -> bool:
    """Whether the very process is there, running or suspended. Only of this machine's (`is_here`)."""
    try:
        process = psutil.Process(owner.pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if owner.ticks:
            return _ticks(owner.pid) == owner.ticks
        return abs(process.create_time() - owner.process_started) < CLOCK_TOLERANCE
    except psutil.NoSuchProcess:
        return False


def seems_living(owner: Owner, stale_seconds: float = STALE_SECONDS) -> bool:
    """Whether an owner lives, as far as one look tells: another machine's clock is taken to agree with this one's."""
    if is_here(owner):
        return process_lives(owner)
    return 0 <= time.time() - owner.heartbeat <= stale_seconds


def machine() -> str:
    """Names this machine, boot and process namespace."""
    parts = [socket.gethostname()]
    for path in (Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")):
        try:
            parts.append(str(path.readlink()) if path.is_symlink() else path.read_text().strip())
        except OSError:
            continue  # no Linux: the host's name has to do
    return " ".join(parts)


def _ticks(pid: int) -> int:
    """Field 22 of /proc/PID/stat, which no change of the clock moves; 0 where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0
    # The second field, the program's name in parentheses, may hold spaces and parentheses itself.
    return int(text.rpartition(b")")[2].split()[19])
