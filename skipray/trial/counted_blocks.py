"""The blocks that a family of one's own counts as its depth, where a network's structure alone does not tell them.

Blocks are found where one's output is the next one's input, the longest such chain. A network of one block has none,
one whose stem is longer than the rest has another, an encoder and its decoder are two: a depth series needs the same
places at every depth. A deeper network of the family shows them: the chains that are longer there.
"""

from collections.abc import Callable

from torch import Tensor, nn

from skipray import architectures
from skipray.extension import as_launched
from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.modes import evaluation_mode
from skipray.metrics.computing.remembered import Remembered
from skipray.probe.batch import Batch
from skipray.probe.blocks import CountedBlocks, counted_blocks
from skipray.probe.layers import declared_layers
from skipray.spec import TrialSpec

FURTHER = 8
"""Depths that are tried: a depth rule may leave some out, and a block may take several layers."""
LARGE, FURTHER_OF_LARGE = 5_000_000, 2
"""Parameters, and how many deeper networks of more are built: one that has as many blocks at every depth costs time."""


def blocks_of_depth(
    trial: TrialSpec, network: nn.Module, samples: Tensor, input_shape: tuple[int, ...], outputs: int
) -> tuple[str, ...]:
    """Names of the network's blocks in the order of a pass; empty where its structure alone tells them.

    Args:
        network: of the trial.
        samples: some of its inputs.
        outputs: scores (or values) that it gives a sample.
    """
    if ":" not in trial.model.architecture or trial.probe.layers or declared_layers(network) is not None:
        return ()
    with as_found(network):  # the random numbers that building draws are the trial's own again
        here = counted_blocks(network, _passed(network, samples), trial.model.depth)
        if here is None:
            return ()
        before = Remembered(nn.Module(), as_launched.modules_of(trial.source_hashes))
        try:
            return _more_deeper(here, trial, network, samples.cpu(), input_shape, outputs)
        finally:
            before.put_back()


def _more_deeper(
    here: CountedBlocks,
    trial: TrialSpec,
    network: nn.Module,
    samples: Tensor,
    input_shape: tuple[int, ...],
    outputs: int,
) -> tuple[str, ...]:
    """By the next deeper network that the family has: one that can be built, takes the samples and has more blocks."""
    left = FURTHER if sum(p.numel() for p in network.parameters()) < LARGE else FURTHER_OF_LARGE
    for more in range(1, FURTHER + 1):
        model = trial.model.model_copy(update={"depth": trial.model.depth + more})
        try:
            deeper = architectures.build(model, input_shape, outputs, seed=trial.seed)
            kinds = here.more_in(deeper, _passed(deeper, samples))
        except (Exception, SystemExit):  # whatever the user's code raises at a depth that it cannot have
            continue
        left -= 1
        if kinds or not left:
            return here.names(kinds)
    return ()


def _passed(network: nn.Module, samples: Tensor) -> Callable[[], None]:
    batch = Batch((samples,), samples=len(samples))

    def run() -> None:
        with evaluation_mode(network):
            batch.passed(network)

    return run
