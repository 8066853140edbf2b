"""Families of networks, one per file; the file's name is the name in the YAML.

A family is a file with

- `fields(kind)`: the fields of a model that it reads besides COMMON_FIELDS (skipray/spec/fields.py);
- `check(model, input_shape, classes)`: raises `Refused` for what it cannot have (`building.check.require` first);
- `build(model, input_shape, classes)`: the network;
- `sizes(model, input_shape, classes)`, so that a sweep can be planned without building it;

and, where it differs from the others,

- `DISPLAY_NAME`: what sentences and figures call it, `PlainNet`; the key when left out;
- `KINDS`: of mlp and cnn, those that it has; both when left out;
- `UNREAD`: common fields that it does not read; `DROPPED`: optional fields that mean nothing for it, left out in
  silence so that its twins may have them;
- `OPTIONS`: options of its own, with their defaults; `DEPTH`: what its depth counts, where not weight layers;
- `BRANCHES_END_IN_NORM`: whether each branch's last layer is a normalization.

A user's own `module:name` needs `build` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from skipray.extension import catalog
from skipray.extension.contract import Attribute, Contract, unknown_words
from skipray.extension.field_docs import show_fields
from skipray.spec import ModelSpec
from skipray.spec.fields import COMMON_FIELDS, OPTIONAL_FIELDS
from skipray.spec.words import written_fields

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
    real: nn.Module | None = None
    """Its output says which tokens are no padding, booleans (samples, tokens), and comes before the layer's; None where
    all are real."""


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
    from skipray.architectures.building.own import constructed

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
    from skipray.architectures.building.measured import measured_sizes
    from skipray.architectures.building.own import constructed

    return measured_sizes(lambda: constructed(family, model, input_shape, classes, 0), input_shape)


def kinds(architecture: str) -> tuple[str, ...]:
    """The kinds of networks that a family has."""
    return tuple(getattr(catalog.find("architectures", architecture), "KINDS", KINDS))


def _unknown_fields(name: str, family: Any) -> Iterator[str]:
    """Names in a file's `fields` that no model has; those of a user's own are read when its kind is known."""
    for kind in () if ":" in name else getattr(family, "KINDS", KINDS):
        yield from unknown_words(f"fields({kind!r})", family.fields(kind), written_fields(ModelSpec))


KINDS = ("mlp", "cnn")
_OF_A_MODEL = ("model", "input_shape", "classes")
CONTRACT = Contract(
    (
        Attribute(("build",), call=_OF_A_MODEL),
        Attribute(("fields",), of="files", call=("kind",)),
        Attribute(("check",), of="files", call=_OF_A_MODEL),
        Attribute(("sizes",), of="files", call=_OF_A_MODEL),
        Attribute(("DISPLAY_NAME",), of="none", kind=str),
        Attribute(("KINDS",), of="none", values=lambda family: KINDS),
        Attribute(("UNREAD",), of="none", values=lambda family: COMMON_FIELDS),
        Attribute(("DROPPED",), of="none", values=lambda family: OPTIONAL_FIELDS),
        Attribute(("OPTIONS",), of="none", kind=(Mapping, tuple, list, set, frozenset)),
        Attribute(("DEPTH",), of="none", kind=str),
        Attribute(("BRANCHES_END_IN_NORM",), of="none", kind=bool),
    ),
    further=_unknown_fields,
)
"""What `skipray.extension.catalog` asks of a family."""

__all__ = ["HiddenLayer", "Sizes", "build", "build_and_say", "kinds", "sizes"]

show_fields(__all__, globals())
