"""A process ends with the one that it was forked from, also where that is killed."""

import os
import signal
import sys

_NUMBER_OF_PDEATHSIG = 1  # prctl(2)


def end_with_parent(parent: int, code: int) -> None:
    """Have the system kill this process with its parent; end it where that is gone already. On Linux alone.

    Args:
        parent: its process id.
        code: with which this process ends where it is alone.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_NUMBER_OF_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(code)
