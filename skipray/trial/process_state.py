"""A process's own settings, put back after each trial: a user's code must not change the trials that follow it.

Each setting is read before and compared after. What differs is set back. What cannot be (a thread that goes on, the
number of threads between operators) is named, and the process has to be replaced. This file is long because it is
one list of everything that a process has once.
"""

import decimal
import gc
import inspect
import logging
import os
import random
import resource
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.backends.opt_einsum  # torch 2.4 does not by itself

from skipray.extension import own_code
from skipray.torch_private import GLOBAL_HOOK_KIND, global_hooks

logger = logging.getLogger(__name__)

WATCHED_MODULES = (torch, torch.nn, torch.nn.functional, torch.nn.init, torch.Tensor, np, np.random, random, os)
"""Modules and classes whose functions are compared by identity: what has been patched is put back."""
LEFT: list[str] = []
"""What trials of this process have changed for good. Who runs trials looks here, and replaces the process."""
THREAD_WAIT_SECONDS = 0.2
"""How long a thread that a trial has started may take to end with it."""


@dataclass(frozen=True)
class Setting:
    """One thing that a process has once."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], Any]


@dataclass
class Restored:
    """What a trial had changed."""

    changed: list[str] = field(default_factory=list)
    """Set back."""
    left: list[str] = field(default_factory=list)
    """What could not be set back: the process has to be replaced."""


@contextmanager
def process_kept() -> Iterator[Restored]:
    """Around what may change the process; on leaving, everything is as it was, or named in the value's `left`."""
    settings = _settings()
    found = [(setting, setting.read()) for setting in settings]
    patched = _functions()
    threads = set(threading.enumerate())
    what = Restored()
    try:
        yield what
    finally:
        for setting, before in found:
            _put_back(setting, before, what)
        _unpatch(patched, what)
        what.left += _threads_left(threads)
        LEFT.extend(what.left)
        if what.changed:
            logger.info("set back what a trial had changed in this process: %s", ", ".join(what.changed))
        if what.left:
            logger.warning("a trial has changed what this process cannot set back: %s", ", ".join(what.left))


def _put_back(setting: Setting, before: Any, what: Restored) -> None:
    try:
        if _same(setting.read(), before):
            return
        setting.write(before)
        same = _same(setting.read(), before)
    except Exception:
        same = False
    (what.changed if same else what.left).append(setting.name)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return bool(np.array_equal(a, b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def _attribute(owner: Any, name: str, said: str) -> Setting:
    return Setting(said, lambda: getattr(owner, name), lambda value: setattr(owner, name, value))


def _settings() -> list[Setting]:
    return [*_of_torch(), *_of_backends(), *_hooks(), *_of_python()]


def _of_torch() -> list[Setting]:
    found = [
        Setting("torch's default type", torch.get_default_dtype, torch.set_default_dtype),
        Setting("torch's default device", torch.get_default_device, _set_default_device),
        Setting(
            "torch's deterministic mode",
            lambda: (
                torch.are_deterministic_algorithms_enabled(),
                torch.is_deterministic_algorithms_warn_only_enabled(),
            ),
            lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
        ),
        _attribute(torch.utils.deterministic, "fill_uninitialized_memory", "torch's filling of uninitialised memory"),
        Setting("torch's matmul precision", _matmul_precision, torch.set_float32_matmul_precision),
        Setting("torch's threads", torch.get_num_threads, torch.set_num_threads),
        Setting("torch's threads between operators", torch.get_num_interop_threads, torch.set_num_interop_threads),
        Setting("torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
        Setting("torch's anomaly detection", torch.is_anomaly_enabled, torch.set_anomaly_enabled),
        Setting("torch's flushing of denormal numbers", _flushes_denormals, torch.set_flush_denormal),
        Setting("torch's random numbers", torch.get_rng_state, torch.set_rng_state),
    ]
    return [*found, *(_autocast(device) for device in ("cpu", "cuda"))]


def _autocast(device: str) -> Setting:
    def write(value: tuple[bool, torch.dtype]) -> None:
        torch.set_autocast_enabled(device, value[0])
        torch.set_autocast_dtype(device, value[1])

    return Setting(
        f"autocast on {device}", lambda: (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)), write
    )


def _of_backends() -> list[Setting]:
    backends = torch.backends
    flags: list[tuple[Any, str, tuple[str, ...]]] = [
        (backends.mkldnn, "mkldnn", ("enabled", "deterministic", "allow_tf32")),
        (backends.cudnn, "cudnn", ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32")),
        (backends.opt_einsum, "opt_einsum", ("enabled", "strategy")),
        (backends.cuda.matmul, "cuda.matmul", _MATMUL),
    ]
    found = [
        _attribute(backend, name, f"torch.backends.{said}.{name}")
        for backend, said, names in flags
        for name in names
        if _readable(backend, name)
    ]
    for kind in ("flash", "mem_efficient", "math", "cudnn"):
        read, write = (getattr(backends.cuda, n, None) for n in (f"{kind}_sdp_enabled", f"enable_{kind}_sdp"))
        if read and write:
            found.append(Setting(f"torch.backends.cuda.{kind}_sdp", read, write))
    if hasattr(backends, "nnpack"):
        found.append(Setting("torch.backends.nnpack", _uses_nnpack, backends.nnpack.set_flags))
    return found


_MATMUL = (
    "allow_tf32",
    "allow_fp16_reduced_precision_reduction",
    "allow_bf16_reduced_precision_reduction",
    "allow_fp16_accumulation",
)


def _readable(owner: Any, name: str) -> bool:
    try:
        getattr(owner, name)
    except Exception:
        return False
    return True


def _uses_nnpack() -> bool:
    """Setting it is what tells how it was."""
    (found,) = torch.backends.nnpack.set_flags(False)
    torch.backends.nnpack.set_flags(found)
    return bool(found)


def _hooks() -> list[Setting]:
    """torch's hooks on all modules and optimizers: mappings, whose contents are put back in place."""
    found = [
        Setting(f"torch's hooks on every module ({name})", value.copy, _refill(value)) for name, value in global_hooks()
    ]
    if hasattr(*GLOBAL_HOOK_KIND):
        found.append(_attribute(*GLOBAL_HOOK_KIND, "torch's kind of backward hooks"))
    return found


def _refill(mapping: dict[Any, Any]) -> Callable[[dict[Any, Any]], None]:
    def write(before: dict[Any, Any]) -> None:
        mapping.clear()
        mapping.update(before)

    return write


def _of_python() -> list[Setting]:
    found = [
        Setting("numpy's random numbers", lambda: np.random.get_state(legacy=True), np.random.set_state),  # noqa: NPY002
        Setting("numpy's handling of floating-point errors", np.geterr, lambda value: np.seterr(**value)),
        Setting("Python's random numbers", random.getstate, random.setstate),
        Setting("the working directory", _working_directory, _change_directory),
        Setting("the environment", lambda: dict(os.environ), _set_environment),
        Setting("sys.path", lambda: tuple(sys.path), lambda value: sys.path.__setitem__(slice(None), list(value))),
        Setting("the warnings filters", lambda: tuple(warnings.filters), _set_filters),
        Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
        Setting("the collection of garbage", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
        Setting("the switch interval", sys.getswitchinterval, sys.setswitchinterval),
        Setting("the decimal context", lambda: decimal.getcontext().prec, _set_decimal),
        Setting("the disabled level of logging", lambda: logging.root.manager.disable, logging.disable),
        _attribute(sys, "excepthook", "sys.excepthook"),
        _attribute(sys, "stdout", "standard output"),
        _attribute(sys, "stderr", "standard error"),
    ]
    for number in sorted(signal.valid_signals()):
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            found.append(_signal(number))
    if hasattr(os, "sched_setaffinity"):
        found.append(
            Setting("the cores", lambda: tuple(sorted(os.sched_getaffinity(0))), lambda v: os.sched_setaffinity(0, v))
        )
    for name in ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_NOFILE", "RLIMIT_CPU"):
        kind = getattr(resource, name)
        found.append(
            Setting(
                f"the limit {name}",
                lambda kind=kind: resource.getrlimit(kind),  # type: ignore[misc]
                lambda value, kind=kind: resource.setrlimit(kind, value),  # type: ignore[misc]
            )
        )
    return found


def _signal(number: int) -> Setting:
    name = signal.Signals(number).name if number in list(signal.Signals) else str(number)
    return Setting(
        f"the handler of {name}",
        lambda: signal.getsignal(number),
        lambda handler: signal.signal(number, signal.SIG_DFL if handler is None else handler),
    )


def _set_default_device(device: torch.device) -> None:
    # torch's default needs no mode of its own, which would cost each factory function a call.
    torch.set_default_device(None if device == torch.device("cpu") else device)


def _flushes_denormals() -> bool:
    return bool((torch.full((), 1e-39, dtype=torch.float32, device="cpu") * 0.5 == 0).item())


def _matmul_precision() -> str:
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return "one for each backend"


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


def _set_decimal(precision: int) -> None:
    decimal.getcontext().prec = precision


def _functions() -> list[tuple[Any, dict[str, Any]]]:
    """Functions and classes of the watched modules, and the methods of torch's layers."""
    layers = [cls for cls in vars(torch.nn).values() if isinstance(cls, type) and issubclass(cls, torch.nn.Module)]
    return [(owner, {n: v for n, v in vars(owner).items() if callable(v)}) for owner in (*WATCHED_MODULES, *layers)]


def _unpatch(before: list[tuple[Any, dict[str, Any]]], what: Restored) -> None:
    for owner, functions in before:
        now = vars(owner)
        for name, function in functions.items():
            if now.get(name) is not function and not _is_torchs_wrapper(now.get(name), function):
                said = f"{owner.__name__}.{name}"
                try:
                    setattr(owner, name, function)
                    what.changed.append(said)
                except (AttributeError, TypeError):
                    what.left.append(said)


def _is_torchs_wrapper(now: Any, function: Any) -> bool:
    """torch._dynamo wraps some of torch's functions when it is first imported: no user's patch."""
    code = getattr(now, "__code__", None)
    inside = code is not None and Path(code.co_filename).is_relative_to(Path(torch.__file__).parent)
    return inside and inspect.unwrap(now) is inspect.unwrap(function)


def _threads_left(before: set[threading.Thread]) -> list[str]:
    """Names of threads of the user's code that a trial has started and that go on; libraries have theirs."""
    left = []
    for thread in set(threading.enumerate()) - before:
        if not _is_users_thread(thread):
            continue
        thread.join(THREAD_WAIT_SECONDS)
        if thread.is_alive():
            left.append(f"the thread {thread.name}")
    return left


def _is_users_thread(thread: threading.Thread) -> bool:
    does = (getattr(thread, "_target", None), getattr(thread, "function", None), type(thread).run)
    codes = [getattr(function, "__code__", None) for function in does]
    return any(code is not None and own_code.is_users(code.co_filename) for code in codes)
