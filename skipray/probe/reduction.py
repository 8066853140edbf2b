"""One tensor to its numbers, at once, so that the tensor can go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from skipray.metrics import REPRESENTATIONS, Absent, Entry, LayerMetric
from skipray.metrics.computing.entries import Entries
from skipray.metrics.computing.own import of_entries
from skipray.records import Bins
from skipray.spectrum import stack
from skipray.spectrum.modes import ModeSpectrum, TensorSpectra, scale_exponent

ACTIVATION_AXES = ("samples", "channels", "height", "width")
WEIGHT_AXES = ("out", "in", "height", "width")
ACTIVATIONS = (*REPRESENTATIONS, "attention", "output_gradient")


@dataclass(frozen=True)
class TensorPlace:
    """Which tensor of the network, and when."""

    layer: str
    layer_index: int
    tensor: str
    phase: str
    of_samples: bool = True
    """Of an activation, whether axis 0 is the samples."""
    channels_first: bool = False
    """Of one with three axes, whether they are (samples, channels, positions) and no tokens."""


@dataclass(frozen=True)
class Reduced:
    """What is kept of a tensor."""

    place: TensorPlace
    eps: float
    """Of the tensor's own number format: the precision floor of its spectra relative to s_1."""
    shape: tuple[int, ...]
    unfoldings: tuple[str, ...]
    centrings: tuple[bool, ...]
    entries: dict[str, float] = field(default_factory=dict)
    """Statistics without a spectrum."""
    spectra: dict[tuple[str, bool], ModeSpectrum] = field(default_factory=dict)
    """(unfolding, centred) -> spectrum."""
    histogram: Bins | None = None
    """Of the entries, where it is wanted."""
    absent: dict[str, str] = field(default_factory=dict)
    """Statistic -> reason, for those of `entries` that have no value; `spectrum` for all of the spectra."""


def reduce_tensor(
    tensor: Tensor,
    place: TensorPlace,
    metrics: Sequence[Entry],
    *,
    centred: bool,
    rank_cap: int | None = None,
    real: Tensor | None = None,
) -> Reduced:
    """All statistics' raw material of one tensor.

    Args:
        metrics: those of entries among them are measured now.
        centred: also the spectra without each feature's mean over axis 0.
        rank_cap: a bound of the rank that the tensor's origin sets, such as classes - 1 for the gradient at the logits.
        real: (samples, tokens), which tokens are no padding; None where all are real.
    """
    tensor = tensor.detach()
    if is_small(tensor, centred):
        return reduce_matrices([tensor], [place], metrics, centred=centred, rank_cap=rank_cap)[0]
    blank = _blank(tensor, place, centred)
    if not tensor.numel():
        return replace(blank, absent={"spectrum": "empty tensor"})
    low, high = _extremes(tensor)
    if not (math.isfinite(float(low.min())) and math.isfinite(float(high.max()))):
        return _nonfinite(blank, tensor, metrics)
    work = TensorSpectra(tensor, low, high, centred=centred)
    modes = (0,) if tensor.ndim == 2 else tuple(range(tensor.ndim))
    spectra = {(blank.unfoldings[s.mode], s.centred): _capped(s, rank_cap) for s in work.spectra(modes)}
    known = Entries(tensor, extremes=(low, high), gram=work.sample_gram, exponent=work.exponent, finite=True,
                    real=real, channels_first=place.channels_first)  # fmt: skip
    return _measured(replace(blank, spectra=spectra), known, metrics)


def _extremes(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """Least and greatest over axis 0. torch's reductions are many times slower where the last axis is not the one whose
    entries lie side by side, as in channels-last layouts."""
    strides = tensor.stride()
    order = [0, *sorted(range(1, tensor.ndim), key=lambda axis: -strides[axis])]
    back = [order.index(axis) - 1 for axis in range(1, tensor.ndim)]
    laid = tensor.permute(order)
    return laid.amin(0).permute(back), laid.amax(0).permute(back)


def reduce_matrices(
    tensors: Sequence[Tensor],
    places: Sequence[TensorPlace],
    metrics: Sequence[Entry],
    *,
    centred: bool,
    rank_cap: int | None = None,
) -> list[Reduced]:
    """`reduce_tensor` of equal-shaped matrices for which `is_small` holds, in a few calls for all."""
    whole = np.stack([t.detach().numpy() for t in tensors])
    low, high = whole.min(1), whole.max(1)
    peak = np.maximum(-low.min(1), high.max(1))
    plain = np.isfinite(peak) & np.array([scale_exponent(float(p)) == 0 for p in peak])
    out: dict[int, Reduced] = {}
    for i in np.flatnonzero(~plain).tolist():
        out[i] = _nonfinite(_blank(tensors[i], places[i], centred), tensors[i], metrics)
    kept = np.flatnonzero(plain).tolist()
    if not kept:
        return [out[i] for i in range(len(tensors))]
    if len(kept) < len(whole):
        whole, low, high = whole[kept], low[kept], high[kept]
    whole = whole.astype(np.float64)
    spectra: Sequence[tuple[ModeSpectrum, ...]]
    if centred:
        spectra = stack.raw_and_centred_spectra(whole, low != high)
    else:
        spectra = [(s,) for s in stack.raw_spectra(whole)]
    squares = np.einsum("mnf,mnf->mn", whole, whole)
    for j, i in enumerate(kept):
        blank = _blank(tensors[i], places[i], centred)
        found = {(blank.unfoldings[0], s.centred): _capped(s, rank_cap) for s in spectra[j]}
        known = Entries(tensors[i].detach(), extremes=(low[j], high[j]), rows=(whole[j], squares[j]), finite=True)
        out[i] = _measured(replace(blank, spectra=found), known, metrics)
    return [out[i] for i in range(len(tensors))]


def reduce_entries(
    tensor: Tensor, place: TensorPlace, metrics: Sequence[Entry], *, real: Tensor | None = None
) -> Reduced:
    """What metrics of the entries find in a tensor that has no spectra; `real` as in `reduce_tensor`."""
    tensor = tensor.detach()
    blank = _blank(tensor, place, False)
    if not bool(tensor.isfinite().all()):
        return _nonfinite(blank, tensor, metrics)
    return _measured(blank, Entries(tensor, finite=True, real=real), metrics)


def absent_tensor(like: Tensor, place: TensorPlace, metrics: Sequence[Entry], *, centred: bool, reason: str) -> Reduced:
    """What stands for a tensor that does not exist, with the shape of another: all is absent, and the reason."""
    blank = _blank(like, place, centred)
    names = ["spectrum", *(key for key, _ in _of_entries(blank, metrics))]
    return replace(blank, absent=dict.fromkeys(names, reason))


def is_small(tensor: Tensor, centred: bool) -> bool:
    """Whether equal-shaped ones are better reduced together, by `reduce_matrices`."""
    fits = tensor.ndim == 2 and 0 < tensor.numel() <= stack.MOST_ENTRIES and tensor.device.type == "cpu"
    # Float64 may have entries whose squares overflow, which only the reduction of single tensors rescales.
    return fits and tensor.dtype == torch.float32 and not (centred and tensor.shape[0] <= tensor.shape[1])


def unfolding_names(axes: int, *, activation: bool, of_samples: bool = True) -> tuple[str, ...]:
    """Names of a tensor's unfoldings, a matrix has only one. Entrywise statistics stand under the first."""
    if activation and not of_samples:
        return tuple(f"axis{i}" for i in range(1 if axes == 2 else axes))
    if axes == 2:
        return ("matrix",)
    known = ACTIVATION_AXES if activation else WEIGHT_AXES
    if axes == 4:
        return known
    return known[:1] + tuple(f"axis{i}" for i in range(1, axes))


def _blank(tensor: Tensor, place: TensorPlace, centred: bool) -> Reduced:
    names = unfolding_names(tensor.ndim, activation=place.tensor in ACTIVATIONS, of_samples=place.of_samples)
    eps = float(torch.finfo(tensor.dtype).eps)
    return Reduced(place, eps, tuple(tensor.shape), names, (False, True) if centred else (False,))


def _of_entries(blank: Reduced, metrics: Sequence[Entry]) -> list[tuple[str, Entry]]:
    """Key and metric of those that read the entries of such a tensor."""
    return [
        (e.metric.key, e)
        for e in metrics
        if isinstance(e.metric, LayerMetric)
        and e.metric.reads == "entries"
        and blank.place.tensor in e.metric.tensors
        and e.metric.axes in (None, len(blank.shape))
    ]


def _nonfinite(blank: Reduced, tensor: Tensor, metrics: Sequence[Entry]) -> Reduced:
    found, absent = {}, {"spectrum": "non-finite entries"}
    known = Entries(tensor, finite=False)
    for key, entry in _of_entries(blank, metrics):
        assert isinstance(entry.metric, LayerMetric)
        if entry.metric.finite_only:
            absent[key] = "non-finite entries"
        else:
            found[key] = of_entries(entry, known)
    return replace(blank, entries=found, absent=absent)


def _measured(blank: Reduced, known: Entries, metrics: Sequence[Entry]) -> Reduced:
    found, absent = {}, {}
    for key, entry in _of_entries(blank, metrics):
        assert isinstance(entry.metric, LayerMetric)
        if entry.metric.of_samples and not blank.place.of_samples:
            absent[key] = "no axis is as long as the batch, so none is known to be the samples"
            continue
        try:
            found[key] = of_entries(entry, known)
        except Absent as why:
            absent[key] = str(why)
    return replace(blank, entries=found, absent=absent)


def _capped(spectrum: ModeSpectrum, cap: int | None) -> ModeSpectrum:
    return spectrum if cap is None else replace(spectrum, rank=min(spectrum.rank, cap))
