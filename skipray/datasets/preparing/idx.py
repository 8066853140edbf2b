"""The IDX format of MNIST and its successors (LeCun et al. 1998), plain or gzipped."""

import gzip
import hashlib
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from skipray.datasets.preparing.raw import DataCorrupt, DataMissing, Raw

PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def find_folder(candidates: list[Path]) -> Path | None:
    """The first folder that has all four files, each plain or with `.gz`."""
    for folder in candidates:
        if all(_find(folder, part) for part in PARTS):
            return folder
    return None


def load_idx(candidates: list[Path], sha256s: Mapping[str, str] | None, message: str) -> Raw:
    """Read the four files.

    Args:
        candidates: folders to look in, best first.
        sha256s: file name -> sha256 of its unpacked content; None leaves the check to the fingerprint of the arrays.
        message: what to say when there are no such files.

    Raises:
        DataMissing: no folder has all four.
        DataCorrupt: a file is not what its hash says, with its path.
    """
    folder = find_folder(candidates)
    if folder is None:
        raise DataMissing(message)
    arrays = [_read(folder, part, sha256s[part] if sha256s else None) for part in PARTS]
    return Raw(arrays[0][:, None], arrays[1], arrays[2][:, None], arrays[3])


def _find(folder: Path, part: str) -> Path | None:
    return next((p for p in (folder / part, folder / f"{part}.gz") if p.is_file()), None)


def _read(folder: Path, part: str, sha256: str | None) -> np.ndarray:
    path = _find(folder, part)
    assert path is not None
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise DataCorrupt(f"{path}: not a whole gzip file: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise DataCorrupt(f"{path}: found sha256 {found} (unpacked); allowed: {sha256}")
    # Header: two zero bytes, the type (8 = unsigned byte), the number of axes, then each axis in big-endian.
    axes = content[3] if len(content) > 3 else 0
    start = 4 + 4 * axes
    if content[:3] != b"\x00\x00\x08" or len(content) < start:
        raise DataCorrupt(f"{path}: not an IDX file of unsigned bytes")
    shape = struct.unpack(f">{axes}I", content[4:start])
    if len(content) - start != int(np.prod(shape, dtype=np.int64)):
        raise DataCorrupt(f"{path}: found {len(content) - start} bytes of data; allowed: {shape} of one byte each")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
