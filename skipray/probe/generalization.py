"""The network metrics of a finished trial, under their MLflow keys."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skipray.metrics import Absent, Entry, NetworkMetric
from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.modes import evaluation_mode
from skipray.metrics.computing.network import TrainedNetwork
from skipray.metrics.computing.own import of_network
from skipray.probe import asked_for, layers_of
from skipray.probe.batch import Batch
from skipray.probe.layers import declared_layers
from skipray.probe.weights import weight_layers
from skipray.spec import ProbeSpec

NOT_FINITE = "it is not finite"


class NetworkMeasures(NamedTuple):
    """What the network metrics of a trial are."""

    values: dict[str, float]
    """MLflow key -> finite value."""
    absent: dict[str, str]
    """Key of a metric that is asked for and has no value -> why."""

    @property
    def reasons(self) -> str:
        """`nc1, nc2: no linear layer makes the scores; margin: ...`; empty where nothing is absent."""
        keys: dict[str, list[str]] = {}
        for key, why in self.absent.items():
            keys.setdefault(why, []).append(key)
        return "; ".join(f"{', '.join(of)}: {why}" for why, of in keys.items())


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
    counted: Sequence[str] = (),
    trained: bool = True,
) -> NetworkMeasures:
    """Every network metric that is asked for, on one batch in evaluation mode; finite ones only, since an absent value
    is not sent. Those that need training are not asked of a network without.

    Args:
        inputs: (samples, ...), the fixed probe batch.
        labels: (samples,) classes, (samples, positions) classes, or (samples, outputs) values; without a class for each
            sample the metrics that need one are absent.
        initial: `initial_weights` of the network before training, for the distances; without them these are absent.
        spec: says what is asked for.
        loss: of scores and labels, the mean over the samples.
        seed: of the noise that flatness, neighbours, Lanczos and Hutchinson draw.
        counted: names of the blocks, where the structure alone does not tell them.
        trained: if not, only what says something of a network at initialisation, normalizations with the batch's own
            statistics, since the running ones are still the identity.
    """
    settings = ProbeSpec() if spec is None else spec
    asked = [entry for entry in asked_for(settings) if _is_asked(entry, trained=trained)]
    values: dict[str, float] = {}
    absent: dict[str, str] = {}
    with as_found(network), evaluation_mode(network, batch_statistics=not trained):
        with torch.no_grad():
            scores = network(inputs)
        if not bool(scores.isfinite().all()):
            return NetworkMeasures({}, {entry.metric.key: "scores that are not finite" for entry in asked})
        batch = Batch((inputs,), samples=len(inputs))
        places = layers_of(network, batch, settings.layers, counted)
        layers = weight_layers(network, places)
        start = None if initial is None else [initial[layer.name] for layer in layers]
        weights, declared = [layer.weight() for layer in layers], declared_layers(network)
        hidden = declared.hidden if declared is not None and declared.declared else None
        measured = TrainedNetwork(
            network, inputs, labels, scores, weights, start, hidden, loss, seed,
            representations=[layer.output for layer in places.hidden], weight_names=[layer.name for layer in layers],
            places=places.places,
        )  # fmt: skip
        why_no_classes = _why_no_classes(scores, labels)
        for entry in asked:
            metric = entry.metric
            assert isinstance(metric, NetworkMetric)
            if metric.needs_classes and why_no_classes:
                absent[metric.key] = why_no_classes
                continue
            try:
                found = of_network(entry, measured)
            except Absent as why:
                absent[metric.key] = str(why)
                continue
            absent |= {key: NOT_FINITE for key, value in found.items() if not math.isfinite(value)}
            values |= {key: value for key, value in found.items() if math.isfinite(value)}
    return NetworkMeasures(values, absent)


def _is_asked(entry: Entry, *, trained: bool) -> bool:
    return isinstance(entry.metric, NetworkMetric) and (trained or entry.metric.at_initialisation)


def _why_no_classes(scores: Tensor, labels: Tensor) -> str:
    """Empty where each sample has one class."""
    if labels.is_floating_point():
        return "labels are values"
    return "" if labels.ndim == 1 and scores.ndim == 2 else "each position has a label"
