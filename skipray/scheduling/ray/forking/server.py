"""The launch's side: a server of forks starts, is told to workers, and ends."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from skipray.scheduling.ray.forking import ask

END_SECONDS = 3.0
BACKLOG = 128


class ForkServer:
    """A process that forks itself for workers; ended with this one, however that ends."""

    def __init__(self, folder: Path, environment: Mapping[str, str | None]):
        """
        Args:
            folder: its user's alone, for the socket.
            environment: variables that a worker has otherwise than this process; None: unset. What is imported ahead
                finds them.

        Raises:
            OSError: no socket or no process can be made.
        """
        self._address = folder / "forks"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(self._address))
            listener.listen(BACKLOG)
            variables = {key: value for key, value in (os.environ | environment).items() if value is not None}
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", str(__package__), str(listener.fileno())],
                env=variables | {"PYTHONPATH": os.pathsep.join(place or str(Path.cwd()) for place in sys.path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                process_group=0,  # Ctrl-C is for the launch, which ends it
            )
        # Forks look whether it lives, as workers look for their raylet; one that has died has to be gone for that.
        threading.Thread(target=self._process.wait, name="skipray-forks", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def worker(self) -> Path:
        """What the raylet is to start as a worker."""
        return Path(ask.__file__)

    @property
    def variables(self) -> dict[str, str]:
        """By which it finds this server."""
        return {ask.ADDRESS: str(self._address)}

    def end(self) -> None:
        """End it, with all its forks."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
