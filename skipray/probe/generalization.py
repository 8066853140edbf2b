"""The network metrics of a finished trial, under their MLflow keys."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from skipray.metrics import Absent, NetworkMetric
from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.modes import evaluation_mode
from skipray.metrics.computing.network import TrainedNetwork
from skipray.metrics.computing.own import of_network
from skipray.probe import asked_for, layers_of
from skipray.probe.batch import Batch
from skipray.probe.layers import declared_layers
from skipray.probe.weights import weight_layers
from skipray.spec import ProbeSpec


def initial_weights(network: nn.Module) -> dict[str, Tensor]:
    """A copy of every weight that the probe measures, as it acts in evaluation mode, by its parameter's name; the
    network stays as found, though a parametrization may change its buffers at each look (spectral norm)."""
    with as_found(network), evaluation_mode(network), torch.no_grad():
        return {layer.name: layer.weight().clone() for layer in weight_layers(network)}


def learned_weights(network: nn.Module) -> dict[str, Tensor]:
    """A copy of every weight that updates are of, by its name: of a parametrised one what acts in evaluation mode. The
    network stays as found."""
    with as_found(network), evaluation_mode(network), torch.no_grad():
        return {layer.name: layer.learned.detach().clone() for layer in weight_layers(network)}


def generalization_measures(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    initial: Mapping[str, Tensor] | None = None,
    spec: ProbeSpec | None = None,
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    seed: int = 0,
    lone: Sequence[str] = (),
    trained: bool = True,
) -> dict[str, float]:
    """Every network metric that is asked for, on one batch in evaluation mode; finite ones only, since an absent value
    is not sent.

    Args:
        inputs: (samples, ...), the fixed probe batch.
        labels: (samples,).
        initial: `initial_weights` of the network before training, for the distances; without them these are absent.
        spec: says what is asked for.
        loss: of scores and labels, the mean over the samples.
        seed: of the noise that flatness, neighbours, Lanczos and Hutchinson draw.
        lone: names of the blocks, where there are too few to be found by structure.
        trained: if not, only what says something of a network at initialisation, normalizations with the batch's own
            statistics, since the running ones are still the identity.
    """
    out: dict[str, float] = {}
    with as_found(network), evaluation_mode(network, batch_statistics=not trained):
        with torch.no_grad():
            scores = network(inputs)
        if not bool(scores.isfinite().all()):
            return {}
        batch = Batch((inputs,), samples=len(inputs))
        settings = ProbeSpec() if spec is None else spec
        places = layers_of(network, batch, settings.layers, lone)
        layers = weight_layers(network, places)
        start = None if initial is None else [initial[layer.name] for layer in layers]
        weights, declared = [layer.weight() for layer in layers], declared_layers(network)
        hidden = declared.hidden if declared is not None and declared.declared else None
        measured = TrainedNetwork(
            network, inputs, labels, scores, weights, start, hidden, loss, seed,
            representations=[layer.output for layer in places.hidden], weight_names=[layer.name for layer in layers],
            places=places.places,
        )  # fmt: skip
        has_classes = scores.ndim == 2 and labels.ndim == 1 and not labels.is_floating_point()
        for entry in asked_for(settings):
            if (
                isinstance(entry.metric, NetworkMetric)
                and (has_classes or not entry.metric.needs_classes)
                and (trained or entry.metric.at_initialisation)
            ):
                try:
                    out |= of_network(entry, measured)
                except Absent:
                    continue
    return {key: value for key, value in out.items() if math.isfinite(value)}
