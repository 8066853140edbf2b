"""Calls that run code of the user's own, in a child process: whatever that code does, the command goes on.

Building a network of the user's can exit, crash, hang or print. The child is an interpreter of its own, which imports
what it needs once and then answers one call after the other; it is started anew when one has ended it.
"""

import atexit
import io
import os
import pickle
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import IO, Any, TypeVar

from skipray.errors import SkiprayError
from skipray.extension import own_code
from skipray.extension.readable import readable

START_SECONDS = 120.0
"""So long the child may take to start and import."""
CALL_SECONDS = 30.0
WHERE_SIGNAL, WHERE_SECONDS = signal.SIGUSR1, 0.5
"""Upon which the child writes where it is, and how long that may take."""
NOT_ENDED = "it had not ended after"
LENGTH_BYTES = 8

T = TypeVar("T")


class OwnCodeFailed(SkiprayError, ValueError):
    """What the user's code raised, or how it ended its process, with its file and line."""


def call(function: Callable[..., T], *arguments: Any, seconds: float = CALL_SECONDS) -> T:
    """The value of a call in the child process.

    Args:
        function: a function of skipray's, found by its name; it and the arguments can be pickled, as its value.
        seconds: that it may take.

    Raises:
        OwnCodeFailed: it raised, exited, crashed or did not end in time.
    """
    return _child().call(function, arguments, seconds)


class _Child:
    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._traces: IO[str] | None = None
        self._path: list[str] = []
        atexit.register(self.end)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float) -> Any:
        fresh = self._process is None or self._process.poll() is not None or self._path != _own_path()
        if fresh:
            self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            _send(process.stdin, pickle.dumps((function, arguments)))
            answer = self._answer(seconds + (START_SECONDS if fresh else 0.0))
        except (EOFError, BrokenPipeError):
            raise OwnCodeFailed(self._how_it_ended()) from None
        except TimeoutError:
            process.send_signal(WHERE_SIGNAL)
            time.sleep(WHERE_SECONDS)
            self.end()
            raise OwnCodeFailed(self._in_own_code(f"{NOT_ENDED} {seconds:g} s")) from None
        if not answer[0]:
            raise OwnCodeFailed(answer[1])
        return answer[1]

    def _start(self) -> None:
        self.end()
        self._path = _own_path()
        self._traces = tempfile.TemporaryFile("w+")  # noqa: SIM115  # as long as the child
        program = "import sys; sys.path[:0] = {}; from skipray.extension.apart import serve; serve({})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program.format(sys.path, self._traces.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[self._traces.fileno()],
        )

    def _answer(self, seconds: float) -> tuple[bool, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        end, descriptor = time.monotonic() + seconds, self._process.stdout.fileno()
        received = b""
        while len(received) < LENGTH_BYTES or len(received) < LENGTH_BYTES + _length(received):
            if not readable(descriptor, max(0.0, end - time.monotonic())):
                raise TimeoutError
            part = os.read(descriptor, 1 << 16)
            if not part:
                raise EOFError
            received += part
        return pickle.loads(received[LENGTH_BYTES:])

    def _how_it_ended(self) -> str:
        assert self._process is not None
        code = self._process.wait()
        return self._in_own_code(f"it has ended its process (signal {-code})" if code < 0 else _exited(code))

    def _in_own_code(self, said: str) -> str:
        place = None
        if self._traces is not None:
            self._traces.seek(0)
            place = own_code.place_in(self._traces.read())
        return f"{place}: {said}" if place else said

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    stream.close()  # type: ignore[union-attr]
            self._process = None


@lru_cache
def _child() -> _Child:
    return _Child()


def _own_path() -> list[str]:
    """Where code of the user's may lie: `sys.path` without what installed packages, Ray say, add for themselves."""
    installed = tuple(sysconfig.get_path(name) + os.sep for name in ("purelib", "platlib"))
    return [place for place in sys.path if not place.startswith(installed)]


def _exited(code: int) -> str:
    return f"it has ended its process (os._exit({code}))"


def serve(traces: int) -> None:
    """In the child: answer calls until there are none. Whatever is printed goes to standard error.

    Args:
        traces: descriptor of the file for what the interpreter tells of a crash.
    """
    import faulthandler
    import traceback

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C, and a notebook's interrupt, are for all of a group: no trace
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):  # line by line: this process is killed when nobody asks any more
        sys.stdout.reconfigure(line_buffering=True)
    calls = os.fdopen(os.dup(0), "rb")
    faulthandler.enable(traces)
    faulthandler.register(WHERE_SIGNAL, file=traces, all_threads=False)
    leave = os._exit

    def traced(status: int) -> Any:
        os.write(traces, "".join(traceback.format_stack()).encode())
        leave(status)

    os._exit = traced
    while request := _receive(calls):
        function, arguments = pickle.loads(request)
        try:
            answer = pickle.dumps((True, function(*arguments)))
        except (Exception, SystemExit) as error:
            answer = pickle.dumps((False, own_code.said(error)))
        _send(answers, answer)


def _length(data: bytes) -> int:
    return int.from_bytes(data[:LENGTH_BYTES], "big")


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
    stream.flush()


def _receive(stream: io.BufferedReader) -> bytes:
    head = stream.read(LENGTH_BYTES)
    return stream.read(_length(head)) if len(head) == LENGTH_BYTES else b""
