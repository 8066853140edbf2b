"""The stages of convolutional networks, in the `cifar` and `imagenet` layouts, as plain data."""

from skipray.architectures.building.outline import Block, Order, Outline, Plane, WeightLayer, conv, finish, half
from skipray.initialisations import Refused
from skipray.spec import ModelSpec


def cnn(
    model: ModelSpec,
    input_shape: tuple[int, int, int],
    classes: int,
    stage_blocks: tuple[int, ...],
    *,
    order: Order = "post",
    skips: bool = True,
) -> Outline:
    """Stem and stages of basic or bottleneck blocks, in the layout of the model.

    `cifar` (He et al. 2015, section 4.2): 3x3 stem, stages of widths w, 2w, 4w. `imagenet` (table 1): 7x7 stem of
    stride 2, 3x3 max pooling of stride 2, stages w, 2w, 4w, 8w. The first block of each stage but the first halves the
    plane, on its first 3x3 convolution. A bottleneck's outer width is 4 times its stage's; its inner width is the
    stage's, or cardinality times group width (doubling by stage) for ResNeXt.
    """
    imagenet = model.layout == "imagenet"
    stem = conv(input_shape[0], model.width, 7 if imagenet else 3, input_shape[1:], 2 if imagenet else 1)
    plane = half(stem.plane, 2) if imagenet else stem.plane
    bottleneck = model.block == "bottleneck" or model.cardinality is not None
    channels = model.width
    blocks = []
    for stage, count in enumerate(stage_blocks):
        width = model.width << stage
        for i in range(count):
            stride = 2 if stage and i == 0 else 1
            if bottleneck:
                groups = model.cardinality or 1
                inner = groups * model.group_width << stage if model.group_width else width
                layers: tuple[WeightLayer, ...] = (
                    conv(channels, inner, 1, plane),
                    conv(inner, inner, 3, plane, stride, groups),
                    conv(inner, 4 * width, 1, half(plane, stride)),
                )
            else:
                layers = (conv(channels, width, 3, plane, stride), conv(width, width, 3, half(plane, stride)))
            blocks.append(_with_skip(layers, channels, plane, stride, model.shortcut if skips else None, skips))
            channels, plane = layers[-1].outputs, layers[-1].plane
    return finish(model, stem=stem, pool=imagenet, blocks=blocks, classes=classes, order=order)


def highway_cnn(model: ModelSpec, input_shape: tuple[int, int, int], classes: int, stage_count: int) -> Outline:
    """Stem and three stages of `stage_count` single 3x3 convolutions, gated where they keep the shape."""
    stem = conv(input_shape[0], model.width, 3, input_shape[1:])
    plane, channels = stem.plane, model.width
    blocks = []
    for stage in range(3):
        for i in range(stage_count):
            stride = 2 if stage and i == 0 else 1
            layer = conv(channels, model.width << stage, 3, plane, stride)
            if stride == 1:
                blocks.append(Block((layer,), "gated", gate=layer, input_plane=plane))
            else:
                blocks.append(Block((layer,), "none", input_plane=plane))
            channels, plane = layer.outputs, layer.plane
    return finish(model, stem=stem, pool=False, blocks=blocks, classes=classes, order="highway")


def dense_cnn(
    model: ModelSpec, input_shape: tuple[int, int, int], classes: int, stage_layers: tuple[int, ...]
) -> Outline:
    """Stem, dense stages and the transitions between them: Huang et al. 2017, section 3 and table 1."""
    assert model.growth_rate is not None
    imagenet = model.layout == "imagenet"
    stem = conv(input_shape[0], model.width, 7 if imagenet else 3, input_shape[1:], 2 if imagenet else 1)
    plane = half(stem.plane, 2) if imagenet else stem.plane
    channels = model.width
    blocks = []
    for stage, count in enumerate(stage_layers):
        if stage:
            if min(plane) < 2:
                last = 2 ** (len(stage_layers) - 1)  # pixels a side before the first transition, for one after the last
                raise Refused(
                    f"found images of {input_shape[1]} x {input_shape[2]}; allowed for densenet ({model.layout}): "
                    f"at least {4 * last - 3 if imagenet else last} pixels a side",
                    "layout",
                )
            blocks.append(Block((conv(channels, channels // 2, 1, plane),), "none", input_plane=plane))
            channels, plane = channels // 2, (plane[0] // 2, plane[1] // 2)
        for _ in range(count):
            inner = conv(channels, 4 * model.growth_rate, 1, plane)
            layers = (inner, conv(inner.outputs, model.growth_rate, 3, plane))
            blocks.append(Block(layers, "concatenation", input_plane=plane))
            channels += model.growth_rate
    return finish(model, stem=stem, pool=imagenet, blocks=blocks, classes=classes, order="dense")


def _with_skip(
    layers: tuple[WeightLayer, ...], inputs: int, plane: Plane, stride: int, shortcut: str | None, skips: bool
) -> Block:
    outputs = layers[-1].outputs
    if not skips:
        return Block(layers, "none", input_plane=plane)
    if inputs == outputs and stride == 1:
        return Block(layers, "identity", input_plane=plane)
    if shortcut == "A":
        return Block(layers, "pad", input_plane=plane)
    return Block(layers, "projection", conv(inputs, outputs, 1, plane, stride), input_plane=plane)
