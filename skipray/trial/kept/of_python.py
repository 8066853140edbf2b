"""Settings of Python, numpy and the operating system that a process has once."""

import decimal
import faulthandler
import gc
import locale
import logging
import multiprocessing
import os
import random
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from skipray.extension import own_code
from skipray.trial.kept.setting import Setting, attribute, contents, only_seen

AS_MADE = (logging.NOTSET, False, True)
"""Level of a new logger, whether it is disabled, whether it hands on."""


def settings() -> list[Setting]:
    """In the order in which they are put back; a system need not have all."""
    return [*_of_numbers(), *_of_the_interpreter(), *_of_logging(), *_always_there()]


@cache
def _always_there() -> tuple[Setting, ...]:
    """What no trial exchanges for another of its kind: listed once for the process."""
    return (*_of_signals(), *_of_the_system())


def _of_numbers() -> list[Setting]:
    return [
        Setting("numpy's random numbers", lambda: np.random.get_state(legacy=True), np.random.set_state),  # noqa: NPY002
        Setting("numpy's handling of floating-point errors", np.geterr, lambda value: np.seterr(**value)),
        Setting("numpy's printing", np.get_printoptions, lambda value: np.set_printoptions(**value)),
        Setting("numpy's callback on floating-point errors", np.geterrcall, np.seterrcall),
        Setting("Python's random numbers", random.getstate, random.setstate),
        Setting("the decimal context", _decimal_context, _set_decimal_context),
        Setting("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda v: locale.setlocale(locale.LC_ALL, v)),
    ]


def _of_the_interpreter() -> list[Setting]:
    return [
        contents(sys.path, "sys.path"),
        contents(sys.argv, "sys.argv"),
        _finders(),
        Setting("the warnings filters", lambda: tuple(warnings.filters), _set_filters),
        attribute(warnings, "showwarning", "warnings.showwarning"),
        Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
        Setting("the limit of an integer's digits", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
        Setting("the collection of garbage", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
        Setting("the thresholds of garbage", gc.get_threshold, lambda value: gc.set_threshold(*value)),
        Setting("the switch interval", sys.getswitchinterval, sys.setswitchinterval),
        Setting("sys.settrace", sys.gettrace, sys.settrace),
        Setting("sys.setprofile", sys.getprofile, sys.setprofile),
        Setting("threading.settrace", threading.gettrace, threading.settrace),
        Setting("threading.setprofile", threading.getprofile, threading.setprofile),
        attribute(threading, "excepthook", "threading.excepthook"),
        attribute(sys, "excepthook", "sys.excepthook"),
        attribute(sys, "unraisablehook", "sys.unraisablehook"),
        attribute(sys, "stdout", "standard output"),
        attribute(sys, "stderr", "standard error"),
        Setting(
            "how processes are started",
            lambda: multiprocessing.get_start_method(allow_none=True),
            lambda method: multiprocessing.set_start_method(method, force=True),
        ),
        Setting("the sockets' time-out", socket.getdefaulttimeout, socket.setdefaulttimeout),
    ]


def _finders() -> Setting:
    """Import hooks of the user's. Those of a library that a trial imports first stay, for it needs them."""
    known = tuple(sys.meta_path)

    def read() -> tuple[Any, ...]:
        return tuple(finder for finder in sys.meta_path if finder in known or _is_users(finder))

    def write(before: tuple[Any, ...]) -> None:
        now = read()
        sys.meta_path[:] = [*before, *(finder for finder in sys.meta_path if finder not in now)]

    return Setting("sys.meta_path", read, write)


def _is_users(finder: Any) -> bool:
    home = sys.modules.get((finder if isinstance(finder, type) else type(finder)).__module__)
    return own_code.is_users(getattr(home, "__file__", None) or "")


def _of_logging() -> list[Setting]:
    root = logging.root
    return [
        Setting("the disabled level of logging", lambda: root.manager.disable, logging.disable),
        Setting("the level of logging", lambda: root.level, root.setLevel),
        contents(root.handlers, "the handlers of logging"),
        _loggers(),
    ]


def _loggers() -> Setting:
    """skipray's loggers. One that is made meanwhile and is as loggers are made, as imports do it, is no change."""
    before = _skiprays_loggers()

    def read() -> dict[str, tuple[int, bool, bool]]:
        found = {name: (one.level, one.disabled, one.propagate) for name, one in _skiprays_loggers().items()}
        return {name: how for name, how in found.items() if name in before or how != AS_MADE}

    def write(known: dict[str, tuple[int, bool, bool]]) -> None:
        for name, one in _skiprays_loggers().items():
            level, one.disabled, one.propagate = known.get(name, AS_MADE)
            one.setLevel(level)

    return Setting("skipray's loggers", read, write)


def _skiprays_loggers() -> dict[str, logging.Logger]:
    return {
        name: one
        for name, one in list(logging.root.manager.loggerDict.items())
        if name.partition(".")[0] == "skipray" and isinstance(one, logging.Logger)
    }


def _of_signals() -> Iterator[Setting]:
    for number in sorted(signal.valid_signals()):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            yield _handler(number)
    yield Setting(
        "the signals that are held back",
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda held: signal.pthread_sigmask(signal.SIG_SETMASK, held),
    )
    for name in ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF"):
        yield _timer(name)
    yield Setting(
        "faulthandler", faulthandler.is_enabled, lambda on: faulthandler.enable() if on else faulthandler.disable()
    )


def _handler(number: int) -> Setting:
    name = signal.Signals(number).name if number in list(signal.Signals) else str(number)
    return Setting(
        f"the handler of {name}",
        lambda: signal.getsignal(number),
        lambda handler: signal.signal(number, signal.SIG_DFL if handler is None else handler),
    )


def _timer(name: str) -> Setting:
    """Whether it runs: one that a trial has set would end a later one; one that it has stopped is not known again."""
    kind = getattr(signal, name)
    return Setting(
        f"the timer {name}",
        lambda: signal.getitimer(kind)[0] > 0,
        lambda on: None if on else signal.setitimer(kind, 0),
    )


def _of_the_system() -> Iterator[Setting]:
    yield Setting("the working directory", _working_directory, _change_directory)
    yield Setting("the environment", lambda: dict(os.environ), _set_environment)
    yield Setting("the time zone", lambda: time.tzname, lambda before: time.tzset())  # as the environment has it again
    yield Setting("the folder of temporary files", tempfile.gettempdir, lambda v: setattr(tempfile, "tempdir", v))
    yield Setting("the mask of new files' permissions", _file_mask, os.umask)
    yield Setting(
        "the priority",
        lambda: os.getpriority(os.PRIO_PROCESS, 0),
        lambda value: os.setpriority(os.PRIO_PROCESS, 0, value),
    )
    if hasattr(os, "sched_setaffinity"):
        yield Setting("the cores", lambda: tuple(sorted(os.sched_getaffinity(0))), lambda v: os.sched_setaffinity(0, v))
    for number, said in ((1, "output"), (2, "error")):
        yield only_seen(f"where standard {said} leads", partial(_leads_to, number))
    for name in dir(resource):
        if name.startswith("RLIMIT_"):
            yield _limit(name)


def _leads_to(number: int) -> tuple[int, int] | None:
    """What stands behind a number of the process's open files."""
    with suppress(OSError):
        found = os.fstat(number)
        return found.st_dev, found.st_ino
    return None


def _limit(name: str) -> Setting:
    kind = getattr(resource, name)
    return Setting(f"the limit {name}", lambda: resource.getrlimit(kind), lambda value: resource.setrlimit(kind, value))


def _file_mask() -> int:
    """Asking the process means to set it, which another thread's files would see: the kernel tells without."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    found = os.umask(0o077)
    os.umask(found)
    return found


def _working_directory() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:
        return None  # removed under the process


def _change_directory(path: str | None) -> None:
    if path is not None:
        os.chdir(path)


def _set_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _set_filters(before: tuple[Any, ...]) -> None:
    warnings.filters[:] = list(before)  # type: ignore[index]
    with suppress(AttributeError):
        warnings._filters_mutated()  # type: ignore[attr-defined]


def _decimal_context() -> tuple[Any, ...]:
    now = decimal.getcontext()
    traps = tuple(kind for kind, on in now.traps.items() if on)
    return now.prec, now.rounding, now.Emin, now.Emax, now.capitals, now.clamp, traps


def _set_decimal_context(before: tuple[Any, ...]) -> None:
    prec, rounding, low, high, capitals, clamp, traps = before
    decimal.setcontext(decimal.Context(prec, rounding, low, high, capitals, clamp, traps=list(traps)))
