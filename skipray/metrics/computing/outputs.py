"""The tensors in what a module gives out."""

from collections.abc import Container, Mapping
from typing import Any

from torch import Tensor


def tensors_in(output: Any) -> list[tuple[str, Tensor]]:
    """Floating tensors with samples and features in a module's output, each with the suffix of its place."""
    if isinstance(output, Tensor):
        return [("", output)] if output.is_floating_point() and output.ndim >= 2 else []
    if isinstance(output, Mapping):
        items = [(f".{name}", value) for name, value in output.items()]
    elif isinstance(output, tuple | list):
        items = [(f"[{i}]", value) for i, value in enumerate(output)]
    else:
        return []
    return [(name + inner, tensor) for name, value in items for inner, tensor in tensors_in(value)]


def tensors_at(output: Any, places: Container[str] | None) -> list[tuple[str, Tensor]]:
    """Those of `tensors_in` at certain places; all where None."""
    return [(place, tensor) for place, tensor in tensors_in(output) if places is None or place in places]
