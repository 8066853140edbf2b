"""Parameters, FLOPs and kept activations of an outline, in plain Python."""

from collections import Counter

from skipray.architectures import Sizes
from skipray.architectures._outline import Block, Outline, WeightLayer


def sizes(outline: Outline) -> Sizes:
    """Counts of a whole network, each distinct block counted once and multiplied."""
    blocks = Counter(outline.blocks)
    parameters = outline.classifier.parameters + outline.stem.parameters + norm(outline, outline.stem.outputs)
    flops = outline.classifier.flops + outline.stem.flops
    for block, times in blocks.items():
        parameters += times * block_parameters(outline, block)
        flops += times * block_flops(block)
    return Sizes(parameters, flops, 0)


def norm(outline: Outline, channels: int) -> int:
    """Parameters of a normalization: a scale and a shift a channel."""
    return 0 if outline.normalization == "none" else 2 * channels


def block_parameters(outline: Outline, block: Block) -> int:
    layers: list[WeightLayer] = [*block.layers, *([block.projection] if block.projection else [])]
    learned_scale = block.skip != "none" and outline.scale == "learned"
    return sum(layer.parameters + norm(outline, layer.outputs) for layer in layers) + learned_scale


def block_flops(block: Block) -> int:
    return sum(layer.flops for layer in block.layers) + (block.projection.flops if block.projection else 0)
