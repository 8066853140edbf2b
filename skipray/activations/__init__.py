"""Activations, one per file; the file's name is the name in the YAML.

A file has `make(layers, **arguments)`, which gives a function of a tensor; `ARGUMENTS`, each argument with its default
(None where it has to be given); `KEPT`, how many tensors of the output's size autograd keeps of a call besides the
output; where it is not 1, `gain(**arguments)`: by what an orthogonal layer is multiplied so that the mean square of its
activations stays; and, where the gradient follows from the output alone, `make_in_place(layers, **arguments)`, which
gives a function that overwrites its tensor: the same bits, without another tensor of its size. `write(layers,
**arguments)` gives it and its gradient as text (`Expressions`); without it training is as exact, and slower. One with
arguments has `pointwise(layers, **arguments)`, itself and its slope of arrays, for theory without torch;
`check(arguments)`, which yields what is wrong with them; and `EXAMPLE`, a value for each argument without a default,
with which the tests make it. A user's own `module:name` is a function of a tensor and its arguments.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from skipray.extension import catalog
from skipray.extension.contract import Attribute, Contract
from skipray.spec.values import arguments

if TYPE_CHECKING:
    import torch

    from skipray.theory.activations import Pointwise

Activation = str | Mapping[str, Any]
"""As a model has it: a name, or a mapping with the key name."""
Function = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True)
class Expressions:
    """An activation and its gradient as expressions of torch's operators, by the names that autograd calls them by.

    `{x}` is the input, `{g}` the output's gradient, `{kept}` what autograd keeps: the output where KEPT is 0, else the
    input. Values and gradients have the bits of `make` and of autograd.
    """

    forward: str
    backward: str
    in_place: str | None = None
    """What `make_in_place` does."""
    backward_in_place: str | None = None
    """Writes into the output's gradient."""

    @classmethod
    def of(
        cls,
        name: str,
        backward: str,
        *behind: object,
        before: tuple[object, ...] = (),
        forward: tuple[object, ...] = (),
        in_place: bool = False,
    ) -> "Expressions":
        """Of an operator, and of that which autograd calls for its gradient.

        Args:
            before, behind: the latter's arguments between the output's gradient and what is kept, and after them.
            forward: the former's arguments behind the input.
            in_place: there is an operator that overwrites its input, too.
        """
        gradient = ("{g}", *before, "{kept}", *behind)
        return cls(
            called(name, "{x}", *forward),
            called(backward, *gradient),
            called(f"{name}_", "{x}", *forward) if in_place else None,
            called(backward, *gradient, "grad_input={g}"),
        )


def called(operator: str, *arguments: object) -> str:
    """A call of an operator of torch's; text among the arguments is taken as it is, all else as Python writes it.

    >>> called("add", "x", 1.5)
    'torch.ops.aten.add(x, 1.5)'
    """
    return f"torch.ops.aten.{operator}({', '.join(map(str, arguments))})"


def name_of(activation: Activation) -> str:
    return activation if isinstance(activation, str) else str(activation["name"])


def arguments_of(activation: Activation) -> dict[str, Any]:
    """Its arguments over their defaults."""
    given = {} if isinstance(activation, str) else arguments(activation)
    name = name_of(activation)
    return given if ":" in name else dict(catalog.find("activations", name).ARGUMENTS) | given


def make(activation: Activation, layers: int) -> Function:
    """The function.

    Args:
        layers: how many activations lie on the main path, for one that follows from the depth.
    """
    name, options = name_of(activation), arguments_of(activation)
    entry = catalog.find("activations", name)
    if ":" in name:
        return partial(entry, **options) if options else entry
    return entry.make(layers, **options)


def make_in_place(activation: Activation, layers: int) -> Function:
    """The function for tensors that nothing else reads, which it may overwrite: the bits are those of `make`.

    A user's own overwrites nothing.
    """
    name = name_of(activation)
    entry: Any = None if ":" in name else catalog.find("activations", name)
    if not hasattr(entry, "make_in_place"):
        return make(activation, layers)
    overwriting: Function = entry.make_in_place(layers, **arguments_of(activation))
    return overwriting


def write(activation: Activation, layers: int) -> Expressions | None:
    """It and its gradient as text; None of one that has no such text, as with an argument that is no finite number."""
    name = name_of(activation)
    entry: Any = None if ":" in name else catalog.find("activations", name)
    if not hasattr(entry, "write") or not all(map(math.isfinite, arguments_of(activation).values())):
        return None
    found: Expressions = entry.write(layers, **arguments_of(activation))
    return found


def pointwise(activation: Activation, layers: int) -> "Pointwise":
    """It and its slope as functions of arrays, for `skipray.theory`; a user's own and an unknown file's by torch.

    Raises:
        ValueError: one that does not act entry by entry.
    """
    from skipray.activations._arrays import of_tensors  # a trial has no use for theory
    from skipray.theory.activations import NAMED

    name = name_of(activation)
    entry: Any = None if ":" in name else catalog.find("activations", name)
    if hasattr(entry, "pointwise"):
        found: Pointwise = entry.pointwise(layers, **arguments_of(activation))
        return found
    if entry is not None and name in NAMED and not entry.ARGUMENTS:
        return NAMED[name]
    return of_tensors(make(activation, layers))


def kept(activation: Activation) -> int:
    """Tensors of the output's size that are kept of a call besides the output; of a user's own 1, its input."""
    name = name_of(activation)
    return 1 if ":" in name else int(catalog.find("activations", name).KEPT)


def gain(activation: Activation) -> float:
    """By what an orthogonal layer is multiplied so that the mean square of its activations stays; 1 where it has no
    such number."""
    name = name_of(activation)
    entry: Any = None if ":" in name else catalog.find("activations", name)
    return float(entry.gain(**arguments_of(activation))) if hasattr(entry, "gain") else 1.0


def mistakes(activation: Activation) -> Iterator[str]:
    """What is wrong with a model's activation: what was found and what is allowed."""
    name = name_of(activation)
    try:
        entry = catalog.find("activations", name)
    except ValueError as error:
        yield str(error)
        return
    if ":" in name:
        if not callable(entry):
            yield f"found {name!r}, which cannot be called; allowed: a function of a tensor"
        elif isinstance(entry, type):  # such as a module's, of which a call makes one
            yield f"found {name!r}, which is a class; allowed: a function of a tensor, such as torch:tanh"
        return
    for key, value in ({} if isinstance(activation, str) else arguments(activation)).items():
        if key not in entry.ARGUMENTS:
            yield f"found the argument {key}; allowed for {name}: {', '.join(entry.ARGUMENTS) or 'none'}"
        elif isinstance(value, bool) or not isinstance(value, int | float):
            yield f"found {key} {value!r}; allowed for {name}: a number"
    for key, value in arguments_of(activation).items():
        if value is None:
            yield f"found no {key}; {name} needs it: {{name: {name}, {key}: ...}}"
    if hasattr(entry, "check"):
        yield from entry.check(arguments_of(activation))


def _arguments(name: str, entry: Any) -> Iterator[str]:
    """Whether a file's functions take its ARGUMENTS, and those without a default have an example."""
    if ":" in name:
        return
    for function, before in (
        ("make", 1),
        ("make_in_place", 1),
        ("write", 1),
        ("pointwise", 1),
        ("gain", 0),
    ):
        if hasattr(entry, function):
            taken = list(inspect.signature(getattr(entry, function)).parameters)[before:]
            if sorted(taken) != sorted(entry.ARGUMENTS):
                yield f"whose {function} takes {', '.join(taken) or 'no arguments'}; allowed: its ARGUMENTS, " + (
                    ", ".join(entry.ARGUMENTS) or "which are none"
                )
    for key, value in entry.ARGUMENTS.items():
        if value is None and key not in getattr(entry, "EXAMPLE", {}):
            yield f"whose {key} has no default; allowed: EXAMPLE = {{{key!r}: ...}} beside it, or a default"


CONTRACT = Contract(
    (
        Attribute(("make",), of="files", call=("layers", "..."), loose=True),
        Attribute(("ARGUMENTS",), of="files", kind=Mapping),
        Attribute(("KEPT",), of="files", kind=int),
        Attribute(("gain",), of="none", call=("...",), loose=True),
        Attribute(("make_in_place",), of="none", call=("layers", "..."), loose=True),
        Attribute(("write",), of="none", call=("layers", "..."), loose=True),
        Attribute(("pointwise",), of="none", call=("layers", "..."), loose=True),
        Attribute(("check",), of="none", call=("arguments",)),
        Attribute(("EXAMPLE",), of="none", values=lambda entry: tuple(getattr(entry, "ARGUMENTS", ()))),
    ),
    further=_arguments,
)
"""What `skipray.extension.catalog` asks of an activation; a user's own is a function, and is asked for no more."""
