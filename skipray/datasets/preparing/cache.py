"""Prepared arrays in a node-local folder, mapped into memory by every trial of the node.

A folder holds .npy files and a meta.json, is made under another name and renamed when it is whole: a reader sees all of
it or nothing. A file lock lets one process make it while the others wait; if locks do not work (some network file
systems), several make it and the first rename wins. Mapped pages are shared by all processes of the node.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from skipray.extension import catalog
from skipray.spec import DatasetSpec, canonical_json
from skipray.storage.cache import in_cache

META = "meta.json"
VERSIONS = [2, 1]
"""Of what is prepared; part of the folder's name. Raise the first."""


def folder_of(cache: Path, dataset: DatasetSpec, fingerprint: str) -> Path:
    """The folder of one data set, split as its spec says; of a user's own, as its module's source reads it."""
    source = catalog.source_hash(dataset.name)
    key = canonical_json(
        {"versions": VERSIONS, "dataset": dataset.model_dump(), "fingerprint": fingerprint}
        | ({} if source is None else {"source": source})
    )
    name = dataset.name.replace(":", "-").replace("/", "-")
    return cache / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def read(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """The arrays (mapped, private: writing to one never reaches the file) and the meta data; None if not there.

    The data were verified when the folder was made; here each file's size and time of change are compared with what was
    noted then, so a damaged or touched folder counts as not there.
    """
    try:
        meta = json.loads((folder / META).read_text())
        for name, noted in meta["files"].items():
            status = (folder / name).stat()
            if [status.st_size, status.st_mtime_ns] != noted:
                return None
        return {Path(name).stem: np.load(folder / name, mmap_mode="c") for name in meta["files"]}, meta
    except (OSError, ValueError, KeyError):
        return None


def read_or_make(
    folder: Path, make: Callable[[], tuple[dict[str, np.ndarray], dict[str, Any]]]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What `read` gives, calling `make` (arrays, meta data) first where there is nothing to read.

    Raises:
        CacheUnusable: it cannot be put there.
    """
    found = read(folder)
    if found:
        return found
    with in_cache(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(folder.with_suffix(".lock")):
        found = read(folder)
        if found:
            return found
        arrays, meta = make()
        with in_cache(folder.parent):
            _write(folder, arrays, meta)
    with in_cache(folder.parent):
        found = read(folder)
        if found is None:
            raise OSError(f"{folder}: written, but cannot be read back")
    return found


def _write(folder: Path, arrays: dict[str, np.ndarray], meta: dict[str, Any]) -> None:
    fresh = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    fresh.mkdir()
    try:
        files = {}
        for name, array in arrays.items():
            path = fresh / f"{name}.npy"
            with path.open("wb") as file:
                np.save(file, np.ascontiguousarray(array))
                file.flush()
                os.fsync(file.fileno())
            status = path.stat()
            files[path.name] = [status.st_size, status.st_mtime_ns]
        (fresh / META).write_text(json.dumps(meta | {"files": files}))
        if folder.exists() and read(folder) is None:
            folder.rename(fresh.with_name(f"{fresh.name}.damaged"))
            shutil.rmtree(fresh.with_name(f"{fresh.name}.damaged"), ignore_errors=True)
        try:
            fresh.rename(folder)
        except OSError:
            if read(folder) is None:  # else another process was first, with the same content
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    import fcntl

    with in_cache(path.parent):
        file = path.open("a")
    with file:
        with suppress(OSError):  # no locks here: slower, still correct
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
