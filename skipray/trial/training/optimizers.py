"""The recipe's optimizer: SGD of our own, or any other of torch.optim or the user's, under one interface.

State goes to a checkpoint and back without loss: tensors as they are, in their parameters' memory format, and every
other value in a JSON text that keeps each bit of a float.
"""

import inspect
import json
import numbers
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import nn

from skipray.extension import catalog
from skipray.spec import Recipe
from skipray.spec.optimizers import WITHOUT_DECAY, takes
from skipray.spec.values import arguments
from skipray.trial.training.as_data import packed, unpacked
from skipray.trial.training.optimizer_attributes import OptimizerAttributes, lost
from skipray.trial.training.sgd import SGD
from skipray.trial.training.weights import is_decayed

STATE = "optimizer/"
"""What the names of an optimizer's tensors in a checkpoint begin with."""
REST, ATTRIBUTES = "optimizer.rest", "optimizer.attributes/"
FUSED = ("adam", "adamw")
"""What has one kernel for a whole step on every device."""
PARTNER = "adamw"
"""Trains what Muon does not, which takes matrices only (Jordan et al. 2024; torch.optim.Muon's own advice)."""


class Optimizer(Protocol):
    """One step of a recipe."""

    closed: bool
    """Whether a step evaluates the loss again, by a closure, as LBFGS does, and one of the user's whose `step` asks."""

    def zero_grad(self) -> None: ...

    def step(self, learning_rate: float, closure: Callable[[], torch.Tensor] | None = None) -> None: ...

    def tensors(self) -> dict[str, torch.Tensor]:
        """The state, for a checkpoint."""
        ...

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Put back what `tensors` gave."""
        ...

    def refused(self, tensors: Mapping[str, torch.Tensor]) -> str:
        """Why these cannot be put back; empty where they can."""
        ...

    def given(self) -> set[int]:
        """Ids of the parameters that it has, whether or not they need gradients now."""
        ...


def make_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """The optimizer of a recipe over a network's trainable parameters.

    Raises:
        ValueError: it refuses its arguments or these parameters; says what it said.
    """
    return SGD(network, recipe) if recipe.optimizer is None else TorchOptimizer(network, recipe)


class TorchOptimizer:
    """Optimizers with torch.optim's interface."""

    def __init__(self, network: nn.Module, recipe: Recipe):
        assert recipe.optimizer is not None
        self.name = recipe.optimizer["name"]
        # What needs no gradient yet is passed over by each of torch's, but for LBFGS, to which all are one vector.
        waits = ":" not in self.name and self.name != "lbfgs"
        trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad or waits]
        parts = [(self.name, arguments(recipe.optimizer), trained)]
        if self.name == "muon":
            is_matrix = {name: p.ndim == 2 and is_decayed(network, name, p) for name, p in trained}
            matrices = [(name, p) for name, p in trained if is_matrix[name]]
            others = [(name, p) for name, p in trained if not is_matrix[name]]
            parts = [(self.name, parts[0][1], matrices), (PARTNER, {}, others)]
        self.parts = [_made(network, recipe, *part) for part in parts if part[2]]
        self.closed = self.name == "lbfgs" or any(map(_needs_closure, self.parts))
        self.attributes = [OptimizerAttributes(network, part) for part in self.parts if ":" in self.name]
        """Of one of the user's own."""
        self.peak = recipe.learning_rate
        self.own_rates = [[_own_rate(group, self.peak) for group in part.param_groups] for part in self.parts]
        """As they were made, so that a state that is put back does not change what follows from them."""

    def given(self) -> set[int]:
        return {id(p) for part in self.parts for group in part.param_groups for p in group["params"]}

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self, learning_rate: float, closure: Callable[[], torch.Tensor] | None = None) -> None:
        for part, rates in zip(self.parts, self.own_rates, strict=True):
            for i, group in enumerate(part.param_groups):
                rate = rates[i] if i < len(rates) else None  # one that the user's own has added since
                group["lr"] = learning_rate if rate is None else rate * (learning_rate / self.peak)
            if self.closed and closure is not None:
                part.step(closure)  # type: ignore[arg-type]
            else:
                part.step()

    def tensors(self) -> dict[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = {}
        rest = [_taken_apart(part.state_dict(), f"{STATE}{i}", found) for i, part in enumerate(self.parts)]
        found[REST] = torch.frombuffer(bytearray(json.dumps(rest).encode()), dtype=torch.uint8)
        for i, own in enumerate(self.attributes):
            if held := packed(own.changed()):
                found[f"{ATTRIBUTES}{i}"] = torch.frombuffer(bytearray(held), dtype=torch.uint8)
        return found

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        rest = json.loads(tensors[REST].numpy().tobytes())
        for part, values in zip(self.parts, rest, strict=True):
            state = _put_together(values, tensors)
            parameters = [p for group in part.param_groups for p in group["params"]]
            for index, kept in state["state"].items():
                _lay_out(kept, parameters[index])
            part.load_state_dict(state)
        for i, own in enumerate(self.attributes):
            own.put(_attributes(i, tensors))

    def refused(self, tensors: Mapping[str, torch.Tensor]) -> str:
        try:
            return next(filter(None, (lost(_attributes(i, tensors)) for i in range(len(self.attributes)))), "")
        except ValueError as error:
            return f"found attributes of the optimizer that cannot be read: {error}"


def _needs_closure(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a step of it cannot be asked for without one."""
    taken = list(inspect.signature(optimizer.step).parameters.values())
    return bool(taken) and taken[0].default is taken[0].empty and taken[0].kind is taken[0].POSITIONAL_OR_KEYWORD


def _attributes(part: int, tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    held = tensors.get(f"{ATTRIBUTES}{part}")
    return {} if held is None else unpacked(held.numpy().tobytes())


def optimizer_class(name: str) -> Any:
    """The class of a name: torch.optim's, whatever its capitals, or a user's own; None where there is none."""
    if ":" in name:
        return catalog.find("optimizers", name)
    return next((cls for key, cls in vars(torch.optim).items() if key.lower() == name and isinstance(cls, type)), None)


def refusal(recipe: Recipe) -> str | None:
    """What the recipe's optimizer itself says against its arguments (`betas` above 1), before any network is made."""
    if recipe.optimizer is None:
        return None
    try:
        make_optimizer(nn.Linear(2, 2), recipe)
    except ValueError as error:
        return str(error)
    return None


def _made(
    network: nn.Module, recipe: Recipe, name: str, options: dict[str, Any], trained: list[tuple[str, nn.Parameter]]
) -> torch.optim.Optimizer:
    cls = optimizer_class(name)
    if cls is None:
        raise ValueError(f"found {name!r}, which torch {torch.__version__} does not have; allowed: a newer torch")
    if name == "sgd":
        options = options | {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
    if name in FUSED:
        options = options | {"fused": True}
    decay = {} if name in WITHOUT_DECAY else {"weight_decay": recipe.weight_decay}
    takes_decay = takes(cls, "weight_decay") if ":" in name and not recipe.weight_decay else True
    if takes_decay is False:
        decay = {}
    parameters: Any = [p for _, p in trained]
    if recipe.weight_decay_on == "weights" and decay:
        decayed = [p for key, p in trained if is_decayed(network, key, p)]
        spared = [p for key, p in trained if not is_decayed(network, key, p)]
        groups = [{"params": decayed, **decay}, {"params": spared, "weight_decay": 0.0}]
        parameters, decay = [group for group in groups if group["params"]], {}
    options = options | {"lr": recipe.learning_rate}
    try:
        return _called(cls, parameters, options, decay, may_refuse=takes_decay is None)
    except Exception as error:
        raise ValueError(f"{name} refuses its arguments: {type(error).__name__}: {error}") from error


def _called(
    cls: Any, parameters: Any, options: dict[str, Any], decay: dict[str, float], *, may_refuse: bool
) -> torch.optim.Optimizer:
    """The optimizer; without `decay` where it `may_refuse` that, which its signature does not say, and does."""
    made: torch.optim.Optimizer
    try:
        made = cls(parameters, **options, **decay)
    except TypeError as error:
        if not (may_refuse and decay and "'weight_decay'" in str(error)):
            raise
        made = cls(parameters, **options)
    return made


def _own_rate(group: Mapping[str, Any], rate: float) -> float | None:
    """The learning rate of a group that was made with another than the recipe's; None of any other group."""
    given = group.get("lr")
    if isinstance(given, torch.Tensor) and given.numel() == 1:
        return None if bool(given == given.new_tensor(rate)) else float(given)
    if not isinstance(given, numbers.Real) or isinstance(given, bool) or given == rate:
        return None
    return float(given)


def _taken_apart(value: Any, name: str, found: dict[str, torch.Tensor]) -> Any:
    """A state with its tensors put into `found` and named in their place; mappings as lists of pairs, for their keys
    may be numbers."""
    if isinstance(value, torch.Tensor):
        found[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"pairs": [[key, _taken_apart(inner, f"{name}/{key}", found)] for key, inner in value.items()]}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_taken_apart(inner, f"{name}/{i}", found) for i, inner in enumerate(value)]}
    return value


def _put_together(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """What `_taken_apart` took apart."""
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    if kind == "tensor":
        return tensors[inner]
    if kind == "pairs":
        return {key: _put_together(item, tensors) for key, item in inner}
    items = [_put_together(item, tensors) for item in inner]
    return tuple(items) if kind == "tuple" else items


def _lay_out(state: Any, parameter: torch.Tensor) -> None:
    """Tensors of a parameter's shape in its memory format, as the optimizer itself makes them."""
    if not isinstance(state, dict):
        return
    for key, value in state.items():
        if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
            state[key] = torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value).detach()
