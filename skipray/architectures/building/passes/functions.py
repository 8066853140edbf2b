"""The written text as functions, of torch's interpreter or of Python's."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from skipray.torch_private import interpreted, operator

OPERATOR = re.compile(r"torch\.ops\.aten\.(\w+)\(")


@dataclass(frozen=True)
class Functions:
    """`cross_entropy` as `loss` describes it, the others as `text.written` does."""

    forward: Callable[..., Tensor]
    backward: Callable[..., list[Tensor]]
    evaluated: Callable[..., Tensor]
    cross_entropy: Callable[..., tuple[Tensor, Tensor, list[Tensor]]]
    shared: Callable[[list[list[Tensor]]], list[list[Tensor]]]
    """A list as they take it without a copy for each call."""


@lru_cache(maxsize=256)
def functions(text: str) -> Functions | None:
    """What the text means; None where this torch lacks one of its operators.

    Torch's interpreter takes a fifth to a third of a step's time from networks of 32 to 64 units at batch 64, and needs
    10 ms once for a process and 1 ms for each text. Python's runs the same text for a torch without it.
    """
    if any(operator(name) is None for name in OPERATOR.findall(text)):
        return None
    made = interpreted(text)
    if made is not None:
        return _named(lambda name: partial(_call, made.as_written, getattr(made.functions, name)), made.shared)
    names: dict[str, Any] = {"torch": torch, "Tensor": Tensor, "List": list, "Tuple": tuple}
    exec(compile(text, "<passes>", "exec"), names)
    return _named(names.__getitem__, list)


def _call(as_written: Callable[[], AbstractContextManager[None]], function: Callable[..., Any], *arguments: Any) -> Any:
    """What torch's function gives. What it raises is said as its operator does, without the interpreter's own story."""
    try:
        with as_written():
            return function(*arguments)
    except RuntimeError as error:
        raise RuntimeError(str(error).rpartition("\nRuntimeError: ")[2].strip()) from error


def _named(found: Callable[[str], Any], shared: Callable[[list[list[Tensor]]], list[list[Tensor]]]) -> Functions:
    return Functions(found("forward"), found("backward"), found("evaluated"), found("cross_entropy"), shared)
