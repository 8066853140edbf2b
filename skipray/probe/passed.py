"""What one pass of a network shows: which modules it calls, in which order, and which parameters it uses."""

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from skipray.architectures import HiddenLayer
from skipray.metrics.computing.hooked_weights import acting_tensors
from skipray.metrics.computing.outputs import tensors_at


@dataclass(frozen=True)
class WatchedPass:
    """One pass of a network."""

    calls: tuple[tuple[nn.Module, int], ...]
    """The modules in the order in which their calls ended, each with how many tensors to measure it gave."""
    uses: Mapping[str, int]
    """Parameter, of a module that was not called -> how many calls had ended when it was first used."""

    def gives(self, module: nn.Module) -> int:
        """How many tensors to measure a module gave, in all of its calls."""
        return sum(count for called, count in self.calls if called is module)

    def called(self, modules: Sequence[nn.Module]) -> int:
        """How many calls of these modules gave tensors to measure."""
        wanted = set(map(id, modules))
        return sum(id(module) in wanted and count > 0 for module, count in self.calls)

    def indexed(
        self, network: nn.Module, names: Sequence[str], hidden: Sequence[HiddenLayer], *, declared: bool
    ) -> list[tuple[int, str]]:
        """The weights that the pass used, in its order, each with its layer's index.

        That is the index of the first hidden tensor behind the end of the first call of the module that has the weight;
        behind the last one their number. Of a module that was not called, as a weight in a ParameterList, its first use
        counts.

        Args:
            names: of the parameters.
            declared: whether hidden representations have their places as indices, and not the order of the calls.
        """
        first: dict[int, int] = {}
        for end, (module, _) in enumerate(self.calls):
            first.setdefault(id(module), end)
        places = self._places(hidden, declared=declared)
        uses = list(self.uses)
        found: list[tuple[int, int, str]] = []
        for name in names:
            module = network.get_submodule(name.rpartition(".")[0])
            if id(module) in first:
                found.append((first[id(module)], len(uses), name))
            elif name in self.uses:  # before the call that ended next
                found.append((self.uses[name], uses.index(name), name))
        return [(places[position], name) for position, _, name in sorted(found, key=lambda one: one[:2])]

    def _places(self, hidden: Sequence[HiddenLayer], *, declared: bool) -> list[int]:
        """Of each call, and of behind the last, the index of the first hidden tensor there or later."""
        index = {id(layer.output): i for i, layer in enumerate(hidden)}
        seen, starts = 0, []
        for module, count in self.calls:
            known = id(module) in index and count > 0
            starts.append((index[id(module)] if declared else seen) if known else None)
            seen += count if known else 0
        following = len(hidden) if declared else seen
        places = [following]
        for start in reversed(starts):
            following = following if start is None else start
            places.append(following)
        return places[::-1]


def watched_pass(
    network: nn.Module, run: Callable[[], Any], places: Mapping[nn.Module, Container[str]] | None = None
) -> WatchedPass:
    """Passes a batch through the network, twice where some of its weights lie in modules that are not called.

    Args:
        run: passes the batch.
        places: module -> which of the tensors that it gives out are measured, where these are not all.
    """
    places = places or {}
    with torch.no_grad(), parametrize.cached():
        calls = _calls(network, run, places)
        called = {id(module) for module, _ in calls}
        inside = ((path, module, name) for path, module, name in acting_tensors(network) if id(module) not in called)
        apart = {path: tensor for path, module, name in inside if (tensor := getattr(module, name)).ndim >= 2}
        uses: dict[str, int] = {}
        if apart:
            calls = _calls(network, run, places, lambda calls: _Uses(apart, uses, calls))
    return WatchedPass(tuple(calls), uses)


def _calls(
    network: nn.Module,
    run: Callable[[], Any],
    places: Mapping[nn.Module, Container[str]],
    within: Callable[[list[tuple[nn.Module, int]]], AbstractContextManager[Any]] = lambda calls: nullcontext(),
) -> list[tuple[nn.Module, int]]:
    calls: list[tuple[nn.Module, int]] = []

    def after(module: nn.Module, arguments: Any, output: Any) -> None:
        calls.append((module, len(tensors_at(output, places.get(module)))))

    handles = [module.register_forward_hook(after) for module in network.modules()]
    try:
        with within(calls):
            run()
    finally:
        for handle in handles:
            handle.remove()
    return calls


class _Uses(TorchFunctionMode):
    """Notes when functions of torch are first given certain tensors."""

    def __init__(self, tensors: Mapping[str, Tensor], uses: dict[str, int], calls: Sequence[Any]) -> None:
        super().__init__()
        self.names: dict[int, list[str]] = {}
        for name, tensor in tensors.items():
            self.names.setdefault(id(tensor), []).append(name)
        self.uses, self.calls = uses, calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._note((args, kwargs))
        return func(*args, **(kwargs or {}))

    def _note(self, value: Any) -> None:
        if isinstance(value, Tensor):
            for name in self.names.get(id(value), ()):
                self.uses.setdefault(name, len(self.calls))
        elif isinstance(value, Mapping):
            self._note(list(value.values()))
        elif isinstance(value, tuple | list):
            for inner in value:
                self._note(inner)
