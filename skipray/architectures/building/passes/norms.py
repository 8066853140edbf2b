"""Passes of normalizations, in training: batch normalization takes the batch's statistics and keeps running ones."""

from typing import Any

import torch
from torch import Tensor, nn

from skipray.architectures.building.layers import LightBatchNorm1d, LightBatchNorm2d
from skipray.architectures.building.passes import NoPass, Pass, give
from skipray.torch_private import BackwardKernels, Kernel

ALL = (True, True, True)
"""Which gradients a kernel gives: of input, scale and shift."""


class NormPass:
    """Keeps its input and the statistics that it was normalized by. Subclasses call the kernels, forward and back."""

    def __init__(self, norm: Any, kernel: Kernel):
        self.weight, self.bias, self.eps, self.kernel = norm.weight, norm.bias, norm.eps, kernel

    def forward(self, x: Tensor) -> Tensor:
        y, *self._statistics = self._normalized(x)
        self._input = x
        return y

    def backward(self, gradient: Tensor) -> Tensor:
        found, of_weight, of_bias = self._gradients(gradient, self._input, self._statistics)
        del self._input, self._statistics
        give(self.weight, of_weight)
        give(self.bias, of_bias)
        return found

    def _normalized(self, x: Tensor) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _gradients(self, gradient: Tensor, x: Tensor, statistics: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Of the input, the scale and the shift."""
        raise NotImplementedError


class BatchNormPass(NormPass):
    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, kernel: Kernel):
        super().__init__(norm, kernel)
        assert norm.momentum is not None
        self.running, self.momentum = (norm.running_mean, norm.running_var), norm.momentum

    def _normalized(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.native_batch_norm(x, self.weight, self.bias, *self.running, True, self.momentum, self.eps)

    def _gradients(self, gradient: Tensor, x: Tensor, statistics: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        return self.kernel(gradient, x, self.weight, *self.running, *statistics, True, self.eps, ALL)


class LayerNormPass(NormPass):
    def __init__(self, norm: nn.LayerNorm, kernel: Kernel):
        super().__init__(norm, kernel)
        self.shape = norm.normalized_shape

    def _normalized(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.native_layer_norm(x, self.shape, self.weight, self.bias, self.eps)

    def _gradients(self, gradient: Tensor, x: Tensor, statistics: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        return self.kernel(gradient, x, self.shape, *statistics, self.weight, self.bias, ALL)


class GroupNormPass(NormPass):
    def __init__(self, norm: nn.GroupNorm, kernel: Kernel):
        super().__init__(norm, kernel)
        self.groups = norm.num_groups

    def _normalized(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.native_group_norm(x, self.weight, self.bias, *self._sizes(x), self.eps)

    def _gradients(self, gradient: Tensor, x: Tensor, statistics: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        return self.kernel(gradient, x, *statistics, self.weight, *self._sizes(x), ALL)

    def _sizes(self, x: Tensor) -> tuple[int, int, int, int]:
        n, c, height, width = x.shape
        return n, c, height * width, self.groups


def norm_pass(norm: nn.Module, kernels: BackwardKernels) -> Pass:
    """
    Raises:
        NoPass: it is another one, or has no scale and shift.
    """
    if getattr(norm, "weight", None) is None or getattr(norm, "bias", None) is None:
        raise NoPass
    if type(norm) in (LightBatchNorm1d, LightBatchNorm2d) and norm.running_mean is not None:
        if norm.momentum is not None:
            return BatchNormPass(norm, kernels.batch_norm)  # type: ignore[arg-type]
    elif type(norm) is nn.LayerNorm:
        return LayerNormPass(norm, kernels.layer_norm)
    elif type(norm) is nn.GroupNorm:
        return GroupNormPass(norm, kernels.group_norm)
    raise NoPass
