"""Families of networks, one a file; the file's name is the name in the YAML.

A family is a file with `fields(kind)`, `check(model, input_shape, classes)`, `build(model, input_shape, classes)` and,
so that a sweep can be planned without building it, `sizes(model, input_shape, classes)`. A user's own `module:name`
needs `build` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from skipray.extension import catalog
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class HiddenLayer:
    """Where to see one hidden representation, and what makes it. Hooks on a module see its output."""

    name: str
    """`stem`, `blocks.0`, `blocks.1`, ..."""
    output: nn.Module
    """Its output is the representation, after the activation."""
    branch: nn.Module | None
    """Its output is the branch as it is added to the skip; None without a skip."""
    skip: nn.Module | None
    """Its output is what the branch is added to: the block's input, or its projection where the shape changes."""
    weights: tuple[str, ...]
    """Parameter names of the weight layers on the main path, in order: no projections, no gates."""
    attention: nn.Module | None = None
    """Its output is how much each token looks at each, (samples, heads, tokens, tokens); None without attention."""


@dataclass(frozen=True)
class Sizes:
    """What a network costs."""

    parameters: int
    """Learned values."""
    flops: int
    """One sample forward, convolutions and matrix products, a multiply-add as 2 (as torch.utils.flop_counter)."""
    activation_bytes: int
    """What training keeps of one sample between forward and backward, in float32."""


def build(model: ModelSpec, input_shape: tuple[int, ...], classes: int, *, seed: int | None = None) -> nn.Module:
    """The network of a spec, initialised by its scheme.

    Args:
        input_shape: of a sample: (channels, height, width) of an image, (features,), or (positions,) of tokens.
        classes: number of outputs.
        seed: of the initial values; drawn from torch's global generator when left out.

    Raises:
        ValueError: the family or the scheme cannot do this; says what was found and what is allowed.
        TypeError: a user's own family built something else than a network.
    """
    return build_and_say(model, input_shape, classes, seed=seed)[0]


def build_and_say(
    model: ModelSpec, input_shape: tuple[int, ...], classes: int, *, seed: int | None = None
) -> tuple[nn.Module, tuple[str, ...]]:
    """As `build`; also the names of the parameters that the scheme has left as they were built."""
    import torch

    from skipray import initialisations
    from skipray.architectures._own import constructed

    family = catalog.find("architectures", model.architecture)
    if hasattr(family, "check"):
        family.check(model, input_shape, classes)
    meta = torch.get_default_device().type == "meta"
    if seed is None and not meta:
        seed = int(torch.randint(2**31, ()).item())
    network = constructed(family, model, input_shape, classes, seed)
    if any(p.is_meta for p in network.parameters()):
        return network, ()
    assert seed is not None
    return network, initialisations.initialise(network, model, seed)


def sizes(model: ModelSpec, input_shape: tuple[int, ...], classes: int) -> Sizes:
    """Parameters, FLOPs and activation bytes of a spec's network.

    In plain Python for skipray's families; a user's family without `sizes` is built on the meta device.

    Raises:
        ValueError: the family cannot have this model.
    """
    family = catalog.find("architectures", model.architecture)
    if hasattr(family, "sizes"):
        return cast(Sizes, family.sizes(model, input_shape, classes))
    from skipray.architectures._measured import measured_sizes
    from skipray.architectures._own import constructed

    return measured_sizes(lambda: constructed(family, model, input_shape, classes, 0), input_shape)
