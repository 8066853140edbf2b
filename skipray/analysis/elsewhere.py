"""Work that a process beside this one does while this one goes on: what censored series need, half of a report's time.

The process is kept for the next report, and ends with this one. Where it cannot be started, or has not answered, the
work is done here: the numbers are the same to the last bit. Run as a module, this is that process: it reads pickled
functions with their arguments from its standard input and answers with what they return.
"""

import os
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from threading import Lock, Thread
from typing import Any, TypeVar

from skipray.analysis.kept_process import KeptProcess

Found = TypeVar("Found")

PROCESS = KeptProcess(["-m", "skipray.analysis.elsewhere"], patience=0.0)
_LOCK = Lock()


def begin(function: Callable[..., Found], *arguments: Any) -> Callable[[], Found]:
    """Have a function of a module called there; returns what waits for what it returns."""
    asked: Future[tuple[Found] | None] = Future()
    # No worker of a pool, which this process would wait for after an error.
    Thread(target=lambda: asked.set_result(_asked(function, arguments)), name="elsewhere", daemon=True).start()

    @cache
    def found() -> Found:
        answer = asked.result()
        return function(*arguments) if answer is None else answer[0]

    return found


def make_ready() -> None:
    """Start the process, where there is a core for it: it imports while this one goes on."""
    with _LOCK:
        PROCESS.started()


def _asked(function: Callable[..., Found], arguments: tuple[Any, ...]) -> tuple[Found] | None:
    """What the process answers; None where it does not."""
    with _LOCK:
        process = PROCESS.started()
        if process is None or process.stdin is None or process.stdout is None:
            return None
        try:
            pickle.dump((function, arguments), process.stdin)
            process.stdin.flush()
            answer: tuple[Found] | None = pickle.load(process.stdout)
        except Exception:  # it has ended, in the midst of an answer perhaps, or what is asked cannot be sent
            process.kill()
            process.wait()
            return None
        return answer


def main() -> None:
    import skipray.trends  # noqa: F401  # before it is asked

    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    with suppress(EOFError):
        while True:
            function, arguments = pickle.load(sys.stdin.buffer)
            try:
                answer = (function(*arguments),)
            except Exception:
                answer = None  # done again where it is wanted, it is said there
            pickle.dump(answer, answers)
            answers.flush()


if __name__ == "__main__":
    main()
