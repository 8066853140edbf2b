"""Passes of activations and of the small parts of a block: scales, what is left out, a shortcut without weights."""

import sys
from typing import Any

from torch import Tensor, nn

from skipray.activations import Written
from skipray.architectures.building.layers import ChannelScale, FixedScale, LearnedScale, PadShortcut
from skipray.architectures.building.passes import NoPass, Pass
from skipray.architectures.building.passes.source import Source, called


class ActivationPass:
    def __init__(self, activation: Written, *, keeps_input: bool, in_place: bool):
        """
        Args:
            in_place: nothing else reads its input.
        """
        self.activation, self.keeps_input, self.in_place = activation, keeps_input, in_place

    def forward(self, source: Source, x: str) -> str:
        written = self.activation
        text = written.forward if written.in_place is None or not self.in_place else written.in_place
        y = source.new(text.format(x=x))
        source.keep(x if self.keeps_input else y)
        return y

    def backward(self, source: Source, gradient: str) -> str:
        (kept,) = source.kept(1)
        written = self.activation
        new = written.backward.format(g=gradient, kept=kept)
        if written.backward_in_place is None:
            return source.new(new)
        # Written over the gradient where a new tensor would lie in memory as it does: else kernels take another way.
        over = written.backward_in_place.format(g=gradient, kept=kept)
        return source.chosen(f"{gradient}.stride() == {kept}.stride()", over, new)


class ScalePass:
    def __init__(self, scale: FixedScale):
        self.factor = scale.factor

    def forward(self, source: Source, x: str) -> str:
        return source.new(f"{x} * {source.number(self.factor)}")

    def backward(self, source: Source, gradient: str) -> str:
        return source.new(f"{gradient} * {source.number(self.factor)}")


class LearnedScalePass:
    """Of one factor, or one per channel."""

    def __init__(self, factors: Tensor):
        self.factors = factors

    def forward(self, source: Source, x: str) -> str:
        source.keep(x)
        return source.new(f"{x} * {source.tensor(self.factors)}")

    def backward(self, source: Source, gradient: str) -> str:
        (x,) = source.kept(1)
        factors = source.tensor(self.factors)
        found = source.call("sum_to_size", source.new(f"{gradient} * {x}"), list(self.factors.shape))
        # In memory as the parameter is, which autograd sees to where it leaves a gradient.
        same = f"{found}.stride() == {factors}.stride()"
        source.give(self.factors, source.chosen(same, found, f"torch.empty_like({factors}).copy_({found})"))
        return source.new(f"{gradient} * {factors}")


class DropPass:
    """Times noise: zeros, and what makes up for them. Drawn as torch and torchvision do, of one number or of many."""

    def __init__(self, kept: float, *, whole_batch: bool):
        """
        Args:
            kept: the probability that an entry is.
            whole_batch: all entries or none.
        """
        self.share, self.whole_batch = kept, whole_batch

    def forward(self, source: Source, x: str) -> str:
        empty = called("new_empty", x, f"[1] * {x}.dim()") if self.whole_batch else called("empty_like", x)
        share = source.number(self.share)
        noise = source.new(f"{empty}.bernoulli_({share}).div_({share})")
        source.keep(noise)
        return source.new(f"{x} * {noise}")

    def backward(self, source: Source, gradient: str) -> str:
        (noise,) = source.kept(1)
        return source.new(f"{gradient} * {noise}")


class PadPass:
    def __init__(self, shortcut: PadShortcut):
        self.padding, self.stride = list(shortcut.padding), shortcut.stride

    def forward(self, source: Source, x: str) -> str:
        source.keep(x)
        pixels = source.new(f"{x}[:, :, ::{self.stride}, ::{self.stride}]" if self.stride > 1 else x)
        return source.call("constant_pad_nd", pixels, self.padding, 0)

    def backward(self, source: Source, gradient: str) -> str:
        (x,) = source.kept(1)
        found = source.call("constant_pad_nd", gradient, [-n for n in self.padding], 0)
        if self.stride == 1:
            return found
        rows = f"[{x}.size(0), {x}.size(1), {found}.size(2), {x}.size(3)]"
        found = source.call("slice_backward", found, rows, 3, 0, f"{x}.size(3)", self.stride)
        return source.call("slice_backward", found, f"{x}.size()", 2, 0, f"{x}.size(2)", self.stride)


class PoolPass:
    """The maxima of 3 x 3 pixels, every second one: the stem's of the ImageNet layout."""

    sizes = [[3, 3], [2, 2], [1, 1], [1, 1], False]

    def forward(self, source: Source, x: str) -> str:
        found, places = source.calls("max_pool2d_with_indices", x, *self.sizes, results=2)
        source.keep(x, places)
        return found

    def backward(self, source: Source, gradient: str) -> str:
        x, places = source.kept(2)
        return source.call("max_pool2d_with_indices_backward", gradient, x, *self.sizes, places)


class MeanPass:
    """Over space."""

    def forward(self, source: Source, x: str) -> str:
        source.keep(x)
        return source.call("mean", x, [2, 3])

    def backward(self, source: Source, gradient: str) -> str:
        (x,) = source.kept(1)
        spread = f"{gradient}.unsqueeze(2).unsqueeze(3).expand({x}.size())"
        return source.new(f"{spread} / ({x}.size(2) * {x}.size(3))")


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
