"""One thing that a process has once: how it is read, written and compared."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Setting:
    """One thing that a process has once."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], Any]


def attribute(owner: Any, name: str, said: str) -> Setting:
    """The setting that an attribute of a module is."""
    return Setting(said, lambda: getattr(owner, name), lambda value: setattr(owner, name, value))


def contents(items: list[Any], said: str) -> Setting:
    """The setting that a list is, put back in place."""
    return Setting(said, lambda: tuple(items), lambda before: items.__setitem__(slice(None), list(before)))


def only_seen(name: str, read: Callable[[], Any]) -> Setting:
    """What can be read and not put back: where it differs, the process is replaced."""
    return Setting(name, read, lambda before: None)


def found(settings: Iterable[Setting]) -> list[tuple[Setting, Any]]:
    """What they are now; those that this version of a library does not have are left out."""
    there = []
    for setting in settings:
        with suppress(Exception):
            there.append((setting, setting.read()))
    return there


def same(a: Any, b: Any) -> bool:
    """Whether two values of a setting are equal, arrays within tuples too."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return bool(np.array_equal(a, b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)
