"""The server of forks, and each fork until it is Ray's worker. See the package.

Its argument is the descriptor of a socket that listens. Its standard input is a pipe of the launch: where it closes the
server ends, with all its forks.
"""

import json
import os
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NamedTuple

from skipray.scheduling.ray import private
from skipray.scheduling.ray.forking.ask import ENDED, LENGTH, OUT_OF_MEMORY, STATUS
from skipray.scheduling.work.parent import end_with_parent

ASKING: list[socket.socket] = []
"""In a fork, who has asked for it, until that knows that Ray has its worker."""
LAUNCH, CHILD, LISTENER = "launch", "child", "listener"
MODULES_OPTION = "--worker-preload-modules="
"""What the raylet makes of `private.MODULES`."""
WHEN_CONNECTED = "skipray.scheduling.ray.forking.connected"


class ForkRequest(NamedTuple):
    """What a fork begins with; see `ask.asking`."""

    request: dict[str, Any]
    descriptors: list[int]

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


def main() -> None:
    changed = imported()
    if not private.forks_draw_apart():
        os._exit(1)  # workers are Ray's own
    asked = Server(socket.socket(fileno=int(sys.argv[1]))).serve()
    if asked is None:
        os._exit(0)  # to take torch and MLflow apart would take half a second, for which the launch waits
    become(asked, changed)
    runpy.run_path(sys.argv[0], run_name="__main__")


def imported() -> dict[str, str | None]:
    """Import what workers do. Returns what that has changed in the environment; None: unset."""
    before = dict(os.environ)
    with private.nothing_drawn():
        for name in os.environ.get(private.MODULES, "").split(","):
            with suppress(ImportError, ValueError):  # the worker says so
                import_module(name)
    names = before.keys() | os.environ.keys()
    return {name: os.environ.get(name) for name in names if os.environ.get(name) != before.get(name)}


class Server:
    """Forks this process for all that ask, and tells each when its fork has ended."""

    def __init__(self, listener: socket.socket):
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._asking: dict[int, socket.socket] = {}
        """Process id of a fork -> who has asked for it, and waits."""

    def serve(self) -> ForkRequest | None:
        """Serve until the launch is over.

        Returns:
            None when it is; in a fork, what was asked for.
        """
        woken, wakes = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for file, what in ((sys.stdin, LAUNCH), (woken, CHILD), (self._listener, LISTENER)):
            self._selector.register(file, selectors.EVENT_READ, what)
        while True:
            for key, _ in self._selector.select():
                if key.data == LAUNCH:
                    for child in self._asking:
                        os.kill(child, signal.SIGKILL)
                    return None
                if key.data == CHILD:
                    with suppress(BlockingIOError):
                        os.read(woken, 4096)
                    self._tell_ended()
                elif key.data == LISTENER:
                    if (asked := self._fork()) is not None:
                        os.close(woken)
                        os.close(wakes)
                        return asked
                elif key.data in self._asking:
                    os.kill(key.data, signal.SIGKILL)  # who has asked is no more: Ray has ended it, or has ended itself

    def _fork(self) -> ForkRequest | None:
        """In a fork, what was asked for; None in this process."""
        asking, _ = self._listener.accept()
        asked = read(asking)
        child = None if asked is None else os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            for other in (self._listener, *self._asking.values()):
                other.close()
            ASKING.append(asking)
            end_with_parent(int(os.environ["RAY_RAYLET_PID"]), 1)
            return asked
        if child is None or asked is None:
            asking.close()
            return None
        asked.close()
        self._asking[child] = asking
        self._selector.register(asking, selectors.EVENT_READ, child)
        return None

    def _tell_ended(self) -> None:
        while self._asking:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                return
            asking = self._asking.pop(child)
            self._selector.unregister(asking)
            with suppress(OSError):
                asking.sendall(ENDED + STATUS.pack(status))
            asking.close()


def read(asking: socket.socket) -> ForkRequest | None:
    """What is asked for; None where it was not said to its end."""
    descriptors: list[int] = []
    with suppress(OSError, ValueError), asking.makefile("rb") as file:
        head, descriptors, *_ = socket.recv_fds(asking, LENGTH.size, 3)
        return ForkRequest(json.loads(file.read(*LENGTH.unpack(head))), descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return None


def become(asked: ForkRequest, changed: dict[str, str | None]) -> None:
    """Be the process that has asked, once that has imported what is imported here.

    Args:
        changed: by the imports, in the environment.
    """
    request = asked.request
    for own, descriptor in enumerate(asked.descriptors):
        os.dup2(descriptor, own)
    asked.close()
    with suppress(OSError):
        os.setpgid(0, request["group"])
    signal.pthread_sigmask(signal.SIG_SETMASK, request["blocked_signals"])
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, request["niceness"])
    with suppress(OSError):
        OUT_OF_MEMORY.write_text(request["out_of_memory"])
    os.chdir(request["folder"])
    environment = request["environment"] | private.of_forks(os.getppid()) | changed
    os.environ.clear()
    os.environ.update({name: value for name, value in environment.items() if value is not None})
    modules = [word.removeprefix(MODULES_OPTION) for word in request["arguments"] if word.startswith(MODULES_OPTION)]
    sys.argv[:] = [*request["arguments"], MODULES_OPTION + ",".join([*modules, WHEN_CONNECTED])]
    private.take_environment_anew()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # as in a fresh process; Python's own generator does so in every fork
