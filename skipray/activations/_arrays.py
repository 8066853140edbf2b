"""A function of tensors as one of arrays, with its slope by differentiation: what quadrature needs of an activation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from skipray.curves import Array
from skipray.theory.activations import Pointwise

if TYPE_CHECKING:
    import torch

Function = Callable[["torch.Tensor"], "torch.Tensor"]
PROBED = np.linspace(-2.0, 2.0, 8)
"""Entries by which it is seen whether a function treats each by itself."""


def of_tensors(function: Function) -> Pointwise:
    """The function and its slope in float64, of arrays of any shape.

    Raises:
        ValueError: the function mixes entries, or changes the shape.
    """

    def value(x: Array) -> Array:
        import torch

        with torch.no_grad():
            return function(_tensor(x)).double().numpy()

    def slope(x: Array) -> Array:
        import torch

        at = _tensor(x).requires_grad_()
        (found,) = torch.autograd.grad(function(at * 1.0).sum(), at)  # the product: one that overwrites may do so
        return found.numpy()

    whole = value(PROBED)
    if whole.shape != PROBED.shape or not np.allclose(whole[:3], value(PROBED[:3]), equal_nan=True):
        raise ValueError("found an activation that does not act entry by entry; allowed for theory: one that does")
    return Pointwise(value, slope)


def _tensor(x: Array) -> torch.Tensor:
    import torch

    return torch.tensor(np.asarray(x, dtype=np.float64))
