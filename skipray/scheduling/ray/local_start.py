"""What a cluster of this machine alone begins with: its folder, and the process that its workers are forks of."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from skipray.scheduling.ray import private
from skipray.scheduling.ray.addresses import local_address
from skipray.scheduling.ray.forking.server import ForkServer
from skipray.scheduling.ray.local_folder import SessionFolder
from skipray.scheduling.ray.loopback import check_loopback
from skipray.scheduling.ray.settings import apply_settings, worker_variables, workers_ahead
from skipray.spec import SweepSpec

FORKS = sys.platform == "linux"
"""Elsewhere a process that has loaded the system's libraries cannot be forked safely."""


class LocalStart:
    """Begun as soon as it is known that a cluster will be started here: workers' imports are what takes longest."""

    def __init__(self, sweep: SweepSpec, *, imports: str = ""):
        """
        Args:
            sweep: whose threads the workers use.
            imports: a module that workers import besides what a trial needs.

        Raises:
            InputRefused: there is no room for Ray's files, or no loopback interface.
            OSError: no temporary folder can be written.
        """
        check_loopback()
        apply_settings(local=True)
        self._ended = False
        self.folder = SessionFolder()
        self._sweep, self._workers = sweep, worker_variables(sweep)
        if imports:
            self._workers |= {private.MODULES: f"{os.environ[private.MODULES]},{imports}"}
        self._server: ForkServer | None = None
        if FORKS and sweep.resources.device == "cpu":
            with suppress(OSError):
                self._server = ForkServer(self.folder.path, {**private.unfit(), **self._workers})

    @property
    def worker(self) -> Path | None:
        """The script that the raylet is to start for a worker; None: Ray's own. Asked once Ray is imported."""
        return self._server.worker if self._server is not None and private.starts_workers_of_ours() else None

    def variables(self, trials: int | None) -> dict[str, str]:
        """What Ray's processes have in their environment.

        Args:
            trials: how many are to be run; as many as the sweep has when left out.
        """
        ahead = workers_ahead(self._sweep, trials, forks=self.worker is not None)
        return self._workers | ahead | (self._server.variables if self._server is not None else {})

    def end(self) -> None:
        """End what is left of it; again does nothing."""
        if self._ended:
            return
        self._ended = True
        if self._server is not None:
            self._server.end()
        self.folder.remove()


def begin(sweep: SweepSpec, address: str | None = None, *, imports: str = "") -> LocalStart | None:
    """Begin what takes longest of a cluster of this machine alone, for `connect`; None where it is to be another one.

    Args:
        imports: as of `LocalStart`.

    Raises:
        ClusterError: as `local_address`.
        skipray.errors.InputRefused: there is no room for Ray's files, or no loopback interface.
    """
    ray = sys.modules.get("ray")
    if local_address(address) is not None or (ray is not None and ray.is_initialized()):
        return None
    return LocalStart(sweep, imports=imports)
