"""Passes of normalizations. Batch normalization takes the batch's statistics in training and keeps running ones."""

from typing import Any

from torch import nn

from skipray.architectures.building.layers import LightBatchNorm1d, LightBatchNorm2d
from skipray.architectures.building.passes import NoPass, Pass
from skipray.architectures.building.passes.text import Text

ALL = [True, True, True]
"""Which gradients an operator gives: of input, scale and shift."""


class NormPass:
    """Keeps its input and the two statistics that it was normalized by.

    Subclasses say the operators' arguments: forward behind the input, back in the place of the statistics.
    """

    operator: str

    def __init__(self, norm: Any):
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, text: Text, x: str) -> str:
        found, *statistics = text.calls(self.operator, x, *self._forward(text, x), results=3)
        text.keep(x, *statistics)
        return found

    def backward(self, text: Text, gradient: str) -> str:
        x, *statistics = text.kept(3)
        gradient = self._laid_out(text, gradient, x)
        arguments = self._backward(text, x, statistics)
        found, of_weight, of_bias = text.calls(
            f"{self.operator}_backward", gradient, x, *arguments, ALL, results=3
        )  # fmt: skip
        text.give(self.weight, of_weight)
        text.give(self.bias, of_bias)
        return found

    def _forward(self, text: Text, x: str) -> tuple[object, ...]:
        raise NotImplementedError

    def _backward(self, text: Text, x: str, statistics: list[str]) -> tuple[object, ...]:
        raise NotImplementedError

    def _laid_out(self, text: Text, gradient: str, x: str) -> str:
        """The gradient as the operator reads it."""
        return gradient

    def _parameters(self, text: Text) -> tuple[str, str]:
        return text.tensor(self.weight), text.tensor(self.bias)


class BatchNormPass(NormPass):
    operator = "native_batch_norm"

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d):
        super().__init__(norm)
        self.running, self.momentum = (norm.running_mean, norm.running_var), norm.momentum

    def _forward(self, text: Text, x: str) -> tuple[object, ...]:
        running = map(text.tensor, self.running)
        return (*self._parameters(text), *running, text.training, self.momentum, self.eps)

    def _backward(self, text: Text, x: str, statistics: list[str]) -> tuple[object, ...]:
        running = map(text.tensor, self.running)
        return (text.tensor(self.weight), *running, *statistics, True, self.eps)


class LayerNormPass(NormPass):
    operator = "native_layer_norm"

    def __init__(self, norm: nn.LayerNorm):
        super().__init__(norm)
        self.shape = list(norm.normalized_shape)

    def _forward(self, text: Text, x: str) -> tuple[object, ...]:
        return (self.shape, *self._parameters(text), self.eps)

    def _backward(self, text: Text, x: str, statistics: list[str]) -> tuple[object, ...]:
        return (self.shape, *statistics, *self._parameters(text))


class GroupNormPass(NormPass):
    operator = "native_group_norm"

    def __init__(self, norm: nn.GroupNorm):
        super().__init__(norm)
        self.groups = norm.num_groups

    def _forward(self, text: Text, x: str) -> tuple[object, ...]:
        return (*self._parameters(text), *self._sizes(x), self.eps)

    def _backward(self, text: Text, x: str, statistics: list[str]) -> tuple[object, ...]:
        return (*statistics, text.tensor(self.weight), *self._sizes(x))

    def _laid_out(self, text: Text, gradient: str, x: str) -> str:
        """In memory as the input is: autograd sees to it, or the operator; that of torch 2.4 reads it wrongly else."""
        return text.laid_out(gradient, x)

    def _sizes(self, x: str) -> tuple[object, ...]:
        return f"{x}.size(0)", f"{x}.size(1)", f"{x}.size(2) * {x}.size(3)", self.groups


def norm_pass(norm: nn.Module) -> Pass:
    """
    Raises:
        NoPass: it is another one, or has no scale and shift.
    """
    if getattr(norm, "weight", None) is None or getattr(norm, "bias", None) is None:
        raise NoPass
    if type(norm) in (LightBatchNorm1d, LightBatchNorm2d) and norm.running_mean is not None:
        if norm.momentum is not None:
            return BatchNormPass(norm)  # type: ignore[arg-type]
    elif type(norm) is nn.LayerNorm:
        return LayerNormPass(norm)
    elif type(norm) is nn.GroupNorm:
        return GroupNormPass(norm)
    raise NoPass
