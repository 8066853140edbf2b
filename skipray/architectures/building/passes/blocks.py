"""Passes of blocks: what `building.blocks` does forward, and back."""

from torch import Tensor, nn

from skipray import activations
from skipray.architectures.building.blocks import PostActivationBlock, PreActivationBlock, ProjectionShortcut
from skipray.architectures.building.layers import ChannelScale, FixedScale, LearnedScale, PadShortcut
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.passes import ByAutograd, ChainPass, NoPass, Pass
from skipray.architectures.building.passes.norms import norm_pass
from skipray.architectures.building.passes.weight_layers import weight_layer_pass
from skipray.torch_private import BackwardKernels


class ActivationPass:
    def __init__(self, function: activations.Function, gradient: activations.Gradient, *, keeps_input: bool):
        self.function, self.gradient, self.keeps_input = function, gradient, keeps_input

    def forward(self, x: Tensor) -> Tensor:
        y = self.function(x)
        self._kept = x if self.keeps_input else y
        return y

    def backward(self, gradient: Tensor) -> Tensor:
        # Written over the gradient where a new tensor would lie in memory as it does: else kernels take another way.
        same = gradient.stride() == self._kept.stride()
        found = self.gradient(gradient, self._kept, gradient if same else None)
        del self._kept
        return found


class ScalePass:
    def __init__(self, scale: FixedScale):
        self.factor = scale.factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor

    def backward(self, gradient: Tensor) -> Tensor:
        return gradient * self.factor


class Maker:
    """Makes the passes of one network's parts.

    Raises:
        NoPass: a part is none of skipray's, or one for which autograd is as fast.
    """

    def __init__(self, outline: Outline, kernels: BackwardKernels):
        self.kernels = kernels
        chosen = (outline.activation, outline.activations)
        gradient = activations.make_gradient(*chosen)
        if gradient is None:
            raise NoPass
        self._gradient = gradient
        self._function, self._in_place = activations.make(*chosen), activations.make_in_place(*chosen)
        self._keeps_input = activations.kept(outline.activation) > 0

    def layer(self, layer: nn.Module, *, first: bool = False) -> Pass:
        return weight_layer_pass(layer, self.kernels, first=first)

    def norm(self, norm: nn.Module | None) -> list[Pass]:
        """None of one that is not there."""
        return [] if norm is None else [norm_pass(norm, self.kernels)]

    def activation(self, *, in_place: bool) -> Pass:
        """
        Args:
            in_place: nothing else reads its input.
        """
        function = self._in_place if in_place else self._function
        return ActivationPass(function, self._gradient, keeps_input=self._keeps_input)

    def drawn(self, module: nn.Module | None) -> list[Pass]:
        """Of dropout or stochastic depth; none of what is not there."""
        return [] if module is None else [ByAutograd(module)]

    def block(self, block: nn.Module) -> Pass:
        if type(block) is PostActivationBlock:
            return PostActivationPass(block, self)
        if type(block) is PreActivationBlock:
            return PreActivationPass(block, self)
        raise NoPass

    def shortcut(self, shortcut: nn.Module) -> Pass | None:
        """None of the identity."""
        if type(shortcut) is nn.Identity:
            return None
        if type(shortcut) is ProjectionShortcut:
            return ChainPass([self.layer(shortcut.conv), *self.norm(shortcut.norm)])
        if type(shortcut) is PadShortcut:
            return ByAutograd(shortcut)
        raise NoPass

    def behind(self, block: PostActivationBlock | PreActivationBlock) -> list[Pass]:
        """What follows the layers of a branch."""
        scale, parts = block.scale, list[Pass]()
        if type(scale) is FixedScale:
            parts.append(ScalePass(scale))
        elif scale is not None:
            if type(scale) not in (LearnedScale, ChannelScale):
                raise NoPass
            parts.append(ByAutograd(scale))
        return [*parts, *self.drawn(block.drop)]


def added(skipped: Tensor, found: Tensor) -> Tensor:
    """The gradient of what branch and skip both read. Autograd adds to the skip's, which is there first: where the two
    lie in memory differently, the kernels that read the sum take the way that its layout asks for."""
    return skipped.add_(found)


class PostActivationPass:
    def __init__(self, block: PostActivationBlock, make: Maker):
        parts: list[Pass] = []
        for layer, norm in block.inner:
            parts += [make.layer(layer), *make.norm(norm), make.activation(in_place=True)]
        layer, norm = block.last
        parts += [*make.drawn(block.dropout), make.layer(layer), *make.norm(norm), *make.behind(block)]
        self.branch = ChainPass(parts)
        self.skips = block.shortcut is not None
        self.shortcut = make.shortcut(block.shortcut) if block.shortcut is not None else None
        self.activation = make.activation(in_place=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.branch.forward(x)
        if self.skips:
            h = h + (x if self.shortcut is None else self.shortcut.forward(x))
        return self.activation.forward(h)

    def backward(self, gradient: Tensor) -> Tensor:
        gradient = self.activation.backward(gradient)
        found = self.branch.backward(gradient)
        if not self.skips:
            return found
        return added(gradient if self.shortcut is None else self.shortcut.backward(gradient), found)


class PreActivationPass:
    def __init__(self, block: PreActivationBlock, make: Maker):
        norm, layer = block.first
        # Without a normalization the activation reads the block's input, which the skip reads too.
        self.before = ChainPass([*make.norm(norm), make.activation(in_place=norm is not None)])
        parts: list[Pass] = [make.layer(layer)]
        for norm, layer in block.inner:
            parts += [*make.norm(norm), make.activation(in_place=True), make.layer(layer)]
        norm, layer = block.last
        parts += [*make.norm(norm), make.activation(in_place=True), *make.drawn(block.dropout)]
        parts += [make.layer(layer), *make.behind(block)]
        self.branch = ChainPass(parts)
        self.shortcut = make.shortcut(block.shortcut)
        self.projects = block.projects

    def forward(self, x: Tensor) -> Tensor:
        first = self.before.forward(x)
        h = self.branch.forward(first)
        skipped = first if self.projects else x
        return h + (skipped if self.shortcut is None else self.shortcut.forward(skipped))

    def backward(self, gradient: Tensor) -> Tensor:
        found = self.branch.backward(gradient)
        skipped = gradient if self.shortcut is None else self.shortcut.backward(gradient)
        if self.projects:
            return self.before.backward(added(skipped, found))
        return added(skipped, self.before.backward(found))
