"""A second process for work that would leave a core idle.

Only for a command line: Python starts it by importing the program's main module again, which a user's own script may
not be made for.
"""

import atexit
import gc
import importlib
import multiprocessing
import os
import signal
from concurrent.futures import Executor, ProcessPoolExecutor


def second_process(*modules: str) -> Executor | None:
    """A process that imports these modules at once, and ends with the last reference to it; None where there is one
    core."""
    if (os.cpu_count() or 1) < 2:
        return None
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(1, mp_context=context, initializer=_make_ready, initargs=(modules,))
    executor.submit(_nothing)  # starts it
    return executor


def _make_ready(modules: tuple[str, ...]) -> None:
    gc.disable()  # imports make many objects and no garbage
    atexit.register(gc.freeze)  # it ends in a moment, as the first does: see launch.py
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other process's
    for name in modules:
        importlib.import_module(name)
    gc.enable()


def _nothing() -> None:
    return
