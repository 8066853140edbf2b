"""Several blocks deleted or in another order, many times over."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from skipray.metrics import Absent
from skipray.metrics.computing.network import TrainedNetwork
from skipray.metrics.computing.same_draws import same_draws

Places = dict[nn.Module, Callable[[Tensor], Tensor]]
"""Block -> what is done to its input in its place."""


def lesion(network: TrainedNetwork, kind: str, *, share: float = 0.25, draws: int = 10) -> float:
    """Accuracy with a random share of the blocks deleted or reordered, less that of the whole network; mean of draws.

    A residual block that is deleted leaves its skip, a plain one its input. Blocks that change their input's shape
    stay where they are (Veit, Wilber and Belongie 2016, section 4.2). A network that draws draws the same
    in every pass.

    Args:
        kind: deleted, or reordered: the chosen blocks are shuffled among their places, none of them stays.

    Raises:
        Absent: fewer than four blocks that keep their input's shape.
    """
    blocks = _same_shape(network)
    if len(blocks) < 4:
        raise Absent("fewer than four blocks that keep their input's shape")
    count = max(2, round(share * len(blocks)))
    generator = torch.Generator().manual_seed(network.seed)
    whole = _accuracy(network, _scores(network, {}))
    found = []
    for _ in range(draws):
        chosen = [blocks[i] for i in torch.randperm(len(blocks), generator=generator)[:count].tolist()]
        scores = _scores(network, _deleted(chosen) if kind == "deleted" else _reordered(chosen))
        found.append(_accuracy(network, scores) - whole)
    return sum(found) / draws


def _deleted(chosen: Sequence[Any]) -> Places:
    return {layer.output: layer.skip or nn.Identity() for layer in chosen}


def _reordered(chosen: Sequence[Any]) -> Places:
    """Each in the place of the next: forward, so that no hook of the place that it comes from is called."""
    return {a.output: b.output.forward for a, b in zip(chosen, [*chosen[1:], chosen[0]], strict=True)}


def _scores(network: TrainedNetwork, places: Places) -> Tensor:
    def instead(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Tensor:
        with same_draws(network.inputs.device, None):  # the place's own draws are made already
            return places[module](given[0])

    return network.watched([module.register_forward_hook(instead) for module in places])


def _accuracy(network: TrainedNetwork, scores: Tensor) -> float:
    return float((scores.argmax(1) == network.labels).double().mean())


def _same_shape(network: TrainedNetwork) -> list[Any]:
    """The blocks whose output has their input's shape, the stem left out."""
    if network.hidden_layers is None:
        raise Absent("the network does not say which its blocks are")
    kept: set[nn.Module] = set()

    def look(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        if len(given) == 1 and isinstance(given[0], Tensor) and given[0].shape == getattr(output, "shape", None):
            kept.add(module)

    network.watched([layer.output.register_forward_hook(look) for layer in network.hidden_layers[1:]])
    return [layer for layer in network.hidden_layers[1:] if layer.output in kept]
