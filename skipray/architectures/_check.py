"""Checks that several families share. Each raises Refused."""

from skipray.architectures._depth import LinearRule, tabled
from skipray.initialisations import Refused
from skipray.spec import ModelSpec

IMAGENET_BLOCKS = {
    "basic": {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)},
    "bottleneck": {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)},
}
"""Blocks in each stage: He et al. 2015, table 1."""


def require(model: ModelSpec, keys: frozenset[str]) -> None:
    """Every field that a family reads has to be written out."""
    for key in sorted(keys):
        if getattr(model, key) is None:
            raise Refused(f"found nothing; {model.architecture} ({model.kind}) needs it", key)


def without_normalization(model: ModelSpec) -> None:
    if model.normalization != "none":
        raise Refused(f"found {model.normalization}; allowed for {model.architecture}: none", "normalization")


def stage_blocks(model: ModelSpec, block: str) -> tuple[int, ...]:
    """How many blocks each stage of a convolutional network has at the model's depth.

    `cifar`: 6n + 2 for basic, 9n + 2 for bottleneck blocks (He et al. 2015, section 4.2; 2016, section 4).
    """
    who = f"{model.architecture} ({model.kind}, {model.layout}, {block} blocks)"
    if model.layout == "imagenet":
        return tabled(model.depth, IMAGENET_BLOCKS[block], who)
    return (LinearRule(9 if block == "bottleneck" else 6, 2).count(model.depth, who),) * 3


def mlp_blocks(model: ModelSpec, layers: int) -> int:
    """Number of blocks of a fully connected network, `layers` weight layers each."""
    return LinearRule(layers, 2).count(model.depth, f"{model.architecture} (mlp)")
