"""What the raylet starts in place of Ray's worker: asks for a fork that is one, and ends with it. See the package.

Started by its path, and with the standard library alone: a worker starts as fast as this does.
"""

import contextlib
import json
import os
import select
import signal
import socket
import struct
import sys
from importlib.util import find_spec
from pathlib import Path

ADDRESS = "FORK_SERVER_OF_SKIPRAY"
"""The variable that holds the path of the server's socket."""
LENGTH = struct.Struct("!I")
"""Before what is asked for: its bytes."""
CONNECTED, ENDED = b"+", b"."
"""The answers: Ray has the worker; it has ended, with a STATUS, the wait status."""
STATUS = struct.Struct("!i")
OUT_OF_MEMORY = Path("/proc/self/oom_score_adj")
LOOK_SECONDS = 1.0
"""How often it looks whether its raylet lives."""


def main() -> None:
    sys.path.remove(str(Path(__file__).parent))  # as the script that was started
    status = asked(os.environ.get(ADDRESS, ""))
    if status is None:
        os.execv(sys.executable, [sys.executable, *_site_flags(), ray_worker(), *sys.argv[1:]])
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def asked(address: str) -> int | None:
    """Ask the server for a worker and wait for its end.

    Returns:
        The wait status with which it has ended; None where Ray never had it: there is no server, or it could not fork.
    """
    if not address:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        try:
            server.connect(address)
            request = json.dumps(asking()).encode()
            socket.send_fds(server, [LENGTH.pack(len(request))], [0, 1, 2])
            server.sendall(request)
        except OSError:
            return None
        answer = all_said(server)
    if not answer.startswith(CONNECTED):
        return None
    ended = answer.removeprefix(CONNECTED + ENDED)
    return int(STATUS.unpack(ended)[0] if len(ended) == STATUS.size else signal.SIGKILL)


def all_said(server: socket.socket) -> bytes:
    """What the server and the fork say until both are through. A worker ends with its raylet, which is this process's
    parent, and not the fork's."""
    raylet, said = os.getppid(), b""
    with contextlib.suppress(OSError):  # the server has been killed
        while True:
            readable, _, _ = select.select([server], [], [], LOOK_SECONDS)
            if os.getppid() != raylet:
                sys.exit(1)
            more = server.recv(len(CONNECTED + ENDED) + STATUS.size) if readable else b""
            if readable and not more:
                break
            said += more
    return said


def asking() -> dict[str, object]:
    """All that a fork has to take over to be this process."""
    return {
        "arguments": [ray_worker(), *sys.argv[1:]],
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "group": os.getpgrp(),
        "blocked_signals": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "out_of_memory": out_of_memory_score(),
    }


def out_of_memory_score() -> str:
    """How likely the system ends this process when memory runs out, as Ray has set it."""
    try:
        return OUT_OF_MEMORY.read_text().strip()
    except OSError:
        return "0"


def ray_worker() -> str:
    found = find_spec("ray")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'ray'", name="ray")
    return str(Path(found.origin).parent / "_private" / "workers" / "default_worker.py")


def _site_flags() -> list[str]:
    return ["-S"] * sys.flags.no_site + ["-s"] * sys.flags.no_user_site


if __name__ == "__main__":
    main()
