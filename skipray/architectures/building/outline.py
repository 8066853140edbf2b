"""A network as plain data: the weight layers of its stem, blocks and classifier, and its sizes. No torch.

A family turns a ModelSpec into an `Outline`; `network.py` turns the outline into modules, `sizes.py` into counts.
Both read the same layers, so the counts are exact by construction, and nothing has to be built to plan a sweep.
"""

import itertools
import math
from dataclasses import dataclass, replace
from typing import Literal

from skipray.activations import Activation
from skipray.initialisations import Refused
from skipray.spec import ModelSpec

Skip = Literal["none", "identity", "pad", "projection", "gated", "concatenation"]
"""How a block's input reaches its output besides through its layers."""
Order = Literal["post", "pre", "highway", "fixup", "dense"]
"""Which kind of block: what comes before and after each weight layer."""
Plane = tuple[int, int]
"""Height and width of a feature map; (1, 1) for a fully connected layer."""


@dataclass(frozen=True)
class WeightLayer:
    """One linear map: fully connected (kernel 0) or a convolution that pads by half its kernel."""

    inputs: int
    outputs: int
    kernel: int = 0
    stride: int = 1
    groups: int = 1
    bias: bool = False
    plane: Plane = (1, 1)
    """Of its output."""
    dirac: bool = False
    """Parametrised as `diag(a) I + W'` (two more vectors of length `outputs`)."""

    @property
    def parameters(self) -> int:
        taps = self.kernel**2 if self.kernel else 1
        vectors = self.bias + 2 * self.dirac
        return self.outputs * (self.inputs // self.groups * taps + vectors)

    @property
    def flops(self) -> int:
        """One sample forward, a multiply-add as 2; biases are not counted, as in torch.utils.flop_counter."""
        taps = self.kernel**2 if self.kernel else 1
        return 2 * self.elements * (self.inputs // self.groups) * taps

    @property
    def elements(self) -> int:
        """Values in its output for one sample."""
        return self.outputs * self.plane[0] * self.plane[1]


@dataclass(frozen=True)
class Block:
    """The weight layers of a branch, in order, and what goes around them."""

    layers: tuple[WeightLayer, ...]
    skip: Skip
    projection: WeightLayer | None = None
    """The 1x1 convolution of shortcut option B, where the shape changes."""
    gate: WeightLayer | None = None
    """The transform gate of a highway block."""
    input_plane: Plane = (1, 1)

    @property
    def inputs(self) -> int:
        """Channels (units) of the block's input."""
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        return self.layers[-1].outputs

    @property
    def stride(self) -> int:
        return math.prod(layer.stride for layer in self.layers)


@dataclass(frozen=True)
class Outline:
    """A whole network of stem, blocks, global average pooling (cnn) and classifier."""

    kind: Literal["mlp", "cnn"]
    order: Order
    normalization: Literal["batch", "layer", "none"]
    activation: Activation
    activations: int
    """How many of them lie on the main path."""
    scale: float | Literal["learned"]
    """Factor on each branch before the addition."""
    stem: WeightLayer
    bare_stem: bool
    """The stem is a weight layer alone: pre-activation blocks normalize and activate it."""
    pool: bool
    """A 3x3 max pooling of stride 2 follows the stem (ImageNet)."""
    blocks: tuple[Block, ...]
    classifier: WeightLayer
    layer_scale: float | None = None
    """Where the learned factors of each branch's channels start."""
    stochastic_depth: float = 0.0
    """How likely the last block's branch is left out in a step of training."""
    dropout: float = 0.0
    """Share of the inputs of each block's last layer that are set to 0 in a step of training."""


def name_of(layer: WeightLayer) -> str:
    """What a weight layer's module is called, before its number."""
    return "conv" if layer.kernel else "linear"


def half(plane: Plane, stride: int) -> Plane:
    """The plane after a convolution of that stride that pads by half its kernel, rounding up."""
    return -(-plane[0] // stride), -(-plane[1] // stride)


def conv(inputs: int, outputs: int, kernel: int, plane: Plane, stride: int = 1, groups: int = 1) -> WeightLayer:
    """A convolution of an input plane; the layer holds the plane of its output."""
    return WeightLayer(inputs, outputs, kernel, stride, groups, plane=half(plane, stride))


def residual_scale(model: ModelSpec, blocks: int) -> float | Literal["learned"]:
    if model.residual_scale == "learned":
        return "learned"
    if model.residual_scale == "inverse_sqrt_depth":
        return 1 / math.sqrt(blocks)
    return 1.0 if model.residual_scale is None else float(model.residual_scale)


def mlp(
    model: ModelSpec,
    input_shape: tuple[int, int, int],
    classes: int,
    widths: tuple[int, ...],
    blocks: int,
    *,
    order: Order = "post",
    skip: Skip = "identity",
) -> Outline:
    """Stem, `blocks` equal blocks, classifier, all fully connected.

    Args:
        widths: units between the layers of a block, its input and output included; a layer between two equal inner
            widths has the model's cardinality as its groups (ResNeXt).
    """
    if model.widths is None:
        made = [_mlp_block(model, widths, skip)] * blocks
    else:
        outer = stretches(model.widths, blocks + 1)
        # Two layers of a block meet at its output's width; ResNeXt's inner width is its own.
        inner = [widths[1:-1] if len(widths) > 3 else (b,) for b in outer[1:]]
        made = [
            _mlp_block(model, (a, *between, b), skip)
            for a, between, b in zip(outer[:-1], inner, outer[1:], strict=True)
        ]
    return finish(
        model,
        stem=WeightLayer(math.prod(input_shape), model.width),
        pool=False,
        blocks=made,
        classes=classes,
        order=order,
    )


def stretches(widths: tuple[int, ...], count: int) -> tuple[int, ...]:
    """`count` widths: each of the given ones for as long as the others, in their order.

    Raises:
        Refused: there are more widths than that.

    >>> stretches((64, 16), 5)
    (64, 64, 64, 16, 16)
    """
    if len(widths) > count:
        raise Refused(
            f"found {len(widths)} widths; allowed at this depth: at most {count}, the stem's and each block's", "widths"
        )
    return tuple(widths[i * len(widths) // count] for i in range(count))


def _mlp_block(model: ModelSpec, widths: tuple[int, ...], skip: Skip) -> Block:
    pairs = list(itertools.pairwise(widths))
    layers = tuple(
        WeightLayer(a, b, groups=(model.cardinality or 1) if len(pairs) == 3 and i == 1 else 1)
        for i, (a, b) in enumerate(pairs)
    )
    if skip == "identity" and widths[0] != widths[-1]:
        return Block(layers, "projection", WeightLayer(widths[0], widths[-1]))
    return Block(layers, skip, gate=layers[0] if skip == "gated" else None)


def finish(
    model: ModelSpec, *, stem: WeightLayer, pool: bool, blocks: list[Block], classes: int, order: Order
) -> Outline:
    """The outline of these layers: biases only where no normalization follows, Dirac layers where asked for."""
    bias = model.normalization == "none" and order != "fixup"  # Fixup has scalar biases of its own
    dirac = model.initialisation == "dirac"
    made: dict[Block, Block] = {}  # equal blocks are one object, so that sizes at depth 1202 take milliseconds
    finished: dict[int, Block] = {}  # and one object is looked at once: the hash of a block is that of all its layers
    for block in {id(block): block for block in blocks}.values():
        if block not in made:
            layers = tuple(replace(layer, bias=bias, dirac=dirac) for layer in block.layers)
            projection = block.projection and replace(block.projection, bias=bias)
            made[block] = replace(block, layers=layers, projection=projection)
        finished[id(block)] = made[block]
    last = blocks[-1]
    features = last.outputs + (last.inputs if last.skip == "concatenation" else 0)
    return Outline(
        kind=model.kind,
        order=order,
        normalization=model.normalization,
        activation=model.activation,
        activations=model.depth - 1,
        scale=residual_scale(model, len(blocks)),
        stem=replace(stem, bias=bias),
        bare_stem=order == "pre" or (order == "dense" and not pool),
        pool=pool,
        blocks=tuple(finished[id(block)] for block in blocks),
        classifier=WeightLayer(features, classes, bias=True),
        layer_scale=model.layer_scale,
        stochastic_depth=model.stochastic_depth or 0.0,
        dropout=model.dropout or 0.0,
    )
