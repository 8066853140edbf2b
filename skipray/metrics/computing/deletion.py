"""What a network loses with one block (claim C10)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.same_draws import same_draws


@dataclass(frozen=True)
class Deletion:
    """One block deleted."""

    layer: str
    output_change: float
    """Frobenius norm of the change of the logits, relative to that of the logits."""
    accuracy_change: float
    """Accuracy without the block less accuracy with it."""


def block_deletion(
    network: nn.Module, inputs: Tensor, labels: Tensor, layers: Sequence[Any], *, seed: int
) -> list[Deletion]:
    """Each block deleted in turn (Veit, Wilber and Belongie 2016, section 4.1).

    A residual block loses its branch, so that its skip is what is left. A plain block is replaced by the identity; one
    that changes the shape cannot be, and is left out, as are the stem, blocks that give out several tensors, and those
    that are not called. Measured in the mode that the network is in.

    Args:
        layers: skipray.architectures.HiddenLayer, from input to output, as the network names them.
        seed: of what the network draws, the same in every pass.
    """
    with as_found(network), torch.no_grad():
        with same_draws(inputs.device, seed):
            whole = network(inputs)
        found = []
        previous: nn.Module | None = None
        for layer in layers:
            if previous is not None:
                with same_draws(inputs.device, seed):
                    logits = _without(network, inputs, layer, previous)
                if logits is not None:
                    found.append(_compare(layer.name, logits, whole, labels))
            previous = layer.output
    return found


def _without(network: nn.Module, inputs: Tensor, layer: Any, previous: nn.Module) -> Tensor | None:
    handles = []
    seen: dict[str, Tensor] = {}
    fits = False

    def keep(module: nn.Module, arguments: Any, output: Tensor) -> None:
        seen["input"] = output

    def replace(module: nn.Module, arguments: Any, output: Tensor) -> Tensor:
        nonlocal fits
        before = seen.get("input")
        fits = isinstance(before, Tensor) and isinstance(output, Tensor) and before.shape == output.shape
        return before if fits and before is not None else output

    def silence(module: nn.Module, arguments: Any, output: Tensor) -> Tensor:
        nonlocal fits
        fits = isinstance(output, Tensor)
        return torch.zeros_like(output) if fits else output

    hooks: list[tuple[nn.Module, Callable[..., Any]]] = [(layer.branch, silence)]
    if layer.branch is None:
        hooks = [(previous, keep), (layer.output, replace)]
    try:
        handles = [module.register_forward_hook(hook) for module, hook in hooks]
        logits: Tensor = network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return logits if fits else None


def _compare(name: str, logits: Tensor, whole: Tensor, labels: Tensor) -> Deletion:
    change = float((logits - whole).double().norm() / whole.double().norm())
    accuracy = [(scores.argmax(1) == labels).double().mean() for scores in (logits, whole)]
    return Deletion(name, change, float(accuracy[0] - accuracy[1]))
