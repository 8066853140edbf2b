"""Passes of blocks: what `building.blocks` does forward, and back."""

from torch import Tensor, nn

from skipray import activations
from skipray.architectures.building.blocks import PostActivationBlock, PreActivationBlock, ProjectionShortcut
from skipray.architectures.building.layers import FixedScale
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.passes import ByAutograd, ChainPass, Pass
from skipray.architectures.building.passes.norms import norm_pass
from skipray.architectures.building.passes.weight_layers import weight_layer_pass
from skipray.torch_private import BackwardKernels


class ActivationPass:
    """One whose gradient follows from its output alone."""

    def __init__(self, function: activations.Function, gradient: activations.Gradient):
        self.function, self.gradient = function, gradient

    def forward(self, x: Tensor) -> Tensor:
        self._output = self.function(x)
        return self._output

    def backward(self, gradient: Tensor) -> Tensor:
        # Written over the gradient where a new tensor would lie in memory as it does: else kernels take another way.
        same = gradient.stride() == self._output.stride()
        found = self.gradient(gradient, self._output, gradient if same else None)
        del self._output
        return found


class ScalePass:
    def __init__(self, scale: FixedScale):
        self.factor = scale.factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor

    def backward(self, gradient: Tensor) -> Tensor:
        return gradient * self.factor


class Passes:
    """Makes the passes of one network's parts."""

    def __init__(self, outline: Outline, kernels: BackwardKernels):
        self.outline, self.kernels = outline, kernels
        self._gradient = activations.make_gradient(outline.activation, outline.activations)

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
        chosen = (self.outline.activation, self.outline.activations)
        if self._gradient is None:
            return ByAutograd(activations.make(*chosen))
        return ActivationPass((activations.make_in_place if in_place else activations.make)(*chosen), self._gradient)

    def block(self, block: nn.Module) -> Pass:
        if type(block) is PostActivationBlock:
            return PostActivationPass(block, self)
        if type(block) is PreActivationBlock:
            return PreActivationPass(block, self)
        return ByAutograd(block)

    def shortcut(self, shortcut: nn.Module) -> Pass | None:
        """None of the identity."""
        if type(shortcut) is nn.Identity:
            return None
        if type(shortcut) is ProjectionShortcut:
            return ChainPass([self.layer(shortcut.conv), *self.norm(shortcut.norm)])
        return ByAutograd(shortcut)

    def behind(self, block: PostActivationBlock | PreActivationBlock) -> list[Pass]:
        """What follows the layers of a branch."""
        scale = [] if block.scale is None else [block.scale]
        made: list[Pass] = [ScalePass(s) if type(s) is FixedScale else ByAutograd(s) for s in scale]
        return made if block.drop is None else [*made, ByAutograd(block.drop)]


def added(skipped: Tensor, found: Tensor) -> Tensor:
    """The gradient of what branch and skip both read. Autograd adds to the skip's, which is there first: where the two
    lie in memory differently, the kernels that read the sum take the way that its layout asks for."""
    return skipped.add_(found)


class PostActivationPass:
    def __init__(self, block: PostActivationBlock, make: Passes):
        parts: list[Pass] = []
        for layer, norm in block.inner:
            parts += [make.layer(layer), *make.norm(norm), make.activation(in_place=True)]
        layer, norm = block.last
        dropout = [] if block.dropout is None else [ByAutograd(block.dropout)]
        self.branch = ChainPass([*parts, *dropout, make.layer(layer), *make.norm(norm), *make.behind(block)])
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
    def __init__(self, block: PreActivationBlock, make: Passes):
        norm, layer = block.first
        # Without a normalization the activation reads the block's input, which the skip reads too.
        self.before = ChainPass([*make.norm(norm), make.activation(in_place=norm is not None)])
        parts: list[Pass] = [make.layer(layer)]
        for norm, layer in block.inner:
            parts += [*make.norm(norm), make.activation(in_place=True), make.layer(layer)]
        norm, layer = block.last
        dropout = [] if block.dropout is None else [ByAutograd(block.dropout)]
        parts += [*make.norm(norm), make.activation(in_place=True), *dropout, make.layer(layer), *make.behind(block)]
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
