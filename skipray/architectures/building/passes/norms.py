"""Passes of normalizations, in training: batch normalization takes the batch's statistics and keeps running ones."""

import torch
from torch import Tensor, nn

from skipray.architectures.building.layers import LightBatchNorm1d, LightBatchNorm2d
from skipray.architectures.building.passes import NoPass, Pass, give
from skipray.torch_private import BackwardKernels


class BatchNormPass:
    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, kernels: BackwardKernels):
        assert norm.momentum is not None
        self.weight, self.bias = norm.weight, norm.bias
        self.running = (norm.running_mean, norm.running_var)
        self.momentum, self.eps = norm.momentum, norm.eps
        self.kernel = kernels.batch_norm

    def forward(self, x: Tensor) -> Tensor:
        y, *self._statistics = torch.native_batch_norm(
            x, self.weight, self.bias, *self.running, True, self.momentum, self.eps
        )
        self._input = x
        return y

    def backward(self, gradient: Tensor) -> Tensor:
        found, of_weight, of_bias = self.kernel(
            gradient, self._input, self.weight, *self.running, *self._statistics, True, self.eps, (True, True, True)
        )
        del self._input, self._statistics
        give(self.weight, of_weight)
        give(self.bias, of_bias)
        return found


class LayerNormPass:
    def __init__(self, norm: nn.LayerNorm, kernels: BackwardKernels):
        self.weight, self.bias, self.shape, self.eps = norm.weight, norm.bias, norm.normalized_shape, norm.eps
        self.kernel = kernels.layer_norm

    def forward(self, x: Tensor) -> Tensor:
        y, *self._statistics = torch.native_layer_norm(x, self.shape, self.weight, self.bias, self.eps)
        self._input = x
        return y

    def backward(self, gradient: Tensor) -> Tensor:
        found, of_weight, of_bias = self.kernel(
            gradient, self._input, self.shape, *self._statistics, self.weight, self.bias, (True, True, True)
        )
        del self._input, self._statistics
        give(self.weight, of_weight)
        give(self.bias, of_bias)
        return found


class GroupNormPass:
    def __init__(self, norm: nn.GroupNorm, kernels: BackwardKernels):
        self.weight, self.bias, self.groups, self.eps = norm.weight, norm.bias, norm.num_groups, norm.eps
        self.kernel = kernels.group_norm

    def forward(self, x: Tensor) -> Tensor:
        n, c, height, width = x.shape
        self._sizes = (n, c, height * width, self.groups)
        y, *self._statistics = torch.native_group_norm(x, self.weight, self.bias, *self._sizes, self.eps)
        self._input = x
        return y

    def backward(self, gradient: Tensor) -> Tensor:
        found, of_weight, of_bias = self.kernel(
            gradient, self._input, *self._statistics, self.weight, *self._sizes, (True, True, True)
        )
        del self._input, self._statistics
        give(self.weight, of_weight)
        give(self.bias, of_bias)
        return found


def norm_pass(norm: nn.Module, kernels: BackwardKernels) -> Pass:
    """
    Raises:
        NoPass: it is another one, or has no scale and shift.
    """
    if getattr(norm, "weight", None) is None or getattr(norm, "bias", None) is None:
        raise NoPass
    if type(norm) in (LightBatchNorm1d, LightBatchNorm2d) and norm.running_mean is not None:
        if norm.momentum is not None:
            return BatchNormPass(norm, kernels)  # type: ignore[arg-type]
    elif type(norm) is nn.LayerNorm:
        return LayerNormPass(norm, kernels)
    elif type(norm) is nn.GroupNorm:
        return GroupNormPass(norm, kernels)
    raise NoPass
