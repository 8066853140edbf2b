"""Passes of weight layers. Axes as in `building.layers`."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skipray.architectures.building.linear_maps import GroupedLinear
from skipray.architectures.building.passes import NoPass, Pass, give
from skipray.torch_private import BackwardKernels


class LinearPass:
    def __init__(self, layer: nn.Linear, *, first: bool):
        self.weight, self.bias, self.first = layer.weight, layer.bias, first

    def forward(self, x: Tensor) -> Tensor:
        self._input = x
        return F.linear(x, self.weight, self.bias)

    def backward(self, gradient: Tensor) -> Tensor:
        give(self.weight, gradient.t().mm(self._input))
        if self.bias is not None:
            give(self.bias, gradient.sum(0))
        del self._input
        return gradient if self.first else gradient.mm(self.weight)


class GroupedLinearPass:
    """`grouped_linear`, as batched products of strided views."""

    def __init__(self, layer: GroupedLinear, *, first: bool):
        self.weight, self.bias, self.groups, self.first = layer.weight, layer.bias, layer.groups, first

    def forward(self, x: Tensor) -> Tensor:
        self._split = x.view(len(x), self.groups, -1).transpose(0, 1)
        self._maps = self.weight.view(self.groups, -1, self.weight.shape[1]).transpose(1, 2)
        flat = torch.bmm(self._split, self._maps).transpose(0, 1).reshape(len(x), -1)
        return flat if self.bias is None else flat + self.bias

    def backward(self, gradient: Tensor) -> Tensor:
        samples = len(gradient)
        if self.bias is not None:
            give(self.bias, gradient.sum(0))
        split = gradient.view(samples, self.groups, -1).transpose(0, 1)
        give(self.weight, self._split.transpose(1, 2).bmm(split).transpose(1, 2).reshape(self.weight.shape))
        found = gradient if self.first else split.bmm(self._maps.transpose(1, 2)).transpose(0, 1).reshape(samples, -1)
        del self._split, self._maps
        return found


class ConvolutionPass:
    def __init__(self, layer: nn.Conv2d, kernels: BackwardKernels, *, first: bool):
        self.layer, self.weight, self.bias, self.first = layer, layer.weight, layer.bias, first
        assert not isinstance(layer.padding, str)
        self.sizes = (layer.stride, layer.padding, layer.dilation)
        self.kernel = kernels.convolution
        self.wanted = (not first, True, layer.bias is not None)
        self.biases = None if layer.bias is None else [layer.out_channels]

    def forward(self, x: Tensor) -> Tensor:
        self._input = x
        return torch.conv2d(x, self.weight, self.bias, *self.sizes, self.layer.groups)

    def backward(self, gradient: Tensor) -> Tensor:
        found, of_weight, of_bias = self.kernel(
            gradient, self._input, self.weight, self.biases, *self.sizes, False, (0, 0), self.layer.groups, self.wanted
        )
        del self._input
        give(self.weight, of_weight)
        if self.bias is not None:
            give(self.bias, of_bias)
        return gradient if self.first else found


def weight_layer_pass(layer: nn.Module, kernels: BackwardKernels, *, first: bool = False) -> Pass:
    """
    Args:
        first: it reads the network's input, whose gradient nobody wants; its `backward` gives something else.

    Raises:
        NoPass: it is another one.
    """
    if type(layer) is nn.Linear:
        return LinearPass(layer, first=first)
    if type(layer) is GroupedLinear:
        return GroupedLinearPass(layer, first=first)
    if type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        return ConvolutionPass(layer, kernels, first=first)
    raise NoPass
