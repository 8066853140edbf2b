"""A trial's network with given weights, and the batch that it is measured on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from skipray.spec import TrialSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn


@dataclass(frozen=True)
class RestoredNetwork:
    """A network as its trial has left it."""

    network: nn.Module
    initial: Mapping[str, Tensor]
    """`initial_weights` of it."""
    inputs: Tensor
    """The fixed probe batch, (samples, ...)."""
    labels: Tensor
    lone: tuple[str, ...]
    """Names of its blocks, where there are too few to be found by structure."""


def restored(trial: TrialSpec, weights: bytes | None, data_root: str | None) -> RestoredNetwork:
    """Builds the network and reads the batch; within `skipray.trial.numerics`.

    Args:
        weights: a safetensors file, as the trial has left it; None for the network as it was initialised.

    Raises:
        ValueError: the weights are damaged or another network's.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    from skipray import architectures
    from skipray.datasets import open_dataset, shape_and_classes
    from skipray.probe.generalization import initial_weights
    from skipray.trial.lone_block import lone_blocks
    from skipray.trial.training import to_device
    from skipray.trial.training.rest import Rest
    from skipray.trial.training.state import CheckpointRefused, metadata, put_tensors

    device = torch.device(trial.resources.device)
    splits = open_dataset(trial.dataset, trial.fingerprint, data_root).to(device)
    shape, classes = shape_and_classes(trial.dataset)
    network = to_device(architectures.build(trial.model, shape, classes, seed=trial.seed), device)
    initial = initial_weights(network)
    try:
        if weights is not None:
            tensors, rest = load(weights), Rest(network)
            remembered = rest.read_text(metadata(weights).get("skipray", "").partition(" ")[2])
            put_tensors(network, tensors)
            rest.put(remembered)
    except (SafetensorError, CheckpointRefused, RuntimeError) as error:
        raise ValueError(f"the weights of {trial.label} cannot be used: {error}") from None
    inputs, labels = splits.probe_batch(trial.probe.samples)
    lone = lone_blocks(trial, network, inputs[:2], shape, classes)
    return RestoredNetwork(network, initial, inputs, labels, lone)
