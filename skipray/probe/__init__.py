"""Measures every layer of a network on one batch, and leaves the network as found.

    table = probe(model, images)                # hidden representations and weights
    table = probe(model, (images, labels))      # and gradients
    table = probe(model, {"ids": ids, "mask": mask}, layers=["encoder.layers.*"])

A tensor is reduced to its spectra while the pass runs, so that no more than one layer's is kept, apart from one
backward pass's graph.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from skipray.extension.field_docs import show_fields
from skipray.metrics import Entry, chosen, headline_phase
from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.modes import evaluation_mode, keeps_statistics, parameters_kept, training_mode
from skipray.metrics.computing.outputs import tensors_in
from skipray.metrics.computing.same_draws import same_draws
from skipray.probe import headline
from skipray.probe.batch import Batch, check_network, read_batch
from skipray.probe.capture import Wanted, capture
from skipray.probe.layers import Layers, find_layers
from skipray.probe.reduction import Reduced
from skipray.probe.rows import rows
from skipray.probe.weights import weight_layers
from skipray.records import LAYER_COLUMNS, Histogram
from skipray.spec import ProbeSpec
from skipray.torch_private import DROPOUTS, uncompiled

__all__ = ["Measurement", "asked_for", "measure", "probe"]

ATTEMPTS = 4
"""So many passes in each mode are compared, to see whether they differ."""
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
    """`profile.hidden.log10_condition` -> one finite value per layer."""
    profile_layers: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The layer index of each value in `profiles`."""
    histograms: tuple[Histogram, ...] = ()
    """Of activations and weights at the first and the last layer, in the headline phase."""
    layers_rule: str = ""
    """How the layers were found; empty where the network names them."""


@overload
def probe(
    model: nn.Module,
    batch: Any,
    *,
    layers: Sequence[str] | None = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    spectra: Literal[False] = False,
) -> pd.DataFrame: ...


@overload
def probe(
    model: nn.Module,
    batch: Any,
    *,
    layers: Sequence[str] | None = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    spectra: Literal[True],
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]: ...


def probe(
    model: nn.Module,
    batch: Any,
    *,
    layers: Sequence[str] | None = None,
    loss: Callable[[Any, Any], Tensor] | None = None,
    spectra: bool = False,
) -> pd.DataFrame | tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Statistics of every layer of any network, in the mode that it is in (train or eval).

    Args:
        model: measured at the layers that it names itself (`skipray_layers()`, see `skipray.probe.layers`), else at its
            repeated blocks, else at every module that computes by itself; a module that is called again is another
            layer (`relu#2`).
        batch: a tensor of samples, a mapping of the forward's arguments, or (inputs, labels), where inputs may also be
            a tuple of several; with labels also the gradients of the loss with respect to weights and outputs.
        layers: names of the modules to measure instead, `*` for any part between dots: `["encoder.layers.*"]`.
        loss: of the model's output and the labels, one number; the mean cross-entropy of class scores (samples,
            classes) and labels (samples,) when left out.
        spectra: whether the singular values are wanted too.

    Returns:
        One row per statistic: `layer, layer_index, tensor, unfolding, centred, phase, statistic, version, value,
        censored`. A value that lies at the precision floor is a bound (`censored` -1: the truth is below, 1: above);
        one that does not exist is NaN, and `table.attrs["reasons"]` says why: row label -> reason.
        `table.attrs["layers"]` says by which rule the layers were found. The samples are the axis that is as long as
        the batch; where none is, unfoldings are named by their axes. With `spectra` also
        `layer/tensor/unfolding/raw|centred` -> singular values, descending.

    Raises:
        ValueError: the batch, the labels, the loss or the layers cannot be used, or the model cannot be probed.
    """
    model = uncompiled(model)
    check_network(model)
    with as_found(model), parameters_kept(model) if model.training else nullcontext():
        return _probed(model, batch, layers=layers, loss=loss, spectra=spectra)


def _probed(
    model: nn.Module,
    batch: Any,
    *,
    layers: Sequence[str] | None,
    loss: Callable[[Any, Any], Tensor] | None,
    spectra: bool,
) -> pd.DataFrame | tuple[pd.DataFrame, dict[str, np.ndarray]]:
    read = read_batch(model, batch, any_labels=loss is not None)
    if loss is not None and read.labels is None:
        raise ValueError("found a loss and no labels; allowed with a loss: (inputs, labels)")
    metrics = chosen()
    wanted = Wanted(metrics, gradients=read.labels is not None, branches=True, centre_all=True)
    phase = "train" if model.training else "eval"
    found_layers = layers_of(model, read, layers, as_it_is=True)
    reduced = capture(model, read, found_layers, wanted, phase=phase, loss=loss)
    table = rows(reduced, 0, metrics)
    absent = table["reason"] != ""
    found = table[PROBE_COLUMNS]
    found.attrs["reasons"] = table["reason"][absent].to_dict()
    found.attrs["layers"] = found_layers.rule
    if not spectra:
        return found
    return found, {key.partition("/")[2]: values for key, values in _spectra(reduced, 0, phase).items()}


def layers_of(
    model: nn.Module,
    batch: Batch,
    patterns: Sequence[str] | None = None,
    counted: Sequence[str] = (),
    *,
    as_it_is: bool = False,
) -> Layers:
    """The hidden representations that are measured, and by which rule they were found; the network stays as found.

    Args:
        patterns, counted: as in `find_layers`.
        as_it_is: whether the network is measured in the mode that it is in, and not in evaluation mode.
    """

    def run() -> None:
        with evaluation_mode(model):
            batch.passed(model)

    with as_found(model), torch.inference_mode(False):
        found = find_layers(model, run, patterns, counted, (lambda: batch.passed(model)) if as_it_is else run)
        if found.passed is None:  # the network tells all of it
            return found
        used = {weight.name for weight in weight_layers(model, found)}
        return replace(found, unused=tuple(w.layer for w in weight_layers(model) if w.name not in used))


def measure(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    spec: ProbeSpec,
    *,
    epoch: int,
    weight_updates: Mapping[str, Tensor] | None = None,
    no_updates: str = "",
    loss: Callable[[Any, Any], Tensor] | None = None,
    counted: Sequence[str] = (),
    trained_together: int = 0,
) -> Measurement:
    """The probe of a trial, by its preset.

    The headline phase is evaluation mode, at epoch 0 with batch statistics, since the running ones are still the
    identity. The preset `full` measures the other phase too, where the two differ: at epoch 0 the running statistics,
    afterwards training mode as a whole (batch statistics, dropout, branches that are left out).

    Args:
        inputs: (samples, channels, height, width), the sweep's fixed probe batch.
        labels: (samples,) classes.
        weight_updates: weight's name -> the last step's change, measured by the preset `full`.
        no_updates: why there are none, which the preset `full` then notes.
        loss: of the scores and labels; the mean cross-entropy of class scores when left out.
        counted: names of the blocks, where the structure alone does not tell them.
        trained_together: samples that go through the network at once in training: at epoch 0 the sizes of the gradients
            at the layers' outputs are measured on as many of the inputs. None are where it is 0.
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
    batch = Batch((inputs,), labels=labels, samples=len(inputs))
    layers = layers_of(network, batch, spec.layers, counted)
    with evaluation_mode(network, batch_statistics=epoch == 0):
        reduced = capture(network, batch, layers, wanted, phase=main, weight_updates=updates, no_updates=why, loss=loss)
    if full and _phases_differ(network, batch, epoch):
        passing = Wanted(metrics, gradients=True, branches=True, centre_all=True, weights=False)
        with training_mode(network) if epoch else evaluation_mode(network):
            other = "train" if epoch else "eval"
            reduced += capture(network, batch, layers, passing, phase=other, loss=loss)
    table = rows(reduced, epoch, metrics)
    if epoch == 0 and not wanted.gradients and trained_together:
        sizes = _gradient_norms(network, batch, layers, metrics, min(trained_together, len(inputs)), loss)
        # In the table by layer alone: a run's metrics are of its end, where the default probe has no gradients.
        found = pd.concat([table, rows(sizes, epoch, metrics)], ignore_index=True) if sizes else table
    else:
        found = table
    profile = headline.profiles(table, main, metrics)
    return Measurement(
        layers=found,
        spectra=_spectra(reduced, epoch, main),
        metrics=headline.aggregates(profile, metrics) | headline.last_blocks(table, main, metrics),
        profiles={f"profile.{name}": tuple(v[np.isfinite(v)].tolist()) for name, (_, v, _) in profile.items()},
        profile_layers={f"profile.{name}": tuple(i[np.isfinite(v)].tolist()) for name, (i, v, _) in profile.items()},
        histograms=_histograms(reduced, epoch),
        layers_rule="" if layers.declared else layers.rule,
    )


def _gradient_norms(
    network: nn.Module,
    batch: Batch,
    layers: Layers,
    metrics: Sequence[Entry],
    samples: int,
    loss: Callable[[Any, Any], Tensor] | None,
) -> list[Reduced]:
    """How gradients grow towards the input before training, which theory predicts: the time and memory of a step."""
    sizes = tuple(e for e in metrics if e.metric.key == "gradient_norm")
    wanted = Wanted(sizes, gradients=True, branches=False, centre_all=False, weights=False, norms_only=True)
    part = Batch((batch.arguments[0][:samples],), labels=batch.labels[:samples], samples=samples)
    try:
        with evaluation_mode(network, batch_statistics=True):
            return capture(network, part, layers, wanted, phase=headline_phase(0), loss=loss)
    except (RuntimeError, ValueError):
        return []  # what cannot be differentiated is not trained, and can still be measured otherwise


def asked_for(spec: ProbeSpec) -> tuple[Entry, ...]:
    """The metrics that a probe's settings ask for."""
    asked = {"full": spec.preset == "full", "hessian": spec.hessian, "jacobian": spec.jacobian}
    return chosen(spec.metrics, [name for name, wanted in asked.items() if wanted])


def _phases_differ(network: nn.Module, batch: Batch, epoch: int) -> bool:
    """Whether the other phase than the headline's is another function. A network that asks for its mode itself is seen
    to differ by what it gives out, in a few passes, since what it does in training may be left to chance."""
    modules = list(network.modules())
    if any(map(keeps_statistics, modules)):
        return True
    if epoch == 0:
        return False
    if any(isinstance(module, DROPOUTS) for module in modules):
        return True
    device = batch.arguments[0].device
    with as_found(network), torch.inference_mode(False), torch.no_grad():
        for attempt in range(ATTEMPTS):
            given = []
            for mode in (evaluation_mode, training_mode):
                with mode(network), same_draws(device, attempt):
                    given.append(dict(tensors_in(batch.passed(network))))
            first, second = given
            if first.keys() != second.keys() or any(_differ(tensor, second[name]) for name, tensor in first.items()):
                return True
    return False


def _differ(one: Tensor, other: Tensor) -> bool:
    """By more than rounding: torch's attention has other kernels in evaluation mode."""
    if one.shape != other.shape:
        return True
    tolerance = torch.finfo(one.dtype).eps ** 0.5 * float(one.nan_to_num().abs().max())
    return not torch.allclose(one, other.to(one.dtype), rtol=0, atol=tolerance, equal_nan=True)


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


show_fields(__all__, globals())
