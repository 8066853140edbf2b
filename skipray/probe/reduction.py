"""One tensor to its numbers, at once, so that the tensor can go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from skipray.metrics import entries
from skipray.records import Bins
from skipray.spectrum import stack
from skipray.spectrum.modes import ModeSpectrum, TensorSpectra, scale_exponent

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


def reduce_tensor(tensor: Tensor, place: Place, *, centred: bool, rank_cap: int | None = None) -> Reduced:
    """All statistics' raw material of one tensor.

    Args:
        centred: also the spectra without each feature's mean over axis 0.
        rank_cap: a bound of the rank that the tensor's origin sets, such as classes - 1 for the gradient at the logits.
    """
    tensor = tensor.detach()
    if is_small(tensor, centred):
        return reduce_matrices([tensor], [place], centred=centred, rank_cap=rank_cap)[0]
    blank = _blank(tensor, place, centred)
    if not tensor.numel():
        return replace(blank, absent={"spectrum": "empty tensor"})
    low, high = tensor.amin(0), tensor.amax(0)
    bottom, top = float(low.min()), float(high.max())
    if not (math.isfinite(bottom) and math.isfinite(top)):
        return _nonfinite(blank, tensor)
    work = TensorSpectra(tensor, low, high, centred=centred)
    modes = (0,) if tensor.ndim == 2 else tuple(range(tensor.ndim))
    spectra = {(blank.unfoldings[s.mode], s.centred): _capped(s, rank_cap) for s in work.spectra(modes)}
    gram = work.sample_gram
    if gram is None:
        rms = entries.rms(tensor)
    else:
        rms = math.ldexp(math.sqrt(float(gram.trace()) / tensor.numel()), work.exponent)
    cosine = None
    if place.tensor in REPRESENTATIONS:
        cosine = _cosine(tensor) if gram is None else entries.mean_cosine_of_gram(gram)
    units = work.occupied.reshape(tensor.shape[1], -1).any(1)
    dead = 1 - float(units.double().mean())
    return _filled(blank, spectra, top - bottom, rms, tensor.numel(), dead, cosine)


def reduce_matrices(
    tensors: Sequence[Tensor], places: Sequence[Place], *, centred: bool, rank_cap: int | None = None
) -> list[Reduced]:
    """`reduce_tensor` of equal-shaped matrices for which `is_small` holds, in a few calls for all."""
    whole = np.stack([t.detach().numpy() for t in tensors])
    low, high = whole.min(1), whole.max(1)
    bottom, top = low.min(1), high.max(1)
    peak = np.maximum(-bottom, top)
    plain = np.isfinite(peak) & np.array([scale_exponent(float(p)) == 0 for p in peak])
    out: dict[int, Reduced] = {}
    for i in np.flatnonzero(~plain).tolist():
        blank = _blank(tensors[i], places[i], centred)
        out[i] = _nonfinite(blank, tensors[i])
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
    rms = np.sqrt(squares.mean(1) / whole.shape[2])
    dead = ((low == 0) & (high == 0)).mean(1)
    for j, i in enumerate(kept):
        cosine = None
        if places[i].tensor in REPRESENTATIONS:
            cosine = entries.mean_cosine_of_matrix(whole[j], squares[j])
        found = {("matrix", s.centred): _capped(s, rank_cap) for s in spectra[j]}
        spread, size = float(top[i]) - float(bottom[i]), whole[j].size
        blank = _blank(tensors[i], places[i], centred)
        out[i] = _filled(blank, found, spread, float(rms[j]), size, float(dead[j]), cosine)
    return [out[i] for i in range(len(tensors))]


def absent_tensor(like: Tensor, place: Place, *, centred: bool, reason: str) -> Reduced:
    """What stands for a tensor that does not exist, with the shape of another: all is absent, and the reason."""
    blank = _blank(like, place, centred)
    names = _statistics(place.tensor)
    return replace(blank, absent=dict.fromkeys([*names, "nonfinite"], reason))


def is_small(tensor: Tensor, centred: bool) -> bool:
    """Whether equal-shaped ones are better reduced together, by `reduce_matrices`."""
    fits = tensor.ndim == 2 and 0 < tensor.numel() <= stack.MOST_ENTRIES and tensor.device.type == "cpu"
    # Float64 may have entries whose squares overflow, which is the other path's business.
    return fits and tensor.dtype == torch.float32 and not (centred and tensor.shape[0] <= tensor.shape[1])


def unfolding_names(axes: int, *, activation: bool) -> tuple[str, ...]:
    """Names of a tensor's unfoldings, a matrix has only one. Entrywise statistics stand under the first."""
    if axes == 2:
        return ("matrix",)
    known = ACTIVATION_AXES if activation else WEIGHT_AXES
    if axes == 4:
        return known
    return known[:1] + tuple(f"axis{i}" for i in range(1, axes))


def _blank(tensor: Tensor, place: Place, centred: bool) -> Reduced:
    names = unfolding_names(tensor.ndim, activation=place.tensor in ACTIVATIONS)
    return Reduced(place, float(torch.finfo(tensor.dtype).eps), names, (False, True) if centred else (False,))


def _nonfinite(blank: Reduced, tensor: Tensor) -> Reduced:
    absent = dict.fromkeys(_statistics(blank.place.tensor), "non-finite entries")
    return replace(blank, entries={"nonfinite": entries.nonfinite(tensor)}, absent=absent)


def _statistics(kind: str) -> list[str]:
    """What a tensor of a kind has besides the count of its non-finite entries."""
    names = ["spectrum", "range", "rms"]
    names += ["gradient_norm"] if kind in GRADIENTS else []
    names += ["dead_fraction", "mean_cosine"] if kind in REPRESENTATIONS else []
    return names


def _filled(
    blank: Reduced,
    spectra: dict[tuple[str, bool], ModeSpectrum],
    spread: float,
    rms: float,
    size: int,
    dead: float,
    cosine: float | None,
) -> Reduced:
    numbers = {"nonfinite": 0.0, "range": spread, "rms": rms}
    absent = {}
    if blank.place.tensor in GRADIENTS:
        numbers["gradient_norm"] = rms * math.sqrt(size)
    if blank.place.tensor in REPRESENTATIONS:
        numbers["dead_fraction"] = dead
        if cosine is None:
            absent["mean_cosine"] = "fewer than two samples that are not all zero"
        else:
            numbers["mean_cosine"] = cosine
    return replace(blank, entries=numbers, spectra=spectra, absent=absent)


def _cosine(tensor: Tensor) -> float | None:
    try:
        return entries.mean_cosine(tensor)
    except ValueError:
        return None


def _capped(spectrum: ModeSpectrum, cap: int | None) -> ModeSpectrum:
    return spectrum if cap is None else replace(spectrum, rank=min(spectrum.rank, cap))
