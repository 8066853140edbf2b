"""A trial's network with given weights, and the batch that it is measured on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    counted: tuple[str, ...]
    """Names of its blocks, where the structure alone does not tell them."""


@contextmanager
def restored(trial: TrialSpec, weights: bytes | None, data_root: str | None) -> Iterator[RestoredNetwork]:
    """Builds the network and reads the batch; within `skipray.trial.numerics`. What the user's modules and classes keep
    is the trial's inside, and as before afterwards.

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
    from skipray.extension import as_launched
    from skipray.metrics.computing.remembered import Remembered
    from skipray.probe.generalization import initial_weights
    from skipray.trial.counted_blocks import blocks_of_depth
    from skipray.trial.training import to_device
    from skipray.trial.training.rest import Rest
    from skipray.trial.training.state import CheckpointRefused, metadata, put_tensors

    device = torch.device(trial.resources.device)
    splits = open_dataset(trial.dataset, trial.fingerprint, data_root).to(device)
    shape, classes = shape_and_classes(trial.dataset)
    modules = as_launched.modules_of(trial.source_hashes)
    before = Remembered(torch.nn.Module(), modules)
    try:
        network = to_device(architectures.build(trial.model, shape, classes, seed=trial.seed), device)
        rest, initial = Rest(network, modules=modules), initial_weights(network)
        try:
            if weights is not None:
                tensors = load(weights)
                remembered = rest.read_text(metadata(weights).get("skipray", "").partition(" ")[2])
                put_tensors(network, tensors)
                rest.put(remembered)
        except (SafetensorError, CheckpointRefused, RuntimeError) as error:
            raise ValueError(f"the weights of {trial.label} cannot be used: {error}") from None
        inputs, labels = splits.probe_batch(trial.probe.samples)
        counted = blocks_of_depth(trial, network, inputs[:2], shape, classes)
        try:
            yield RestoredNetwork(network, initial, inputs, labels, counted)
        finally:
            rest.as_built.put_back()
    finally:
        before.put_back()
