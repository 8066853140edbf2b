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
from operator import attrgetter
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


def functions() -> list[tuple[Any, dict[str, Any]]]:
    """Each watched module and class, with its functions by name; skipray's own, torch's layers and optimizers too."""
    found = [(owner, _callables(owner)) for owner in (*WATCHED, *_torchs_classes())]
    for module in _skiprays_modules():
        found.append((module, {name: v for name, v in vars(module).items() if isinstance(v, FunctionType)}))
        kinds = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
        found += [(kind, _callables(kind)) for kind in kinds]
    return found


def unpatch(before: list[tuple[Any, dict[str, Any]]]) -> tuple[list[str], list[str]]:
    """Names of what was put back, and of what could not be."""
    changed: list[str] = []
    left: list[str] = []
    for owner, known in before:
        now = vars(owner)
        for name, function in known.items():
            if now.get(name) is not function and not _is_torchs_wrapper(now.get(name), function):
                try:
                    setattr(owner, name, function)
                    changed.append(f"{owner.__name__}.{name}")
                except (AttributeError, TypeError):
                    left.append(f"{owner.__name__}.{name}")
        for name in list(_shadowing(owner, known)):
            delattr(owner, name)
            changed.append(f"{owner.__name__}.{name}")
    return changed, left


class Insides:
    """Code and defaults of functions, which can be exchanged within them."""

    def __init__(self, of: list[tuple[Any, dict[str, Any]]]):
        """
        Args:
            of: as `functions` returns it.
        """
        self._of = of
        self._functions = list(dict.fromkeys(f for _, k in of for f in k.values() if isinstance(f, FunctionType)))
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
        for owner, known in self._of if changed else ():
            names |= {id(f): f"{owner.__name__}.{name} (within)" for name, f in known.items()}
        for i in sorted(changed):
            function = self._functions[i]
            for part, before in self._found.items():
                setattr(function, part, before[i])
        return [names[id(self._functions[i])] for i in sorted(changed)]


def _callables(owner: Any) -> dict[str, Any]:
    return {name: v for name, v in vars(owner).items() if callable(v) or isinstance(v, _METHODS)}


def _shadowing(owner: Any, known: dict[str, Any]) -> Iterator[str]:
    """Methods that a class did not have itself, and that stand before an inherited one."""
    if not isinstance(owner, type):
        return
    for name in _callables(owner).keys() - known.keys():
        inherited = getattr(super(owner, owner), name, None)
        if callable(inherited) and not _is_torchs_wrapper(vars(owner)[name], inherited):
            yield name


def _torchs_classes() -> Iterable[type]:
    """Layers, optimizers, their schedules, and what these derive from."""
    homes = (torch.nn, torch.optim, torch.optim.lr_scheduler)
    public = [v for home in homes for v in vars(home).values() if isinstance(v, type)]
    return dict.fromkeys(base for kind in public for base in kind.__mro__ if base.__module__.startswith("torch."))


def _skiprays_modules() -> list[Any]:
    return [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "skipray"]


def _is_torchs_wrapper(now: Any, function: Any) -> bool:
    """Some of torch's functions are wrapped by torch itself: torch._dynamo, when it is first imported, and an
    optimizer's step, when one is first made. That is no user's patch."""
    code = getattr(now, "__code__", None)
    inside = code is not None and Path(code.co_filename).is_relative_to(Path(torch.__file__).parent)
    return inside and inspect.unwrap(now) is inspect.unwrap(function)
