"""One tensor to its numbers, at once, so that the tensor can go."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from skipray.metrics import entries
from skipray.spectrum.modes import ModeSpectrum, mode_spectra

ACTIVATION_AXES = ("samples", "channels", "height", "width")
WEIGHT_AXES = ("out", "in", "height", "width")
ACTIVATIONS = ("hidden", "branch", "skip", "output_gradient")
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
    eps = float(torch.finfo(tensor.dtype).eps)
    names = unfolding_names(tensor.ndim, activation=place.tensor in ACTIVATIONS)
    numbers, absent = _entries(tensor, place.tensor)
    spectra: dict[tuple[str, bool], ModeSpectrum] = {}
    if "spectrum" not in absent:
        modes = (0,) if tensor.ndim == 2 else tuple(range(tensor.ndim))
        for s in mode_spectra(tensor, modes, raw=False in centrings, centred=True in centrings):
            capped = s if rank_cap is None else _capped(s, rank_cap)
            spectra[names[0] if tensor.ndim == 2 else names[s.mode], s.centred] = capped
    return Reduced(place, eps, numbers, spectra, absent, names, tuple(centrings))


def unfolding_names(axes: int, *, activation: bool) -> tuple[str, ...]:
    """Names of a tensor's unfoldings, a matrix has only one. Entrywise statistics stand under the first."""
    if axes == 2:
        return ("matrix",)
    known = ACTIVATION_AXES if activation else WEIGHT_AXES
    if axes == 4:
        return known
    return known[:1] + tuple(f"axis{i}" for i in range(1, axes))


def _entries(tensor: Tensor, kind: str) -> tuple[dict[str, float], dict[str, str]]:
    if not tensor.numel():
        return {}, {"spectrum": "empty tensor"}
    numbers: dict[str, float] = {}
    absent: dict[str, str] = {}
    low, high = (float(x) for x in tensor.aminmax())
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        numbers["nonfinite"] = entries.nonfinite(tensor)
        reason = "non-finite entries"
        return numbers, dict.fromkeys(("spectrum", "range", "rms"), reason)
    numbers["nonfinite"] = 0.0
    numbers["range"] = high - low
    numbers["rms"] = entries.rms(tensor)
    if kind in GRADIENTS:
        numbers["gradient_norm"] = entries.gradient_norm(tensor)
    if kind in ("hidden", "branch", "skip"):
        numbers["dead_fraction"] = entries.dead_fraction(tensor)
        try:
            numbers["mean_cosine"] = entries.mean_cosine(tensor)
        except ValueError:
            absent["mean_cosine"] = "fewer than two samples that are not all zero"
    return numbers, absent


def _capped(spectrum: ModeSpectrum, cap: int) -> ModeSpectrum:
    return replace(spectrum, rank=min(spectrum.rank, cap))
