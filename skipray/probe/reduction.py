"""One tensor to its numbers, at once, so that the tensor can go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from skipray.metrics import entries
from skipray.spectrum.modes import ModeSpectrum, TensorSpectra

ACTIVATION_AXES = ("samples", "channels", "height", "width")
WEIGHT_AXES = ("out", "in", "height", "width")
ACTIVATIONS = ("hidden", "branch", "skip", "output_gradient")
REPRESENTATIONS = ("hidden", "branch", "skip")
GRADIENTS = ("weight_gradient", "output_gradient", "weight_update")


@dataclass(frozen=True)
class Place:
    """Which tensor of the network, and when."""

    layer: str
    layer_index: int
    tensor: str
    phase: str


@dataclass(frozen=True)
class Reduced:
    """What is kept of a tensor."""

    place: Place
    eps: float
    """Of the tensor's own number format: the precision floor of its spectra relative to s_1."""
    entries: dict[str, float]
    spectra: dict[tuple[str, bool], ModeSpectrum] = field(default_factory=dict)
    """(unfolding, centred) -> spectrum."""
    absent: dict[str, str] = field(default_factory=dict)
    """Statistic -> reason, for those of `entries` that have no value; `spectrum` for all of the spectra."""
    unfoldings: tuple[str, ...] = ()
    centrings: tuple[bool, ...] = ()


def reduce_tensor(tensor: Tensor, place: Place, *, centrings: Sequence[bool], rank_cap: int | None = None) -> Reduced:
    """All statistics' raw material of one tensor.

    Args:
        centrings: False for raw spectra, True for those without each feature's mean over axis 0.
        rank_cap: a bound of the rank that the tensor's origin sets, such as classes - 1 for the gradient at the logits.
    """
    tensor = tensor.detach()
    names = unfolding_names(tensor.ndim, activation=place.tensor in ACTIVATIONS)
    eps = float(torch.finfo(tensor.dtype).eps)
    if not tensor.numel():
        return Reduced(place, eps, {}, {}, {"spectrum": "empty tensor"}, names, tuple(centrings))
    low, high = tensor.amin(0), tensor.amax(0)
    bottom, top = float(low.min()), float(high.max())
    if not (math.isfinite(bottom) and math.isfinite(top)):
        numbers = {"nonfinite": entries.nonfinite(tensor)}
        absent = dict.fromkeys(("spectrum", *_entrywise(place.tensor)), "non-finite entries")
        return Reduced(place, eps, numbers, {}, absent, names, tuple(centrings))
    work = TensorSpectra(tensor, low, high, centred=True in centrings)
    modes = (0,) if tensor.ndim == 2 else tuple(range(tensor.ndim))
    spectra = {
        (names[s.mode], s.centred): s if rank_cap is None else replace(s, rank=min(s.rank, rank_cap))
        for s in work.spectra(modes, raw=False in centrings)
    }
    numbers = {"nonfinite": 0.0, "range": top - bottom, "rms": _rms(work)}
    absent = {}
    if place.tensor in GRADIENTS:
        numbers["gradient_norm"] = numbers["rms"] * math.sqrt(tensor.numel())
    if place.tensor in REPRESENTATIONS:
        units = work.occupied.reshape(tensor.shape[1], -1).any(1)
        numbers["dead_fraction"] = 1 - float(units.double().mean())
        try:
            gram = work.sample_gram
            numbers["mean_cosine"] = (
                entries.mean_cosine(tensor) if gram is None else entries.mean_cosine_from_gram(gram)
            )
        except ValueError:
            absent["mean_cosine"] = "fewer than two samples that are not all zero"
    return Reduced(place, eps, numbers, spectra, absent, names, tuple(centrings))


def _entrywise(kind: str) -> tuple[str, ...]:
    """The statistics that a non-finite entry makes absent."""
    more = ("gradient_norm",) if kind in GRADIENTS else ()
    return ("range", "rms", *more, *(("mean_cosine", "dead_fraction") if kind in REPRESENTATIONS else ()))


def _rms(work: TensorSpectra) -> float:
    if work.sample_gram is None:
        return entries.rms(work.tensor)
    return math.ldexp(math.sqrt(float(work.sample_gram.trace()) / work.tensor.numel()), work.exponent)


def unfolding_names(axes: int, *, activation: bool) -> tuple[str, ...]:
    """Names of a tensor's unfoldings, a matrix has only one. Entrywise statistics stand under the first."""
    if axes == 2:
        return ("matrix",)
    known = ACTIVATION_AXES if activation else WEIGHT_AXES
    if axes == 4:
        return known
    return known[:1] + tuple(f"axis{i}" for i in range(1, axes))
