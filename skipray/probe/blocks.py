"""The repeated blocks of any network, found by its structure: what a family's depth counts.

Modules of one kind (one class; of plain Sequentials, one sequence of classes) are a chain where the output of one is
the input of the next: residual blocks, encoder blocks. One module that is called again with what it gave is a chain
too: blocks that share their weights. Of several kinds the outermost chain counts, unless it only groups blocks of
another one (a stage): then those do.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations as class_of

from skipray.metrics.computing.outputs import tensors_in
from skipray.torch_private import changes_in_place

CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)

Kind = tuple[type[nn.Module], tuple[type[nn.Module], ...]]
"""What blocks of one kind share: their class and, of a plain Sequential, the classes in it."""
Named = tuple[tuple[str, str], ...]
"""A kind by its classes' modules and names."""


def repeated_blocks(network: nn.Module, run: Callable[[], Any]) -> dict[str, frozenset[str]]:
    """Names of the blocks in the order in which they are called, each with the places, in what it gives out, of its
    hidden representations; empty where there is no chain of at least two.

    Of several tensors that is what the block itself has made and the next one takes as it is: no attention weights that
    are given out beside, and no mask that goes through.

    Args:
        run: passes a batch through the network.
    """
    watch = _watched(network, run, _kinds(network))
    chosen = watch.chosen()
    return {} if chosen is None else {name: watch.places(chosen, name) for name in watch.calls[chosen]}


def counted_blocks(network: nn.Module, run: Callable[[], Any], depth: int) -> "CountedBlocks | None":
    """How many blocks of each kind a network calls, to be held against a deeper one's; None where there is nothing to
    ask: one chain as long as the depth says, and nothing beside it that could be one elsewhere.

    Args:
        run: passes a batch through the network.
        depth: what the network's family calls its depth.
    """
    watch = _watched(network, run, _kinds(network))
    found = watch.chosen()
    settled = found is not None and len(watch.calls[found]) == depth and not watch.beside(found)
    return None if settled else CountedBlocks(watch)


class CountedBlocks:
    """The kinds of blocks of one network. Kinds are told by name: a class that is made inside of a function is another
    one at each call."""

    def __init__(self, watch: "_Watch") -> None:
        self._watch = watch
        self.calls: Counter[Named] = Counter()
        """Kind -> how many calls."""
        for kind, names in watch.calls.items():
            self.calls[_by_name(kind)] += len(names)

    def more_in(self, deeper: nn.Module, run: Callable[[], Any]) -> frozenset[Named]:
        """The kinds of the outermost chains of a deeper network that are longer there than here: those that the depth
        counts. An encoder and its decoder are two; a stem of some layers is none, however short the rest is here."""
        watch = _watched(deeper, run, _kinds(deeper))
        longer = [kind for kind in watch.chains() if len(watch.calls[kind]) > self.calls[_by_name(kind)]]
        return frozenset(_by_name(watch.inner(kind, longer)) for kind in watch.outer(longer))

    def names(self, kinds: frozenset[Named]) -> tuple[str, ...]:
        """The blocks of some kinds in the order of their first calls, none of them inside of another one."""
        called = [name for name in self._watch.order if _by_name(self._watch.kind_of[name]) in kinds]
        return tuple(name for name in called if not any(name.startswith(f"{outer}.") for outer in called))


def block_places(network: nn.Module, run: Callable[[], Any], names: Sequence[str]) -> dict[str, frozenset[str]]:
    """Of blocks that are known by name, the places as of `repeated_blocks`. Of one that none of its kind follows: of
    several tensors the first that the block itself has made."""
    kinds = {kind: [name for name in members if name in names] for kind, members in _kinds(network).items()}
    watch = _watched(network, run, kinds)
    return {name: watch.places(watch.kind_of[name], name) for name in names}


def _kinds(network: nn.Module) -> dict[Kind, list[str]]:
    kinds: dict[Kind, list[str]] = {}
    for name, module in network.named_modules():
        kind = _kind(name, module)
        if kind is not None:
            kinds.setdefault(kind, []).append(name)
    return kinds


def _watched(network: nn.Module, run: Callable[[], Any], kinds: Mapping[Kind, Sequence[str]]) -> "_Watch":
    watch = _Watch(kinds)
    handles: list[Any] = []
    if not kinds:
        return watch
    try:
        for kind, names in kinds.items():
            for name in names:
                handles += watch.hooks(kind, name, network.get_submodule(name))
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    return watch


def first_tensor(value: Any) -> Tensor | None:
    """The first tensor in arguments or outputs of any nesting."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return next((found for found in map(first_tensor, value) if found is not None), None)
    return None


def _kind(name: str, module: nn.Module) -> Kind | None:
    """None for what is no block: the network, a list, what owns no weight, a leaf of torch's that is not recurrent."""
    if not name or "parametrizations" in name.split(".") or isinstance(module, CONTAINERS):
        return None
    children = list(module.children())
    own = class_of(module)  # a parametrised module has a class of its own
    is_block = children or isinstance(module, nn.RNNBase) or own.__module__.partition(".")[0] != "torch"
    if not is_block or next(module.parameters(), None) is None:
        return None
    inner = tuple(class_of(child) for child in children) if own is nn.Sequential else ()
    return (own, inner)


def _by_name(kind: Kind) -> Named:
    own, inner = kind
    return tuple((one.__module__, one.__qualname__) for one in (own, *inner))


class _Watch:
    """What one pass shows of the kinds."""

    def __init__(self, kinds: Mapping[Kind, Sequence[str]]) -> None:
        self.kinds = kinds
        self.kind_of = {name: kind for kind, names in kinds.items() for name in names}
        self.order: dict[str, None] = {}
        """The blocks that were called, by their first calls."""
        self.calls: dict[Kind, list[str]] = {kind: [] for kind in kinds}
        self.links: Counter[Kind] = Counter()
        """How many calls had the output of the call before, of the same kind, among their arguments: `layer(graph, x)`
        has it behind others."""
        self.ends: Counter[tuple[Kind, Kind]] = Counter()
        """How many calls of a kind gave out what one of another kind inside had given: the first is a stage then."""
        self.latest: dict[Kind, tuple[Tensor, int]] = {}
        """The last output, and how often it had been changed in place by then: a residual block may add to it."""
        self.stream: dict[Kind, int] = {}
        """The first tensor of the last output that the block itself has made; `given` holds it."""
        self.given: dict[Kind, list[tuple[str, Tensor]]] = {}
        """All tensors of the last output."""
        self.taken: dict[Kind, set[str]] = {kind: set() for kind in kinds}
        """Places of tensors that the next call took."""
        self.made: defaultdict[str, dict[str, None]] = defaultdict(dict)
        """Block -> in order, places of tensors that it was not given as they are."""
        self.entering: dict[str, dict[int, int]] = {}
        """Block -> of each tensor that it was given, how often it had been changed in place by then."""

    def hooks(self, kind: Kind, name: str, module: nn.Module) -> list[Any]:
        def before(module: nn.Module, arguments: Any, keywords: Any) -> None:
            given = first_tensor((arguments, keywords))
            taken = {id(tensor): changes_in_place(tensor) for _, tensor in tensors_in((arguments, keywords))}
            self.taken[kind] |= {place for place, tensor in self.given.get(kind, ()) if id(tensor) in taken}
            self.entering[name] = taken
            handed = self.latest[kind][0] if kind in self.latest else None
            self.links[kind] += handed is not None and (handed is given or self.stream[kind] in taken)
            self.calls[kind].append(name)
            self.order.setdefault(name)

        def after(module: nn.Module, arguments: Any, output: Any) -> None:
            entered = self.entering.pop(name, {})
            self.given[kind] = given = tensors_in(output)
            made = [place for place, tensor in given if entered.get(id(tensor)) != changes_in_place(tensor)]
            self.made[name] |= dict.fromkeys(made)
            found = first_tensor(output)
            if found is None:
                return
            for other, (tensor, version) in self.latest.items():
                inside = other != kind and self.calls[other][-1].startswith(f"{name}.")
                self.ends[kind, other] += inside and tensor is found and version == changes_in_place(found)
            self.latest[kind] = found, changes_in_place(found)
            self.stream[kind] = next((id(tensor) for place, tensor in given if place in made), id(found))

        return [
            module.register_forward_pre_hook(before, with_kwargs=True),
            module.register_forward_hook(after),
        ]

    def places(self, kind: Kind, name: str) -> frozenset[str]:
        """Of a block's hidden representations in its output."""
        made, taken = self.made[name], self.taken[kind]
        return frozenset(made.keys() & taken or taken or list(made)[:1])

    def chains(self) -> list[Kind]:
        return [kind for kind, calls in self.calls.items() if self.links[kind] >= max(1, (len(calls) - 1) / 2)]

    def outer(self, chains: Sequence[Kind]) -> list[Kind]:
        """Those that lie in no other one."""
        return [kind for kind in chains if not any(self._inside(kind, other) for other in chains if other != kind)]

    def inner(self, found: Kind, chains: Sequence[Kind]) -> Kind:
        """The chain that an outer one only groups: of stages, their blocks; else itself."""
        while True:
            stages = len(self.calls[found])
            inner = [
                kind
                for kind in chains
                if self._inside(kind, found) and self.ends[found, kind] > stages / 2 and len(self.calls[kind]) > stages
            ]
            if not inner:
                return found
            found = max(inner, key=lambda kind: -sum(self._inside(kind, other) for other in inner))

    def chosen(self) -> Kind | None:
        chains = self.chains()
        outer = self.outer(chains)
        return self.inner(max(outer, key=lambda kind: len(self.calls[kind])), chains) if outer else None

    def beside(self, found: Kind) -> bool:
        """Whether a block of another kind is called that neither holds blocks of this one nor lies in one."""
        others = (kind for kind, calls in self.calls.items() if calls and kind != found)
        return any(not self._inside(kind, found) and not self._inside(found, kind) for kind in others)

    def _inside(self, kind: Kind, other: Kind) -> bool:
        """Whether most blocks of a kind lie in blocks of another one."""
        names = self.kinds[kind]
        within = sum(any(name.startswith(f"{outer}.") for outer in self.kinds[other]) for name in names)
        return within > len(names) / 2
