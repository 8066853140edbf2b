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


def insides(of: list[tuple[Any, dict[str, Any]]]) -> list[tuple[str, FunctionType, Any]]:
    """Each of these functions with its name, and its code and defaults, which can be exchanged within it."""
    named = {id(f): (f"{owner.__name__}.{name}", f) for owner, known in of for name, f in known.items()}
    return [(name, f, _inside(f)) for name, f in named.values() if isinstance(f, FunctionType)]


def put_back_insides(before: list[tuple[str, FunctionType, Any]]) -> list[str]:
    """Names of the functions whose code or defaults were exchanged."""
    changed = []
    for name, function, inside in before:
        if _inside(function) != inside:
            function.__code__, function.__defaults__, function.__kwdefaults__ = inside
            changed.append(f"{name} (within)")
    return changed


def _inside(function: FunctionType) -> tuple[Any, Any, Any]:
    named = function.__kwdefaults__
    return function.__code__, function.__defaults__, named.copy() if named else named


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
