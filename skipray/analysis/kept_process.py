"""A process beside this one that is asked again and again, and ends with this one."""

import atexit
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from skipray.planning.cores import usable_cores


class KeptProcess:
    """A Python process that answers on its standard output what it is asked on its standard input."""

    def __init__(self, arguments: Sequence[str], *, patience: float = 5.0) -> None:
        """
        Args:
            arguments: of Python: a script or `-m` and a module.
            patience: seconds that it gets for what it is at when this process ends; 0: it is killed.
        """
        self._arguments, self._patience = arguments, patience
        self.process: subprocess.Popen[bytes] | None = None

    def started(self) -> "subprocess.Popen[bytes] | None":
        """The process, started anew where it has ended; None where there is a single core to use, or it cannot be."""
        if (self.process is None or self.process.poll() is not None) and usable_cores() > 1:
            try:
                # Not of the terminal's group: it ends when its input does, in silence.
                self.process = subprocess.Popen(
                    [sys.executable, "-P", *self._arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError:
                return None
            atexit.register(_end, self.process, self._patience)
        return self.process


def _end(process: "subprocess.Popen[bytes]", patience: float) -> None:
    if not patience:
        process.kill()
    elif process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=patience or 1.0)
