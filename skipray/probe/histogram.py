"""How a tensor's entries are distributed: what the paper's Figs. 5 to 10 show of activations and weights."""

import math

import torch
from torch import Tensor

from skipray.records import Bins

BINS = 64
"""As many as a panel of a printed page can show."""
CHUNK = 2**16
"""Entries at a time: what a processor's cache holds is counted ten times as fast."""


def histogram(tensor: Tensor, bins: int = BINS) -> Bins:
    """Counts of entries in `bins` equal parts of the range from the smallest to the largest; empty ones are left out.

    Exact zeros, which a rectifier makes of about half of its inputs, have a bin of their own, from 0 to 0.

    Args:
        tensor: of any shape, with finite entries.

    Returns:
        Bins in rising order. A tensor whose entries are all alike has one, without width.
    """
    flat = tensor.detach().reshape(-1)
    low, high = (float(end) for end in flat.aminmax())
    # Halved where the range itself has no number.
    half = 0.5 if math.isinf(high - low) else 1.0
    start, span = low * half, high * half - low * half
    if not span:
        return Bins((low,), (high,), (flat.numel(),))

    def places(values: Tensor) -> Tensor:
        return ((values.to(torch.float64) * half - start) / span * bins).long().clamp_(0, bins - 1)

    counts = torch.zeros(bins, dtype=torch.int64, device=flat.device)
    zeros = 0
    for part in flat.split(CHUNK):
        counts += torch.bincount(places(part), minlength=bins)
        zeros += len(part) - int(part.count_nonzero())
    if zeros:
        counts[places(flat.new_zeros(1))] -= zeros
    edges = [(start + span / bins * i) / half for i in range(bins)] + [high]
    found = [(edges[i], edges[i + 1], n) for i, n in enumerate(counts.tolist()) if n]
    found += [(0.0, 0.0, zeros)] if zeros else []
    return Bins(*(tuple(column) for column in zip(*sorted(found), strict=True)))
