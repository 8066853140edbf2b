"""Functions and methods that a user's code has replaced: what has been patched is put back."""

import builtins
import copy
import inspect
import json
import math
import os
import random
import sys
import time
from collections.abc import Iterable, Iterator
from operator import attrgetter, is_
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import torch
import torch.nn.utils
import torch.utils.data

WATCHED = (
    torch, torch.Tensor, torch.nn, torch.nn.functional, torch.nn.init, torch.nn.utils, torch.linalg, torch.fft,
    torch.special, torch.autograd, torch.optim, torch.optim.lr_scheduler, torch.utils.data,
    np, np.linalg, np.fft, np.random, random, math, time, os, copy, json, builtins,
)  # fmt: skip
"""Modules and classes whose functions are compared by identity."""
_METHODS = (FunctionType, classmethod, staticmethod, property)


class Patchable:
    """A module or class, as it was when it was looked at."""

    def __init__(self, one: Any, *, kinds: tuple[type, ...] | None = None):
        """
        Args:
            kinds: of what is watched; all that can be called where None.
        """
        self.one, self._kinds = one, kinds
        self._names, self._values = list(vars(one)), list(vars(one).values())
        self.functions = {name: v for name, v in vars(one).items() if self._is_watched(v)}
        self.inside = [v for v in self.functions.values() if isinstance(v, FunctionType)]
        own = [v for v in self._values if isinstance(v, type)] if kinds else []
        self.classes = [v for v in own if v.__module__ == one.__name__]
        """Those that a module of skipray's defines."""

    def is_as_it_was(self) -> bool:
        """Whether it has the very same attributes."""
        now = vars(self.one)
        return list(now) == self._names and all(map(is_, now.values(), self._values))

    def _is_watched(self, value: Any) -> bool:
        return isinstance(value, self._kinds) if self._kinds else callable(value) or isinstance(value, _METHODS)

    def put_back(self) -> tuple[list[str], list[str]]:
        """Names of what was put back, and of what could not be."""
        changed: list[str] = []
        left: list[str] = []
        now = vars(self.one)
        for name, function in self.functions.items():
            if now.get(name) is not function and not _is_torchs_wrapper(now.get(name), function):
                try:
                    setattr(self.one, name, function)
                    changed.append(f"{self.one.__name__}.{name}")
                except (AttributeError, TypeError):
                    left.append(f"{self.one.__name__}.{name}")
        for name in list(self._shadowing()):
            delattr(self.one, name)
            changed.append(f"{self.one.__name__}.{name}")
        return changed, left

    def _shadowing(self) -> Iterator[str]:
        """Methods that a class did not have itself, and that stand before an inherited one; functions that a module of
        skipray's did not have, and that stand before what its `__getattr__` gives."""
        now = vars(self.one)
        if not isinstance(self.one, type):
            if "__getattr__" in now and self._kinds:
                yield from (name for name, v in now.items() if name not in self._names and _is_of_others(v))
            return
        for name in [name for name, v in now.items() if name not in self.functions and self._is_watched(v)]:
            inherited = getattr(super(self.one, self.one), name, None)
            if callable(inherited) and not _is_torchs_wrapper(now[name], inherited):
                yield name


_known: dict[Any, Patchable] = {}
"""Each owner as it was last looked at: a trial leaves thousands of functions as they were, and to list them again for
the next one would take longer than to see that."""


def functions() -> list[Patchable]:
    """Each watched module and class; skipray's own, torch's layers and optimizers too."""
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("skipray.") or name == "skipray"]
    found = [_seen(owner) for owner in (*WATCHED, *_torchs_classes())]
    for module in modules:
        found.append(_seen(module, kinds=(FunctionType,)))
        found += map(_seen, found[-1].classes)
    return found


def _seen(one: Any, *, kinds: tuple[type, ...] | None = None) -> Patchable:
    known = _known.get(one)
    if known is None or not known.is_as_it_was():
        known = _known[one] = Patchable(one, kinds=kinds)
    return known


def unpatch(before: list[Patchable]) -> tuple[list[str], list[str]]:
    """Names of what was put back, and of what could not be."""
    changed: list[str] = []
    left: list[str] = []
    for owner in before:
        if not owner.is_as_it_was():
            put_back, stays = owner.put_back()
            changed += put_back
            left += stays
    return changed, left


class Insides:
    """Code and defaults of functions, which can be exchanged within them."""

    def __init__(self, of: list[Patchable]):
        """
        Args:
            of: as `functions` returns it.
        """
        self._of = of
        self._functions = list(dict.fromkeys(f for owner in of for f in owner.inside))
        # A list of each, and no record of each function: 7000 new objects a trial are 10 ms of collecting garbage.
        self._found = {part: self._now(part) for part in ("__code__", "__defaults__", "__kwdefaults__")}
        # What is named can be written into.
        self._found["__kwdefaults__"] = [named.copy() if named else named for named in self._found["__kwdefaults__"]]

    def _now(self, part: str) -> list[Any]:
        return list(map(attrgetter(part), self._functions))

    def put_back(self) -> list[str]:
        """Names of the functions whose code or defaults were exchanged."""
        changed: set[int] = set()
        for part, before in self._found.items():
            now = self._now(part)
            if now != before:
                changed |= {i for i, (is_now, was) in enumerate(zip(now, before, strict=True)) if is_now != was}
        names: dict[int, str] = {}
        for owner in self._of if changed else ():
            names |= {id(f): f"{owner.one.__name__}.{name} (within)" for name, f in owner.functions.items()}
        for i in sorted(changed):
            function = self._functions[i]
            for part, before in self._found.items():
                setattr(function, part, before[i])
        return [names[id(self._functions[i])] for i in sorted(changed)]


def _torchs_classes() -> Iterable[type]:
    """Layers, optimizers, their schedules, and what these derive from."""
    homes = (torch.nn, torch.optim, torch.optim.lr_scheduler)
    public = [v for home in homes for v in vars(home).values() if isinstance(v, type)]
    return dict.fromkeys(base for kind in public for base in kind.__mro__ if base.__module__.startswith("torch."))


def _is_of_others(value: Any) -> bool:
    """Whether it is a function that is not skipray's: a module may keep what its `__getattr__` has found."""
    return isinstance(value, FunctionType) and not str(value.__module__).startswith("skipray.")


def _is_torchs_wrapper(now: Any, function: Any) -> bool:
    """Some of torch's functions are wrapped by torch itself: torch._dynamo, when it is first imported, and an
    optimizer's step, when one is first made. That is no user's patch."""
    code = getattr(now, "__code__", None)
    inside = code is not None and Path(code.co_filename).is_relative_to(Path(torch.__file__).parent)
    return inside and inspect.unwrap(now) is inspect.unwrap(function)
