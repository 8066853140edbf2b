"""The only block of a network of one's own, which its structure does not show: a deeper network of the family does.

Blocks are found where one's output is the next one's input. A network of one block has no next one, and would be
measured at other places than the deeper ones of its family: a depth series needs the same place at every depth.
"""

from collections.abc import Hashable

from torch import Tensor, nn

from skipray import architectures
from skipray.metrics.computing.as_found import as_found
from skipray.probe import layers_of
from skipray.probe.batch import Batch
from skipray.probe.layers import Layers, declared_layers
from skipray.spec import TrialSpec

FURTHER = 8
"""Depths that are tried: a depth rule may leave some out."""


def lone_blocks(
    trial: TrialSpec, network: nn.Module, samples: Tensor, input_shape: tuple[int, ...], outputs: int
) -> tuple[str, ...]:
    """Names of the network's blocks, where there are too few to be found by structure; else empty.

    Args:
        network: of the trial.
        samples: some of its inputs.
        outputs: scores (or values) that it gives a sample.
    """
    if ":" not in trial.model.architecture or trial.probe.layers or declared_layers(network) is not None:
        return ()
    if not layers_of(network, Batch((samples,), samples=len(samples))).whole:
        return ()
    with as_found(network):  # the random numbers that building draws are the trial's own again
        theirs = _deeper_layers(trial, Batch((samples.cpu(),), samples=len(samples)), input_shape, outputs)
        if theirs is None:
            return ()
    kinds = set() if theirs.whole else {_kind(layer.output) for layer in theirs.hidden}
    found: list[str] = []
    for name, module in network.named_modules():
        if name and _kind(module) in kinds and not any(name.startswith(f"{outer}.") for outer in found):
            found.append(name)
    return tuple(found)


def _deeper_layers(trial: TrialSpec, batch: Batch, input_shape: tuple[int, ...], outputs: int) -> Layers | None:
    """Those of the next deeper network that the family has: one that can be built and takes the samples."""
    for more in range(1, FURTHER + 1):
        model = trial.model.model_copy(update={"depth": trial.model.depth + more})
        try:
            return layers_of(architectures.build(model, input_shape, outputs, seed=trial.seed), batch)
        except (Exception, SystemExit):  # whatever the user's code raises at a depth that it cannot have
            continue
    return None


def _kind(module: nn.Module) -> Hashable:
    """A class by its name: one that is made inside of a function is another at each call."""
    kind = type(module)
    inner = tuple(type(child).__qualname__ for child in module.children()) if kind is nn.Sequential else ()
    return kind.__module__, kind.__qualname__, inner
