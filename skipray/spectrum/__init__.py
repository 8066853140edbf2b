"""Singular values, exactly and cheaply: float64, by the Gram matrix where the spectrum shows that it suffices, else QR.

>>> singular_values(torch.diag(torch.tensor([3.0, 4.0])))
array([4., 3.])
"""

import numpy as np
import torch
from torch import Tensor

from skipray.spectrum import gram, sketch, triangle
from skipray.spectrum.modes import scale_exponent
from skipray.spectrum.unfolding import sides

__all__ = ["singular_values"]


def singular_values(tensor: Tensor | np.ndarray, mode: int | None = None) -> np.ndarray:
    """Singular values of a matrix, or of a tensor's unfolding along `mode`, computed in float64 where the tensor lives.

    Every value above 1e-7 of the largest is within 1e-6 of the truth, relatively; smaller ones are at rounding level.

    Args:
        tensor: any number of axes, real. It is not changed.
        mode: the axis whose entries are the unfolding's rows; None for a matrix itself.

    Returns:
        1-D float64 array, descending, min(rows, columns) long; zeros for an all-zero tensor.

    Raises:
        ValueError: no entries; NaN or infinite ones; a mode that the tensor has not; `mode=None` and not a matrix.
        TypeError: complex entries.
    """
    tensor = torch.as_tensor(tensor).detach()
    if tensor.is_complex():
        raise TypeError(f"found {tensor.dtype}; allowed: real tensors")
    axis = _checked_mode(tensor, mode)
    if not tensor.numel():
        raise ValueError(f"found an empty tensor of shape {tuple(tensor.shape)}; it has no singular values")
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.float64)
    low, high = _extremes(tensor)
    peak = max(-low, high)
    if not np.isfinite(peak):
        raise ValueError("found NaN or infinite entries; singular values exist for finite tensors only")
    rows, columns = sides(tensor, axis)
    if peak == 0:
        return np.zeros(min(rows, columns))
    exponent = scale_exponent(peak)
    return np.ldexp(_values(tensor, axis, exponent), exponent)


def _extremes(tensor: Tensor) -> tuple[float, float]:
    # Both at once is faster, but of a tensor in another layout it would make a copy.
    low, high = tensor.aminmax() if tensor.is_contiguous() else (tensor.amin(), tensor.amax())
    return float(low), float(high)


def _values(tensor: Tensor, mode: int, exponent: int) -> np.ndarray:
    if sketch.gram_promises(tensor, mode, exponent=exponent):
        matrix = gram.gram(tensor, mode, exponent=exponent)
        if gram.suffices(matrix):
            return gram.values(matrix, gram.nonzero(matrix))
    return triangle.values(triangle.triangle(tensor, mode, exponent=exponent))


def _checked_mode(tensor: Tensor, mode: int | None) -> int:
    if mode is None:
        if tensor.ndim != 2:
            raise ValueError(f"found a tensor of shape {tuple(tensor.shape)} and no mode; allowed: a matrix, or a mode")
        return 0
    if not -tensor.ndim <= mode < tensor.ndim:
        raise ValueError(f"found mode {mode}; a tensor of shape {tuple(tensor.shape)} has modes 0 to {tensor.ndim - 1}")
    return mode % tensor.ndim
