"""Passes of activations and of the small parts of a block: scales, what is left out, a shortcut without weights."""

import sys
from typing import Any

from torch import Tensor, nn

from skipray.activations import Expressions, called
from skipray.architectures.building.layers import ChannelScale, FixedScale, LearnedScale, PadShortcut
from skipray.architectures.building.passes import NoPass, Pass
from skipray.architectures.building.passes.text import Text


class ActivationPass:
    def __init__(self, activation: Expressions, *, keeps_input: bool, in_place: bool, in_rows: bool):
        """
        Args:
            in_place: nothing else reads its input.
            in_rows: its input is (samples, units), row by row in memory, and so is the gradient.
        """
        self.activation, self.keeps_input = activation, keeps_input
        self.in_place, self.in_rows = in_place, in_rows

    def forward(self, text: Text, x: str) -> str:
        written = self.activation
        function = written.forward if written.in_place is None or not self.in_place else written.in_place
        y = text.new(function.format(x=x))
        text.keep(x if self.keeps_input else y)
        return y

    def backward(self, text: Text, gradient: str) -> str:
        (kept,) = text.kept(1)
        written = self.activation
        new = written.backward.format(g=gradient, kept=kept)
        if written.backward_in_place is None:
            return text.new(new)
        # Written over the gradient where a new tensor would lie in memory as it does: else kernels take another way.
        over = written.backward_in_place.format(g=gradient, kept=kept)
        if self.in_rows:
            return text.new(over)
        return text.chosen(f"{gradient}.stride() == {kept}.stride()", over, new)


class ScalePass:
    def __init__(self, scale: FixedScale):
        self.factor = scale.factor

    def forward(self, text: Text, x: str) -> str:
        return text.new(f"{x} * {text.number(self.factor)}")

    def backward(self, text: Text, gradient: str) -> str:
        return text.new(f"{gradient} * {text.number(self.factor)}")


class LearnedScalePass:
    """Of one factor, or one per channel."""

    def __init__(self, factors: Tensor):
        self.factors = factors

    def forward(self, text: Text, x: str) -> str:
        text.keep(x)
        return text.new(f"{x} * {text.tensor(self.factors)}")

    def backward(self, text: Text, gradient: str) -> str:
        (x,) = text.kept(1)
        factors = text.tensor(self.factors)
        found = text.call("sum_to_size", text.new(f"{gradient} * {x}"), list(self.factors.shape))
        # In memory as the parameter is, which autograd sees to where it leaves a gradient.
        text.give(self.factors, text.laid_out(found, factors))
        return text.new(f"{gradient} * {factors}")


class DropPass:
    """Times noise: zeros, and what makes up for them. Drawn as torch and torchvision do, of one number or of many."""

    def __init__(self, kept: float, *, whole_batch: bool):
        """
        Args:
            kept: the probability that an entry is.
            whole_batch: all entries or none.
        """
        self.share, self.whole_batch = kept, whole_batch

    def forward(self, text: Text, x: str) -> str:
        if not text.training:
            return x
        empty = called("new_empty", x, f"[1] * {x}.dim()") if self.whole_batch else called("empty_like", x)
        share = text.number(self.share)
        noise = text.new(f"{empty}.bernoulli_({share}).div_({share})")
        text.keep(noise)
        return text.new(f"{x} * {noise}")

    def backward(self, text: Text, gradient: str) -> str:
        (noise,) = text.kept(1)
        return text.new(f"{gradient} * {noise}")


class PadPass:
    def __init__(self, shortcut: PadShortcut):
        self.padding, self.stride = list(shortcut.padding), shortcut.stride

    def forward(self, text: Text, x: str) -> str:
        text.keep(x)
        pixels = text.new(f"{x}[:, :, ::{self.stride}, ::{self.stride}]" if self.stride > 1 else x)
        return text.call("constant_pad_nd", pixels, self.padding, 0)

    def backward(self, text: Text, gradient: str) -> str:
        (x,) = text.kept(1)
        found = text.call("constant_pad_nd", gradient, [-n for n in self.padding], 0)
        if self.stride == 1:
            return found
        rows = f"[{x}.size(0), {x}.size(1), {found}.size(2), {x}.size(3)]"
        found = text.call("slice_backward", found, rows, 3, 0, f"{x}.size(3)", self.stride)
        return text.call("slice_backward", found, f"{x}.size()", 2, 0, f"{x}.size(2)", self.stride)


class PoolPass:
    """The maxima of 3 x 3 pixels, every second one: the stem's of the ImageNet layout."""

    sizes = ([3, 3], [2, 2], [1, 1], [1, 1], False)

    def forward(self, text: Text, x: str) -> str:
        found, places = text.calls("max_pool2d_with_indices", x, *self.sizes, results=2)
        text.keep(x, places)
        return found

    def backward(self, text: Text, gradient: str) -> str:
        x, places = text.kept(2)
        return text.call("max_pool2d_with_indices_backward", gradient, x, *self.sizes, places)


class MeanPass:
    """Over space."""

    def forward(self, text: Text, x: str) -> str:
        text.keep(x)
        return text.call("mean", x, [2, 3])

    def backward(self, text: Text, gradient: str) -> str:
        (x,) = text.kept(1)
        spread = f"{gradient}.unsqueeze(2).unsqueeze(3).expand({x}.size())"
        return text.new(f"{spread} / ({x}.size(2) * {x}.size(3))")


def scale_pass(scale: nn.Module) -> Pass:
    """
    Raises:
        NoPass: it is another one.
    """
    if type(scale) is FixedScale:
        return ScalePass(scale)
    if type(scale) is LearnedScale:
        return LearnedScalePass(scale.factor)
    if type(scale) is ChannelScale:
        return LearnedScalePass(scale.factors)
    raise NoPass


def drop_pass(drop: Any) -> Pass:
    """Of dropout or stochastic depth, which are never for everything.

    Raises:
        NoPass: it is another one.
    """
    if type(drop) is nn.Dropout and not drop.inplace and 0 < drop.p < 1:
        return DropPass(1 - drop.p, whole_batch=False)
    depth = getattr(sys.modules.get("torchvision.ops"), "StochasticDepth", None)  # a second, for few networks
    if type(drop) is depth and drop.mode == "batch" and 0 < drop.p < 1:
        return DropPass(1 - drop.p, whole_batch=True)
    raise NoPass
