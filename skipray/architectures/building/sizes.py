"""Parameters, FLOPs and kept activations of an outline, in plain Python.

What training keeps between forward and backward is what autograd saves: the input of each weight layer and of each
normalization, the output of each activation, both factors of each product; a tensor that is saved twice counts once.
"""

import math
from collections import Counter

from skipray import activations
from skipray.architectures import Sizes
from skipray.architectures.building.outline import Block, Outline

BYTES = 4


def sizes(outline: Outline, input_shape: tuple[int, int, int]) -> Sizes:
    """Counts of a whole network, each distinct block, one object in an outline, counted once and multiplied."""
    counts = Counter(map(id, outline.blocks))
    parameters, flops, kept = _ends(outline, input_shape)
    extra = activations.kept(outline.activation)
    kept += extra * _ends_activated(outline)
    for block in {id(block): block for block in outline.blocks}.values():
        times = counts[id(block)]
        parameters += times * _block_parameters(outline, block)
        flops += times * _block_flops(block)
        kept += times * (_block_kept(outline, block) + extra * _block_activated(outline, block))
    return Sizes(parameters, flops, BYTES * kept)


def _ends_activated(outline: Outline) -> int:
    """Values that the activations of the stem and the head are called on."""
    count = 0 if outline.bare_stem else outline.stem.elements
    if outline.order in ("pre", "dense"):
        count += outline.classifier.inputs * math.prod(outline.blocks[-1].layers[-1].plane)
    return count


def _block_activated(outline: Outline, block: Block) -> int:
    """Values that a block's activations are called on."""
    outputs = [layer.elements for layer in block.layers]
    inputs = [block.inputs * math.prod(block.input_plane), *outputs[:-1]]
    return sum(inputs) if outline.order in ("pre", "dense") else sum(outputs)


def _norm(outline: Outline, channels: int) -> int:
    """Parameters of a normalization: a scale and a shift a channel."""
    return 0 if outline.normalization == "none" else 2 * channels


def _statistics(outline: Outline) -> int:
    """Values that one normalization keeps besides its input: layer normalization a mean and a deviation a sample."""
    return 2 if outline.normalization == "layer" else 0


def _ends(outline: Outline, input_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Parameters, FLOPs and kept values of the stem, the head and the classifier."""
    stem, classifier = outline.stem, outline.classifier
    norm = outline.normalization != "none"
    parameters = stem.parameters + classifier.parameters
    kept = math.prod(input_shape) + classifier.inputs
    activated = outline.activation != "linear"
    if not outline.bare_stem:
        parameters += _norm(outline, stem.outputs)
        # Behind Fixup's stem comes a shift, which hands a new tensor on; elsewhere a layer reads the stem's output.
        own_output = activated or outline.pool or outline.order != "fixup"
        kept += stem.elements * (own_output + norm) + _statistics(outline)
    elif outline.pool:
        kept += stem.elements  # max pooling's input; behind an activation it is kept already
    if outline.pool:
        pooled = stem.outputs * math.prod(outline.blocks[0].input_plane)
        kept += pooled * (2 + (outline.order in ("post", "highway")))  # the indices are int64; the others count theirs
    last = outline.blocks[-1]
    if outline.order in ("pre", "dense"):
        parameters += _norm(outline, classifier.inputs)
        plane = last.layers[-1].plane
        kept += classifier.inputs * math.prod(plane) * (activated + norm) + _statistics(outline)
        if outline.kind == "mlp" and activated:
            kept -= classifier.inputs  # the activation's output is what the classifier reads
    if outline.order == "fixup":
        parameters += 2  # the stem's scalar bias and the classifier's
    if outline.order == "highway" or (outline.order == "post" and (outline.kind == "mlp" or not activated)):
        # The last block's output is counted as kept by its reader; that is the classifier (mlp) or averaging, which
        # keeps nothing (cnn).
        kept -= last.layers[-1].elements
    return parameters, stem.flops + classifier.flops, kept


def _block_parameters(outline: Outline, block: Block) -> int:
    total = sum(layer.parameters for layer in block.layers)
    if block.projection:
        total += block.projection.parameters
    if block.gate:
        total += block.gate.parameters + block.gate.outputs  # a gate's bias is not its layer's
    if outline.order == "fixup":
        return total + 2 * len(block.layers) + 1
    normalized_inputs = outline.order in ("pre", "dense")
    total += sum(_norm(outline, layer.inputs if normalized_inputs else layer.outputs) for layer in block.layers)
    if block.projection and outline.order == "post":
        total += _norm(outline, block.outputs)
    if block.skip in ("none", "concatenation", "gated"):
        return total
    return total + (outline.scale == "learned") + (block.outputs if outline.layer_scale is not None else 0)


def _block_flops(block: Block) -> int:
    return sum(layer.flops for layer in (*block.layers, block.projection, block.gate) if layer)


def _block_kept(outline: Outline, block: Block) -> int:
    norm = outline.normalization != "none"
    activated = outline.activation != "linear"
    outputs = [layer.elements for layer in block.layers]
    inputs = [block.inputs * math.prod(block.input_plane), *outputs[:-1]]
    factored = outline.scale == "learned" or outline.layer_scale is not None
    scaled = outputs[-1] if factored and block.skip != "none" else 0
    if outline.dropout and outline.order in ("post", "pre"):
        # Its mask, and its output beside what the activation has kept.
        scaled += inputs[-1] * (1 + activated)
    if outline.order == "post":
        projected = outputs[-1] if norm and block.projection else 0
        norms = len(outputs) + (block.projection is not None)
        return sum(outputs) * (1 + norm) + projected + scaled + norms * _statistics(outline)
    if outline.order == "highway":
        return outputs[0] * (1 + norm + (2 if block.gate else 0)) + _statistics(outline)
    if outline.order == "fixup":
        return sum(inputs) + activated * sum(inputs[1:]) + outputs[-1] * (1 + activated)
    kept = sum(inputs) * (1 + norm) + len(inputs) * _statistics(outline)
    if outline.order == "dense" and block.skip == "none":
        kept += outputs[-1]  # average pooling's input
    return kept + scaled
