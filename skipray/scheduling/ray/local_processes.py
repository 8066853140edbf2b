"""The processes of a Ray that was started on this machine for one launch: whether they live, and their end."""

from contextlib import suppress

import psutil

VITAL = ("gcs_server", "raylet")
"""Without them there is no cluster."""
END_SECONDS = 3.0


class LocalProcesses:
    """Those of Ray's that descend from this process by now."""

    def __init__(self, before: set[int]):
        """
        Args:
            before: ids of the processes that descended from this one already.
        """
        self._before = before
        self._vital: list[psutil.Process] = []
        self.add_new()
        descending = psutil.Process().children(recursive=True)
        new = [process for process in descending if process.pid not in before]
        self._started = [p for p in new if p in self._vital or _is_rays(p)]

    def add_new(self) -> None:
        """Look for vital processes that have been started since.

        Those of this process itself alone: a raylet's own children bear its name until they become another program.
        """
        known = self._before | {process.pid for process in self._vital}
        mine = [process for process in psutil.Process().children() if process.pid not in known]
        self._vital += [process for process in mine if _name(process) in VITAL]

    def dead(self) -> str:
        """The name of a vital process that has ended; empty while all of them live."""
        return next((_name(process) for process in self._vital if not _lives(process)), "")

    def end(self) -> None:
        """End what is left of them."""
        left = {process.pid: process for process in self._started if _lives(process)}
        for process in list(left.values()):
            with suppress(psutil.Error):
                left |= {child.pid: child for child in process.children(recursive=True)}
        for process in left.values():
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left.values(), timeout=END_SECONDS)


def descendants() -> set[int]:
    """Process ids of all that descends from this process."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _is_rays(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return any("/ray/" in word or word.startswith("ray::") for word in words)


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())  # which psutil has kept, once it has read it, also of a process that is no more
    except psutil.Error:
        return ""
