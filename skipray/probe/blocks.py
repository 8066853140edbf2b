"""The repeated blocks of any network, found by its structure: what a family's depth counts.

Modules of one kind (one class; of plain Sequentials, one sequence of classes) are a chain where the output of one is
the input of the next: residual blocks, encoder blocks. One module that is called again with what it gave is a chain
too: blocks that share their weights. Of several kinds the outermost chain counts, unless it only groups blocks of
another one (a stage): then those do.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations as class_of

from skipray.metrics.computing.outputs import tensors_in
from skipray.torch_private import changes_in_place

CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


def repeated_blocks(network: nn.Module, run: Callable[[], Any]) -> dict[str, frozenset[str]]:
    """Names of the blocks in the order in which they are called, each with the places, in what it gives out, of its
    hidden representations; empty where there is no chain of at least two.

    Of several tensors that is what the block itself has made and the next one takes as it is: no attention weights that
    are given out beside, and no mask that goes through.

    Args:
        run: passes a batch through the network.
    """
    kinds: dict[Hashable, list[str]] = {}
    for name, module in network.named_modules():
        kind = _kind(name, module)
        if kind is not None:
            kinds.setdefault(kind, []).append(name)
    if not kinds:
        return {}
    watch = _watched(network, run, kinds)
    chosen = watch.chosen()
    return {} if chosen is None else {name: watch.places(chosen, name) for name in watch.calls[chosen]}


def lone_places(network: nn.Module, run: Callable[[], Any], names: Sequence[str]) -> dict[str, frozenset[str]]:
    """The same of blocks of which none follows another: of several tensors the first that the block itself has made."""
    watch = _watched(network, run, {"lone": list(names)})
    return {name: watch.places("lone", name) for name in names}


def _watched(network: nn.Module, run: Callable[[], Any], kinds: dict[Hashable, list[str]]) -> "_Watch":
    watch = _Watch(kinds)
    handles = []
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


def _kind(name: str, module: nn.Module) -> Hashable | None:
    """What blocks of one kind share; None for what is no block: the network, a list, what owns no weight, a leaf
    of torch's that is not recurrent."""
    if not name or "parametrizations" in name.split(".") or isinstance(module, CONTAINERS):
        return None
    children = list(module.children())
    own = class_of(module)  # a parametrised module has a class of its own
    is_block = children or isinstance(module, nn.RNNBase) or own.__module__.partition(".")[0] != "torch"
    if not is_block or next(module.parameters(), None) is None:
        return None
    inner = tuple(class_of(child) for child in children) if own is nn.Sequential else ()
    return (own, inner)


class _Watch:
    """What one pass shows of the kinds."""

    def __init__(self, kinds: dict[Hashable, list[str]]) -> None:
        self.kinds = kinds
        self.calls: dict[Hashable, list[str]] = {kind: [] for kind in kinds}
        self.links: Counter[Hashable] = Counter()
        """How many calls had the output of the call before, of the same kind, among their arguments: `layer(graph, x)`
        has it behind others."""
        self.ends: Counter[tuple[Hashable, Hashable]] = Counter()
        """How many calls of a kind gave out what one of another kind inside had given: the first is a stage then."""
        self.latest: dict[Hashable, tuple[Tensor, int]] = {}
        """The last output, and how often it had been changed in place by then: a residual block may add to it."""
        self.stream: dict[Hashable, int] = {}
        """The first tensor of the last output that the block itself has made; `given` holds it."""
        self.given: dict[Hashable, list[tuple[str, Tensor]]] = {}
        """All tensors of the last output."""
        self.taken: dict[Hashable, set[str]] = {kind: set() for kind in kinds}
        """Places of tensors that the next call took."""
        self.made: defaultdict[str, dict[str, None]] = defaultdict(dict)
        """Block -> in order, places of tensors that it was not given as they are."""
        self.entering: dict[str, dict[int, int]] = {}
        """Block -> of each tensor that it was given, how often it had been changed in place by then."""

    def hooks(self, kind: Hashable, name: str, module: nn.Module) -> list[Any]:
        def before(module: nn.Module, arguments: Any, keywords: Any) -> None:
            given = first_tensor((arguments, keywords))
            taken = {id(tensor): changes_in_place(tensor) for _, tensor in tensors_in((arguments, keywords))}
            self.taken[kind] |= {place for place, tensor in self.given.get(kind, ()) if id(tensor) in taken}
            self.entering[name] = taken
            handed = self.latest[kind][0] if kind in self.latest else None
            self.links[kind] += handed is not None and (handed is given or self.stream[kind] in taken)
            self.calls[kind].append(name)

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

    def places(self, kind: Hashable, name: str) -> frozenset[str]:
        """Of a block's hidden representations in its output."""
        made, taken = self.made[name], self.taken[kind]
        return frozenset(made.keys() & taken or taken or list(made)[:1])

    def chosen(self) -> Hashable | None:
        chains = [kind for kind, calls in self.calls.items() if self.links[kind] >= max(1, (len(calls) - 1) / 2)]
        outer = [kind for kind in chains if not any(self._inside(kind, other) for other in chains if other != kind)]
        if not outer:
            return None
        found = max(outer, key=lambda kind: len(self.calls[kind]))
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

    def _inside(self, kind: Hashable, other: Hashable) -> bool:
        """Whether most blocks of a kind lie in blocks of another one."""
        names = self.kinds[kind]
        within = sum(any(name.startswith(f"{outer}.") for outer in self.kinds[other]) for name in names)
        return within > len(names) / 2
