"""Decoded data before any split, how they are identified, and what goes wrong with them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skipray.errors import SkiprayError
from skipray.spec.samples import array_fingerprint


class DataMissing(SkiprayError, FileNotFoundError):
    """The files of a data set are not there. The message says where they were looked for and how to get them."""


class DataCorrupt(SkiprayError, ValueError):
    """Files or decoded arrays differ from what their pinned hash says."""


@dataclass(frozen=True)
class Raw:
    """A data set as its files hold it.

    `images` are the samples, whatever they are: images (samples, channels, height, width) or rows (samples, features),
    uint8 or float32, or token numbers (samples, positions), int64. Labels are classes (samples,), integers from 0;
    classes by position (samples, positions), -100 where there is none; or values (samples,) or (samples, outputs),
    float32.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    train_groups: np.ndarray | None = None
    """(samples,) which writer (or patient, or site) a training sample is from: validation takes whole groups."""
    train_mask: np.ndarray | None = None
    """Of token numbers: booleans (samples, positions), true where a token is, or integers (samples,), the lengths;
    none where the padding's number of the TokenShape says it."""
    test_mask: np.ndarray | None = None
    fingerprint: str | None = None
    """What identifies the data where that is not `fingerprint_of` its arrays: the data set's file says what it is."""

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            if not isinstance(images, np.ndarray) or not isinstance(labels, np.ndarray):
                kinds = f"{type(images).__name__} and {type(labels).__name__}"
                raise ValueError(f"found {part} images and labels that are {kinds}; allowed: numpy arrays")
            mask = getattr(self, f"{part}_mask")
            if mask is not None and not isinstance(mask, np.ndarray):
                raise ValueError(
                    f"found a {part} mask that is a {type(mask).__name__}; allowed: a numpy array, or None"
                )
            if images.ndim < 2 or labels.shape[:1] != images.shape[:1] or labels.ndim > 2:
                raise ValueError(
                    f"found {part} images {images.shape} and labels {labels.shape}; allowed: (samples, channels, "
                    "height, width), (samples, features) or (samples, positions), and labels (samples,) or (samples, "
                    "positions or outputs)"
                )
            if images.dtype not in (np.uint8, np.float32, np.int64):
                allowed = "uint8, float32 (`.astype(np.float32)`), and int64 for tokens"
                raise ValueError(f"found {part} {samples_are(images)} of {images.dtype}; allowed: {allowed}")


def samples_are(samples: np.ndarray) -> str:
    """What a message calls them: images, rows, or samples."""
    if samples.ndim == 2:
        return "samples" if samples.dtype == np.int64 else "rows"
    return "images" if samples.ndim == 4 else "samples"


def fingerprint_of(raw: Raw) -> str:
    """sha256 over the decoded arrays: names, types, shapes and values; no matter how the files were packed."""
    return array_fingerprint(raw)


def fingerprint_of_md5s(md5s: Mapping[str, str]) -> str:
    """sha256 over the sorted md5 digests of a data set's files, one per line.

    For sets whose publishers give md5 digests: the identity follows from these, so it is known without the data.
    """
    return hashlib.sha256("".join(f"{md5}\n" for md5 in sorted(md5s.values())).encode()).hexdigest()


def check_md5s(paths: Mapping[str, Path], published: Mapping[str, str], wanted: str) -> str:
    """Digest the files and compare them with the wanted fingerprint; returns it.

    Args:
        paths: file name -> where it is.
        published: file name -> md5, the set's own digests, to say which file is wrong.
        wanted: `fingerprint_of_md5s` of the data that are expected.

    Raises:
        DataCorrupt: with each file that differs from the published one.
    """
    found = {name: _digest(path, "md5") for name, path in paths.items()}
    if fingerprint_of_md5s(found) != wanted:
        lines = [
            f"{paths[n]}: found md5 {found[n]}; allowed: {published[n]}" for n in paths if found[n] != published[n]
        ]
        lines.append(f"found the fingerprint {fingerprint_of_md5s(found)}; allowed: {wanted}")
        raise DataCorrupt("\n".join(lines))
    return wanted


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def say_missing(what: str, looked_in: list[Path], how: list[str]) -> str:
    """The message for absent data: where they were looked for and each way to get them."""
    places = ", ".join(str(place) for place in looked_in)
    return f"found no {what} in {places}; to get it: " + "; or ".join(how)
