"""Passes of weight layers. Axes as in `building.layers`."""

from torch import nn

from skipray.activations import called
from skipray.architectures.building.linear_maps import GroupedLinear
from skipray.architectures.building.passes import NoPass, Pass
from skipray.architectures.building.passes.text import Text


class LinearPass:
    def __init__(self, layer: nn.Linear, *, first: bool, in_rows: bool):
        self.weight, self.bias, self.first, self.in_rows = layer.weight, layer.bias, first, in_rows

    def forward(self, text: Text, x: str) -> str:
        text.keep(x)
        weight = text.tensor(self.weight)
        if self.bias is None:  # as torch's `linear` does it, without the two calls around it
            return text.call("mm", x, f"{weight}.t()")
        return text.call("linear", x, weight, text.tensor(self.bias))

    def backward(self, text: Text, gradient: str) -> str:
        (x,) = text.kept(1)
        text.give(self.weight, called("mm", f"{gradient}.t()", x))
        text.give(self.bias, f"{gradient}.sum(0)")
        if self.first:
            return gradient
        weight = text.tensor(self.weight)
        product = called("mm", gradient, weight)
        if self.in_rows:
            return text.new(product)
        # Of an input that lies column by column autograd gives a gradient that does too.
        turned = called("mm", f"{weight}.t()", f"{gradient}.t()")
        return text.chosen(f"{x}.stride(0) == 1 and {x}.stride(1) == {x}.size(0)", f"{turned}.t()", product)


class GroupedLinearPass:
    """`grouped_linear`, as batched products of strided views."""

    def __init__(self, layer: GroupedLinear, *, first: bool):
        self.weight, self.bias, self.groups, self.first = layer.weight, layer.bias, layer.groups, first

    def forward(self, text: Text, x: str) -> str:
        split = text.new(self._split(x))
        text.keep(split)
        found = text.new(f"{called('bmm', split, self._maps(text))}.transpose(0, 1).reshape({x}.size(0), -1)")
        return found if self.bias is None else text.new(f"{found} + {text.tensor(self.bias)}")

    def backward(self, text: Text, gradient: str) -> str:
        (inputs,) = text.kept(1)
        text.give(self.bias, f"{gradient}.sum(0)")
        split, shape = text.new(self._split(gradient)), list(self.weight.shape)
        products = called("bmm", f"{inputs}.transpose(1, 2)", split)
        text.give(self.weight, f"{products}.transpose(1, 2).reshape({shape})")
        if self.first:
            return gradient
        found = called("bmm", split, f"{self._maps(text)}.transpose(1, 2)")
        return text.new(f"{found}.transpose(0, 1).reshape({gradient}.size(0), -1)")

    def _split(self, name: str) -> str:
        return f"{name}.view({name}.size(0), {self.groups}, -1).transpose(0, 1)"

    def _maps(self, text: Text) -> str:
        return f"{text.tensor(self.weight)}.view({self.groups}, -1, {self.weight.shape[1]}).transpose(1, 2)"


class ConvolutionPass:
    def __init__(self, layer: nn.Conv2d, *, first: bool):
        self.weight, self.bias, self.groups, self.first = layer.weight, layer.bias, layer.groups, first
        assert not isinstance(layer.padding, str)
        self.sizes = [list(size) for size in (layer.stride, layer.padding, layer.dilation)]

    def forward(self, text: Text, x: str) -> str:
        text.keep(x)
        return text.call(
            "conv2d", x, text.tensor(self.weight), text.tensor(self.bias), *self.sizes, self.groups
        )  # fmt: skip

    def backward(self, text: Text, gradient: str) -> str:
        (x,) = text.kept(1)
        biases = None if self.bias is None else [len(self.bias)]
        wanted = [not self.first, True, self.bias is not None]
        found, of_weight, of_bias = text.calls(
            "convolution_backward", gradient, x, text.tensor(self.weight), biases, *self.sizes, False, [0, 0],
            self.groups, wanted, results=3,
        )  # fmt: skip
        text.give(self.weight, of_weight)
        text.give(self.bias, of_bias)
        return gradient if self.first else found


def weight_layer_pass(layer: nn.Module, *, first: bool = False, in_rows: bool) -> Pass:
    """
    Args:
        first: it reads the network's input, whose gradient nobody wants; its `backward` gives something else.
        in_rows: the input of one that is fully connected lies row by row in memory.

    Raises:
        NoPass: it is another one.
    """
    if type(layer) is nn.Linear:
        return LinearPass(layer, first=first, in_rows=in_rows)
    if type(layer) is GroupedLinear:
        return GroupedLinearPass(layer, first=first)
    if type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        return ConvolutionPass(layer, first=first)
    raise NoPass
