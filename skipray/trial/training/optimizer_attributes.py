"""What an optimizer of the user's keeps in attributes, beside the state that `state_dict` gives: how often it has
stepped, an optimizer that it wraps, generators of random numbers."""

from functools import lru_cache
from typing import Any

import torch
from torch import nn

from skipray.trial.training.as_data import AsData, NotKept, bits

WRAPPED, LOST = "wrapped", "lost"
"""In place of a value: the state of an optimizer; it is of a kind that cannot be kept."""


class OptimizerAttributes:
    """Those of one optimizer, from when it was made."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer):
        self.optimizer = optimizer
        self._data = AsData(network)
        self._made = {name: bits(value) for name, value in self._values().items()}

    def changed(self) -> dict[str, Any]:
        """Name -> what has changed since it was made, as data."""
        return {name: value for name, value in self._values().items() if bits(value) != self._made.get(name)}

    def put(self, found: dict[str, Any]) -> None:
        """Put back what `changed` gave."""
        own = vars(self.optimizer)
        for name, value in found.items():
            if _is(value, WRAPPED):
                own[name].load_state_dict(self._data.decoded(value[1], None))
            else:
                own[name] = self._data.decoded(value, own.get(name))

    def _values(self) -> dict[str, Any]:
        self._data.begin()
        found: dict[str, Any] = {}
        for name, value in vars(self.optimizer).items():
            if name in _of_every_optimizer():
                continue
            try:
                if isinstance(value, torch.optim.Optimizer):
                    found[name] = (WRAPPED, self._data.encoded(value.state_dict(), None))
                else:
                    found[name] = self._data.encoded(value, ("optimizer", name))
            except NotKept as why:
                found[name] = (LOST, str(why))
        self._data.end()
        return found


def lost(found: dict[str, Any]) -> str:
    """What could not be kept, the first of it; empty where all could."""
    odd = [(name, value[1]) for name, value in found.items() if _is(value, LOST)]
    return f"found the optimizer's {odd[0][0]}, a {odd[0][1]}, which cannot be kept" if odd else ""


def _is(value: Any, mark: str) -> bool:
    return isinstance(value, tuple) and value[0] == mark


@lru_cache
def _of_every_optimizer() -> frozenset[str]:
    return frozenset(vars(torch.optim.Optimizer([nn.Parameter(torch.zeros(1))], {})))
