"""How many cores this process may use: fewer than the machine has under taskset, Slurm, or a container's limit."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OF_PROCESS = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Cores that the scheduler lets this process run on, at most as many as its control groups give it time for; a part
    of a core counts as one. At least 1.

    Source: sched_setaffinity(2); the kernel's Documentation/admin-guide/cgroup-v2.rst (cpu.max) and
    scheduler/sched-bwc.rst (cpu.cfs_quota_us).
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(share) for share in _quotas())]))


def _quotas() -> Iterator[float]:
    """Cores' worth of time that each control group above this process allows, where one limits it."""
    for folder in _folders():
        with suppress(OSError, ValueError):
            quota, period = (folder / "cpu.max").read_text().split()
            if quota != "max":
                yield int(quota) / int(period)
        with suppress(OSError, ValueError):
            quota_us = int((folder / "cpu.cfs_quota_us").read_text())
            if quota_us > 0:
                yield quota_us / int((folder / "cpu.cfs_period_us").read_text())


def _folders() -> Iterator[Path]:
    """Of the control groups, from this process's own up to the root's; in a container they may be the root's alone."""
    own = {"": "/", "cpu": "/"}
    with suppress(OSError, ValueError):
        for line in OF_PROCESS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers or "cpu" in controllers.split(","):
                own["cpu" if controllers else ""] = path
    for mounted, path in own.items():
        inside = Path(path.lstrip("/"))
        for part in (inside, *inside.parents):
            if ".." not in part.parts:
                yield CGROUPS / mounted / part
