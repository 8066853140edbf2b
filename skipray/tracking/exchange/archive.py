"""The file that a sweep is handed over in: a zip of JSON and of the runs' own files, with a checksum for each.

    skipray.json                 format, the sweep's name and question, every run, every member's size and sha256
    runs/000001.json             one run: its tags, params, every value of every metric, start and end
    files/000001/layers.parquet  its files

Nothing in it is unpickled, and nothing is unpacked by the names that it holds: members are read one by one, those that
the index names, and checked before anything is written.
"""

import hashlib
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any

from skipray.errors import SkiprayError

FORMAT = 1
INDEX = "skipray.json"
MAX_INDEX = 256 * 2**20
"""Bytes of an index; those of 100,000 runs are a tenth of it."""
MAX_UNPACKED, MAX_RATIO = 2**30, 50
"""An archive that unpacks to more bytes than the first, and to more than so many times its own, is a bomb: weights and
Parquet files hardly shrink, the JSON of runs by a factor of ten."""
_PART = re.compile(r"^[^\x00-\x1f\\/:]{1,255}$")


class BadArchive(SkiprayError, ValueError):
    """No archive of a sweep, or a damaged one."""


def safe_name(name: str) -> str:
    """A file's name in a run, which cannot leave its folder. BadArchive for one that could."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or any(p in ("..", ".") or not _PART.match(p) for p in parts):
        raise BadArchive(f"found the file name {name!r}; allowed: a path below the run's own folder")
    return "/".join(parts)


class ArchiveWriter:
    """Writes an archive; it is whole when the context is left, and not there before."""

    def __init__(self, path: Path):
        self.path = path
        self._aside = path.with_name(f".{path.name}.part")
        self._index: dict[str, Any] = {"format": FORMAT, "members": {}}
        self._zip = zipfile.ZipFile(self._aside, "w", zipfile.ZIP_DEFLATED)

    def add(self, name: str, data: bytes) -> None:
        self._index["members"][name] = [len(data), hashlib.sha256(data).hexdigest()]
        self._zip.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)

    def about(self, **values: Any) -> None:
        """What the index says of the sweep."""
        self._index |= values

    def __enter__(self) -> "ArchiveWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._zip.writestr(INDEX, json.dumps(self._index, sort_keys=True))
        self._zip.close()
        if kind is None:
            self._aside.replace(self.path)
        else:
            self._aside.unlink(missing_ok=True)


DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, struct.error, lzma.LZMAError, EOFError, OSError),
    *(LookupError, ValueError, OverflowError, RuntimeError),  # NotImplementedError too: another way of compression
)
"""What reading a zip raises where a bit of it is wrong."""


class ArchiveReader:
    """Reads an archive. BadArchive where it is none, or damaged."""

    def __init__(self, path: Path):
        try:
            self._zip = zipfile.ZipFile(path)
            entry = self._zip.getinfo(INDEX)
            if entry.file_size > MAX_INDEX:
                raise BadArchive(f"{path}: its index is too large")
            self.index: dict[str, Any] = json.loads(self._zip.read(INDEX))
            self._members = {str(k): (int(s), str(d)) for k, (s, d) in self.index["members"].items()}
            found = self.index["format"]
        except BadArchive:
            raise
        except (*DAMAGED, TypeError, AttributeError) as error:
            said = f"{path}: found no archive of `skipray export` ({type(error).__name__}: {error})"
            raise BadArchive(said) from None
        if found != FORMAT:
            raise BadArchive(f"{path}: found the format {found}; this skipray reads {FORMAT}")
        unpacked, own = sum(max(size, 0) for size, _ in self._members.values()), path.stat().st_size
        if unpacked > max(MAX_UNPACKED, MAX_RATIO * own):
            raise BadArchive(f"{path}: found {own} bytes that unpack to {unpacked}; allowed: {MAX_RATIO} times as many")
        self.path = path

    @property
    def members(self) -> tuple[str, ...]:
        """Names of all members but the index."""
        return tuple(self._members)

    def read(self, name: str) -> bytes:
        """A member, checked."""
        size, digest = self._member(name)
        try:
            # No more than the index says is ever unpacked: a member that swells is refused before it fills the memory.
            with self._zip.open(name) as member:
                data = member.read(size + 1)
        except DAMAGED as error:
            raise BadArchive(f"{self.path}: {name} is damaged ({error})") from None
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            raise BadArchive(f"{self.path}: {name} is damaged (its sha256 is not the index's)")
        return data

    def _member(self, name: str) -> tuple[int, str]:
        if name not in self._members:
            raise BadArchive(f"{self.path}: {name} is missing")
        return self._members[name]

    def files(self, number: str) -> Iterator[tuple[str, bytes]]:
        """Names, safe to write below a folder, and contents of a run's files."""
        prefix = f"files/{number}/"
        for name in self._members:
            if name.startswith(prefix):
                yield safe_name(name.removeprefix(prefix)), self.read(name)

    def check(self) -> None:
        """Read every member, so that nothing of a damaged archive is imported."""
        for name in self._members:
            self.read(name)
            if name.startswith("files/"):
                safe_name(name.split("/", 2)[2] if name.count("/") >= 2 else "")

    def __enter__(self) -> "ArchiveReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
