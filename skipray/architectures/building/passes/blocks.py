"""Passes of blocks: what `building.blocks` does forward, and back."""

from torch import nn

from skipray import activations
from skipray.architectures.building.blocks import PostActivationBlock, PreActivationBlock, ProjectionShortcut
from skipray.architectures.building.layers import PadShortcut
from skipray.architectures.building.outline import Outline
from skipray.architectures.building.passes import ChainPass, NoPass, Pass
from skipray.architectures.building.passes.norms import norm_pass
from skipray.architectures.building.passes.small import ActivationPass, PadPass, drop_pass, scale_pass
from skipray.architectures.building.passes.text import Text
from skipray.architectures.building.passes.weight_layers import weight_layer_pass


class Maker:
    """Makes the passes of one network's parts.

    Raises:
        NoPass: a part is none of skipray's, or one for which autograd is as fast.
    """

    def __init__(self, outline: Outline, *, in_rows: bool):
        """
        Args:
            in_rows: what is between its layers is (samples, units), row by row in memory.
        """
        written = activations.write(outline.activation, outline.activations)
        if written is None:
            raise NoPass
        self._activation, self._in_rows = written, in_rows
        self._keeps_input = activations.kept(outline.activation) > 0

    def layer(self, layer: nn.Module, *, first: bool = False) -> Pass:
        """
        Args:
            first: it reads the network's input.
        """
        return weight_layer_pass(layer, first=first, in_rows=self._in_rows)

    def norm(self, norm: nn.Module | None) -> list[Pass]:
        """None of one that is not there."""
        return [] if norm is None else [norm_pass(norm)]

    def activation(self, *, in_place: bool) -> Pass:
        """
        Args:
            in_place: nothing else reads its input.
        """
        return ActivationPass(self._activation, keeps_input=self._keeps_input, in_place=in_place, in_rows=self._in_rows)

    def drawn(self, module: nn.Module | None) -> list[Pass]:
        """Of dropout or stochastic depth; none of what is not there."""
        return [] if module is None else [drop_pass(module)]

    def block(self, block: nn.Module) -> Pass:
        if type(block) is PostActivationBlock:
            return PostActivationPass(block, self)
        if type(block) is PreActivationBlock:
            return PreActivationPass(block, self)
        raise NoPass

    def shortcut(self, shortcut: nn.Module) -> ChainPass:
        """Empty of the identity."""
        if type(shortcut) is nn.Identity:
            return ChainPass([])
        if type(shortcut) is ProjectionShortcut:
            return ChainPass([self.layer(shortcut.conv), *self.norm(shortcut.norm)])
        if type(shortcut) is PadShortcut:
            return ChainPass([PadPass(shortcut)])
        raise NoPass

    def behind(self, block: PostActivationBlock | PreActivationBlock) -> list[Pass]:
        """What follows the layers of a branch."""
        return [*([] if block.scale is None else [scale_pass(block.scale)]), *self.drawn(block.drop)]

    def joined(self, text: Text, found: str, skipped: str) -> str:
        """The sum of a branch, whose end nothing else reads, and its skip. Written over the branch's end where the two
        lie in memory alike for certain."""
        return text.new(f"{found}.add_({skipped})" if self._in_rows else f"{found} + {skipped}")


def added(text: Text, skipped: str, found: str) -> str:
    """The gradient of what branch and skip both read. Autograd adds to the skip's, which is there first: where the two
    lie in memory differently, the kernels that read the sum take the way that its layout asks for."""
    return text.new(f"{skipped}.add_({found})")


class PostActivationPass:
    def __init__(self, block: PostActivationBlock, make: Maker):
        self.make = make
        parts: list[Pass] = []
        for layer, norm in block.inner:
            parts += [make.layer(layer), *make.norm(norm), make.activation(in_place=True)]
        layer, norm = block.last
        parts += [*make.drawn(block.dropout), make.layer(layer), *make.norm(norm), *make.behind(block)]
        self.branch = ChainPass(parts)
        self.shortcut = make.shortcut(block.shortcut) if block.shortcut is not None else None
        self.activation = make.activation(in_place=True)

    def forward(self, text: Text, x: str) -> str:
        h = self.branch.forward(text, x)
        if self.shortcut is not None:
            h = self.make.joined(text, h, self.shortcut.forward(text, x))
        return self.activation.forward(text, h)

    def backward(self, text: Text, gradient: str) -> str:
        gradient = self.activation.backward(text, gradient)
        if self.shortcut is None:
            return self.branch.backward(text, gradient)
        skipped = self.shortcut.backward(text, gradient)
        return added(text, skipped, self.branch.backward(text, gradient))


class PreActivationPass:
    def __init__(self, block: PreActivationBlock, make: Maker):
        self.make = make
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

    def forward(self, text: Text, x: str) -> str:
        first = self.before.forward(text, x)
        h = self.branch.forward(text, first)
        return self.make.joined(text, h, self.shortcut.forward(text, first if self.projects else x))

    def backward(self, text: Text, gradient: str) -> str:
        skipped = self.shortcut.backward(text, gradient)
        found = self.branch.backward(text, gradient)
        if self.projects:
            return self.before.backward(text, added(text, skipped, found))
        return added(text, skipped, self.before.backward(text, found))
