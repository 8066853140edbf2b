"""Sequences of different lengths: which positions hold a token, and what stands at the others."""

from dataclasses import replace
from typing import Any

import numpy as np

from skipray.datasets.preparing.labels import IGNORED
from skipray.datasets.preparing.raw import DataCorrupt, Raw
from skipray.spec import TokenShape
from skipray.spec.samples import Task


def padded(name: str, raw: Raw, shape: tuple[int, ...], task: Task) -> Raw:
    """The data with the padding's number, and no label, at the positions behind each sequence's end.

    Args:
        name: of the data set, for messages.

    Raises:
        DataCorrupt: a mask without a padding's number, the padding's number inside a sequence, or an empty sequence.
    """
    number = shape.padding if isinstance(shape, TokenShape) else None
    masks = {part: getattr(raw, f"{part}_mask") for part in ("train", "test")}
    if number is None:
        if any(mask is not None for mask in masks.values()):
            raise DataCorrupt(f"{name}: found a mask; allowed: with a TokenShape that says its padding")
        return raw
    changed: dict[str, Any] = {"train_mask": None, "test_mask": None}
    for part, mask in masks.items():
        tokens, labels = getattr(raw, f"{part}_images"), getattr(raw, f"{part}_labels")
        real = tokens != number if mask is None else _as_mask(f"{name}: found {part}", mask, tokens)
        if mask is not None and (tokens[real] == number).any():
            raise DataCorrupt(f"{name}: found the padding {number} inside {part} sequences; allowed: behind their end")
        if not real.any(1).all():
            raise DataCorrupt(f"{name}: found {int((~real.any(1)).sum())} {part} sequences of padding alone")
        changed[f"{part}_images"] = np.where(real, tokens, number)
        if task == "positions":
            changed[f"{part}_labels"] = np.where(real, labels, IGNORED)
    return replace(raw, **changed)


def _as_mask(who: str, given: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """(samples, positions) of a mask or of lengths."""
    if given.dtype == np.bool_ and given.shape == tokens.shape:
        return given
    if given.dtype.kind in "iu" and given.shape == tokens.shape[:1]:
        if given.min() < 1 or given.max() > tokens.shape[1]:
            raise DataCorrupt(f"{who} lengths from {given.min()} to {given.max()}; allowed: 1 to {tokens.shape[1]}")
        return np.arange(tokens.shape[1]) < given[:, None]
    raise DataCorrupt(
        f"{who} mask of {given.dtype} {given.shape}; allowed: booleans {tokens.shape}, or lengths, integers "
        f"{tokens.shape[:1]}"
    )
