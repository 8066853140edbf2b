"""Threads and processes that a trial has started and that go on: they take cores from the trials that follow."""

import multiprocessing
import threading
from dataclasses import dataclass
from multiprocessing.process import BaseProcess

from skipray.extension import own_code

WAIT_SECONDS = 0.2
"""How long one may take to end with its trial."""


@dataclass(frozen=True)
class Running:
    """What runs beside a trial before it begins."""

    threads: frozenset[threading.Thread]
    processes: frozenset[BaseProcess]


def running() -> Running:
    """Threads, and processes that Python's multiprocessing has started."""
    return Running(frozenset(threading.enumerate()), frozenset(multiprocessing.active_children()))


def since(before: Running) -> list[str]:
    """Names of what has begun since and goes on: threads of the user's code (libraries have theirs), and processes."""
    now = running()
    threads = [thread for thread in now.threads - before.threads if _is_users(thread)]
    found: list[tuple[str, threading.Thread | BaseProcess]] = [("thread", thread) for thread in threads]
    found += [("process", process) for process in now.processes - before.processes]
    left = []
    for kind, one in found:
        one.join(WAIT_SECONDS)
        if one.is_alive():
            left.append(f"the {kind} {one.name}")
    return left


def _is_users(thread: threading.Thread) -> bool:
    does = (getattr(thread, "_target", None), getattr(thread, "function", None), type(thread).run)
    codes = [getattr(function, "__code__", None) for function in does]
    return any(code is not None and own_code.is_users(code.co_filename) for code in codes)
