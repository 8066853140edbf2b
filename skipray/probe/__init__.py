"""Measures every layer of a network on one batch, and leaves the network as found.

    table = probe(model, images)                # hidden representations and weights
    table = probe(model, (images, labels))      # and gradients

A tensor is reduced to its spectra while the pass runs, so that no more than one layer's is kept, apart from one
backward pass's graph.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from skipray.metrics import Entry, chosen, headline_phase
from skipray.probe import headline
from skipray.probe.capture import Wanted, capture
from skipray.probe.reduction import Reduced
from skipray.probe.rows import rows
from skipray.records import LAYER_COLUMNS, Histogram
from skipray.spec import ProbeSpec

__all__ = ["Measurement", "asked_for", "measure", "probe"]

PROBE_COLUMNS = [column for column in LAYER_COLUMNS if column not in ("epoch", "reason")]


@dataclass(frozen=True)
class Measurement:
    """What one probe of a network found."""

    layers: pd.DataFrame
    """Columns skipray.records.LAYER_COLUMNS."""
    spectra: dict[str, np.ndarray]
    """`epoch/layer/tensor/unfolding/raw|centred` -> singular values, descending; of the headline phase, and for
    another one with `@phase` after the tensor."""
    metrics: dict[str, float]
    """Aggregates over layers under their MLflow keys, every one finite: `hidden.log10_condition.median`, ..."""
    profiles: dict[str, tuple[float, ...]] = field(default_factory=dict)
    """`profile.hidden.log10_condition` -> one finite value a layer."""
    profile_layers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The layer index of each value in `profiles`."""
    histograms: tuple[Histogram, ...] = ()
    """Of activations and weights at the first and the last layer, in the headline phase."""


def probe(model: nn.Module, batch: Any) -> pd.DataFrame:
    """Statistics of every layer of any network, in the mode that it is in (train or eval).

    Args:
        model: skipray's networks are measured at their blocks, any other at every module that computes by itself; a
            module that is called again is another layer (`relu#2`).
        batch: inputs of shape (samples, ...), or (inputs, labels); with class labels of shape (samples,) also the
            gradients of the mean cross-entropy with respect to weights and outputs.

    Returns:
        One row a statistic: `layer, layer_index, tensor, unfolding, centred, phase, statistic, version, value,
        censored`. A value that lies at the precision floor is a bound (`censored` -1: the truth is below, 1: above);
        one that does not exist is NaN, and `table.attrs["reasons"]` says why: row label -> reason.

    Raises:
        ValueError: the batch is no tensor of samples, or the labels are no classes of them; the model cannot be probed.
    """
    model = getattr(model, "_orig_mod", model)  # what torch.compile has wrapped: the same weights, without its graphs
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError("found a scripted model, whose layers cannot be watched; allowed: the module it was made from")
    inputs, labels = _parts(batch)
    metrics = chosen()
    wanted = Wanted(metrics, gradients=labels is not None, branches=True, centre_all=True)
    phase = "train" if model.training else "eval"
    table = rows(capture(model, inputs, labels, wanted, phase=phase), 0, metrics)
    absent = table["reason"] != ""
    found = table[PROBE_COLUMNS]
    found.attrs["reasons"] = table["reason"][absent].to_dict()
    return found


def _parts(batch: Any) -> tuple[Tensor, Tensor | None]:
    """Inputs and labels of a batch, checked."""
    allowed = "allowed: a tensor of samples, or such a tensor and class labels"
    inputs, labels = batch if isinstance(batch, tuple | list) and len(batch) == 2 else (batch, None)
    if not isinstance(inputs, Tensor):
        raise ValueError(f"found a batch of {type(inputs).__name__}; {allowed}")
    if inputs.ndim == 0 or len(inputs) == 0:
        raise ValueError(f"found inputs of shape {tuple(inputs.shape)}, without samples; {allowed}")
    if labels is None:
        return inputs, None
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.shape != inputs.shape[:1]:
        what = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
        raise ValueError(f"found labels {what}; allowed: one class, an integer, for each of the {len(inputs)} samples")
    return inputs, labels.long()


def measure(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    spec: ProbeSpec,
    *,
    epoch: int,
    weight_updates: Mapping[str, Tensor] | None = None,
    no_updates: str = "",
) -> Measurement:
    """The probe of a trial, by its preset.

    The headline phase has batch statistics at epoch 0, where the running ones are still the identity, and running
    statistics afterwards.

    Args:
        inputs: (samples, channels, height, width), the sweep's fixed probe batch.
        labels: (samples,) classes.
        weight_updates: parameter name -> the last step's change, measured by the preset `full`.
        no_updates: why there are none, which the preset `full` then notes.
    """
    main = headline_phase(epoch)
    full = spec.preset == "full"
    if spec.preset == "none":
        return Measurement(rows([], epoch, ()), {}, {})
    metrics = asked_for(spec)
    wanted = Wanted(
        metrics, gradients=full or spec.gradients, branches=full, centre_all=full, histograms=spec.histograms
    )
    updates = weight_updates if full else None
    why = no_updates if full else ""
    reduced = capture(network, inputs, labels, wanted, phase=main, weight_updates=updates, no_updates=why)
    if full and _modes_differ(network):
        other = "eval" if main == "train" else "train"
        passing = Wanted(metrics, gradients=True, branches=True, centre_all=True, weights=False)
        reduced += capture(network, inputs, labels, passing, phase=other)
    table = rows(reduced, epoch, metrics)
    profile = headline.profiles(table, main, metrics)
    return Measurement(
        layers=table,
        spectra=_spectra(reduced, epoch, main),
        metrics=headline.aggregates(profile, metrics),
        profiles={f"profile.{name}": tuple(v[np.isfinite(v)].tolist()) for name, (_, v, _) in profile.items()},
        profile_layers={f"profile.{name}": tuple(i[np.isfinite(v)].tolist()) for name, (i, v, _) in profile.items()},
        histograms=_histograms(reduced, epoch),
    )


def asked_for(spec: ProbeSpec) -> tuple[Entry, ...]:
    """The metrics that a probe's settings ask for."""
    asked = {"full": spec.preset == "full", "hessian": spec.hessian, "jacobian": spec.jacobian}
    return chosen(spec.metrics, [name for name, wanted in asked.items() if wanted])


def _modes_differ(network: nn.Module) -> bool:
    kinds = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)
    return any(isinstance(module, kinds) for module in network.modules())


def _histograms(reduced: list[Reduced], epoch: int) -> tuple[Histogram, ...]:
    places = ((r.place, r.histogram) for r in reduced if r.histogram is not None)
    return tuple(Histogram(epoch, p.layer, p.layer_index, p.tensor, bins) for p, bins in places)


def _spectra(reduced: list[Reduced], epoch: int, main: str) -> dict[str, np.ndarray]:
    out = {}
    for r in reduced:
        tensor = r.place.tensor if r.place.phase == main else f"{r.place.tensor}@{r.place.phase}"
        for (unfolding, centred), spectrum in r.spectra.items():
            name = f"{epoch}/{r.place.layer}/{tensor}/{unfolding}/{'centred' if centred else 'raw'}"
            out[name] = spectrum.values
    return out
