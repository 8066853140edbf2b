"""Which hidden representations of a network are measured, and by which rule they were found.

In this order: patterns of module names that are asked for; what the network says itself, by a method
`skipray_layers()` (skipray's own families: `hidden_layers()`); the blocks of which a deeper network of the family has
more, where structure alone does not tell them; repeated blocks found by structure; every module that computes.
"""

import difflib
import inspect
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from skipray.architectures import HiddenLayer
from skipray.probe.blocks import block_places, repeated_blocks
from skipray.probe.passed import WatchedPass, watched_pass

DECLARATIONS = ("skipray_layers", "hidden_layers")
"""Methods without arguments that say where to look: names of modules, or HiddenLayers. The second one is read only
where it gives HiddenLayers, since a network of one's own may use the name for anything."""


REAL = "real"
"""Kind of a tap that is not measured: which tokens are no padding."""

NAMED = 3
"""So many unused layers are named."""


@dataclass(frozen=True)
class Tap:
    """A module whose output is measured."""

    layer: str
    layer_index: int | None
    """None: in the order of the calls."""
    tensor: str
    module: nn.Module
    places: Container[str] | None = None
    """Of the tensors that are measured in what it gives out; None: all."""


@dataclass(frozen=True)
class Layers:
    """The hidden representations of a network."""

    kind: str
    """What they are called, one of them: `repeated block`."""
    told: str
    """How they were found, in words that follow their number."""
    hidden: tuple[HiddenLayer, ...]
    declared: bool
    """Whether the network has told which they are, with their branches and weights."""
    whole: bool
    """Whether they are all of the network, so that the scores are the last of them."""
    passed: WatchedPass | None = None
    """What a pass has shown; None where the network tells all of it."""
    places: Mapping[nn.Module, Container[str]] = field(default_factory=dict)
    """Module -> which of the tensors that it gives out are measured, where these are not all."""
    unused: tuple[str, ...] = ()
    """Layers whose weights the pass does not use: they are not measured."""

    @property
    def rule(self) -> str:
        """How many there are in a pass, and how they were found, in words."""
        given = [layer for layer in self.hidden if self.passed is None or self.passed.gives(layer.output)]
        number = "" if self.whole and self.hidden[0].name == "" else _count(len(given), self.kind)
        named = ", ".join(self.unused[:NAMED]) + (f" and {len(self.unused) - NAMED} more" * (len(self.unused) > NAMED))
        calls = self.passed.called([layer.output for layer in given]) if self.passed is not None else len(given)
        told = self.told + (f", in {calls} calls" if calls > len(given) else "")
        return f"{number}{told}" + f"; without {named}, which a pass does not use" * bool(self.unused)

    @property
    def tensors(self) -> int:
        """How many hidden tensors there are, each call of a module and each of several outputs counted."""
        if self.declared or self.passed is None:
            return len(self.hidden)
        return sum(self.passed.gives(layer.output) for layer in self.hidden)

    def taps(self, *, branches: bool, attention: bool) -> list[Tap]:
        """Where to look.

        Args:
            branches: also the branches before the addition and the skips.
            attention: also how much tokens look at each other.
        """
        masks = dict.fromkeys(layer.real for layer in self.hidden if layer.real is not None)
        taps = [Tap("", None, REAL, module) for module in masks]
        for i, layer in enumerate(self.hidden):
            index = i if self.declared else None
            taps.append(Tap(layer.name, index, "hidden", layer.output, self.places.get(layer.output)))
            if branches and layer.branch is not None:
                taps.append(Tap(layer.name, index, "branch", layer.branch))
            if branches and layer.skip is not None:
                taps.append(Tap(layer.name, index, "skip", layer.skip))
            if attention and layer.attention is not None:
                taps.append(Tap(layer.name, index, "attention", layer.attention))
        return taps


def find_layers(
    network: nn.Module,
    run: Callable[[], Any],
    patterns: Sequence[str] | None = None,
    counted: Sequence[str] = (),
    measured: Callable[[], Any] | None = None,
) -> Layers:
    """The hidden representations of a network.

    Args:
        run: passes a batch through the network in evaluation mode; used where blocks are looked for by structure.
        patterns: names of modules, `*` for any part between dots and `**` for any parts.
        counted: names of the blocks, where the structure alone does not tell them (`skipray.trial.counted_blocks`).
        measured: passes it as it will be measured, which shows what the pass uses; `run` when left out.

    Raises:
        ValueError: a pattern fits no module; `skipray_layers()` gives what cannot be used.
    """
    found = _chosen(network, run, patterns, counted, measured or run)
    if found.declared and any(layer.weights for layer in found.hidden):
        return found
    return replace(found, passed=watched_pass(network, measured or run, found.places))


def _chosen(
    network: nn.Module,
    run: Callable[[], Any],
    patterns: Sequence[str] | None,
    counted: Sequence[str],
    measured: Callable[[], Any],
) -> Layers:
    if patterns is not None:
        found = _of_names(network, _matching(network, patterns), "module", f" named by {', '.join(patterns)}")
        return _called(found, network, run)
    declared = declared_layers(network)
    if declared is not None:
        return declared if declared.declared else _called(declared, network, run)
    if counted and (measured is run or _is_called(network, counted, measured)):
        found = _of_names(network, counted, "block", f" ({_classes(network, counted)}), more in a deeper network")
        return _at(found, network, block_places(network, measured, counted))
    blocks = repeated_blocks(network, run)
    if blocks and measured is not run and not _is_called(network, blocks, measured):
        blocks = repeated_blocks(network, measured)  # the mode that it is measured in has others
    if blocks:
        told = f" ({_classes(network, list(blocks)[:1])}), found by structure"
        return _at(_of_names(network, tuple(blocks), "repeated block", told), network, blocks)
    names = [name for name, module in network.named_modules() if name and _computes(name, module)]
    given = watched_pass(network, measured).gives if names else lambda module: 0
    names = [name for name in names if given(network.get_submodule(name))]
    if not names:
        # A single layer is all that there is, or the network computes with bare weights.
        return Layers("", "the network as a whole", (HiddenLayer("", network, None, None, ()),), False, True)
    return replace(_of_names(network, names, "module", " that compute by themselves"), whole=True)


def _classes(network: nn.Module, names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(type(network.get_submodule(name)).__name__ for name in names))


def _called(found: Layers, network: nn.Module, run: Callable[[], Any]) -> Layers:
    """Refuse layers of which no pass calls any."""
    if not _is_called(network, [layer.name for layer in found.hidden], run):
        names = ", ".join(layer.name for layer in found.hidden[:NAMED])
        raise ValueError(
            f"found layers {names}, which no pass of the network calls; allowed: modules that its forward calls, and "
            "that give tensors"
        )
    return found


def _is_called(network: nn.Module, names: Iterable[str], run: Callable[[], Any]) -> bool:
    """Whether a pass calls any of these modules, and it gives tensors."""
    passed = watched_pass(network, run)
    return any(passed.gives(network.get_submodule(name)) for name in names)


def _at(found: Layers, network: nn.Module, places: Mapping[str, frozenset[str]]) -> Layers:
    return replace(found, places={network.get_submodule(name): there for name, there in places.items() if there})


def declared_layers(network: nn.Module) -> Layers | None:
    """What the network itself says; None where it says nothing.

    Raises:
        ValueError: `skipray_layers()` gives what cannot be used.
    """
    for method in DECLARATIONS:
        found = _told(network, method)
        if found is None:
            continue
        if all(isinstance(layer, HiddenLayer) for layer in found):
            return Layers("layer", " named by the network", tuple(found), True, False)
        if method == "skipray_layers":
            names = _matching(network, [_name_in(network, one) for one in found])
            return _of_names(network, names, "layer", " named by the network")
    return None


def _told(network: nn.Module, method: str) -> list[Any] | None:
    """What a method without arguments gives, where there is such a method and it gives a list that is not empty."""
    bound = getattr(network, method, None)
    if not inspect.ismethod(bound) or inspect.signature(bound).parameters:
        return None
    if method == "hidden_layers" and type(network).__module__.partition(".")[0] != "skipray":
        return _if_layers(bound)
    found = bound()
    if not isinstance(found, list | tuple) or not found:
        what = "an empty list" if found == [] else type(found).__name__
        raise ValueError(f"found {method}() that gives {what}; allowed: a list of names or HiddenLayers")
    return list(found)


def _if_layers(bound: Callable[[], Any]) -> list[Any] | None:
    # Somebody else's method of this name may do and raise anything.
    try:
        found = bound()
    except Exception:
        return None
    good = isinstance(found, list | tuple) and found and all(isinstance(layer, HiddenLayer) for layer in found)
    return list(found) if good else None


def _name_in(network: nn.Module, one: Any) -> str:
    if isinstance(one, str):
        return one
    for name, module in network.named_modules():
        if module is one:
            return name
    raise ValueError(
        f"found a {type(one).__name__} from skipray_layers() that is no module of the network; allowed: names, modules "
        "or HiddenLayers"
    )


def _of_names(network: nn.Module, names: Sequence[str], kind: str, told: str) -> Layers:
    hidden = tuple(HiddenLayer(name, network.get_submodule(name), None, None, ()) for name in names)
    return Layers(kind, told, hidden, False, False)


def _matching(network: nn.Module, patterns: Sequence[str]) -> list[str]:
    names = [name for name, _ in network.named_modules() if name]
    chosen: set[str] = set()
    for pattern in patterns:
        fitting = [name for name in names if _regex(pattern).fullmatch(name)]
        if not fitting:
            near = difflib.get_close_matches(pattern, names, n=3) or names[:8]
            raise ValueError(f"found layers {pattern!r}, which fits no module; there are {', '.join(near)}")
        chosen.update(fitting)
    return [name for name in names if name in chosen]


def _regex(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile("".join({"**": ".*", "*": "[^.]*"}.get(part, re.escape(part)) for part in parts))


def _computes(name: str, module: nn.Module) -> bool:
    leaf = next(module.children(), None) is None
    own = any(True for _ in module.parameters(recurse=False))
    parametrised = hasattr(module, "parametrizations")
    inside = "parametrizations" in name.split(".")
    return not inside and (own or parametrised or (leaf and not isinstance(module, nn.Identity)))


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
