"""A folder on a disk or in an object store, with the two operations that leases and checkpoints stand on:
a file is written whole or not at all, and a file is created only if it is not there."""

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import fsspec

from skipray.errors import written_to

_ASIDE = re.compile(r"^\.(.+)\.[0-9a-f]{12}$")
"""What a file is called while it is written."""
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")


class Folder(Protocol):
    """Files by name in one folder. Names cannot leave it."""

    def read(self, name: str) -> bytes | None:
        """The file's bytes; None when there is no such file."""

    def write(self, name: str, data: bytes) -> None:
        """Write a file, replacing an older one: readers see the old bytes or the new, never a part."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that must not exist. Of several that try at once, one alone is told True."""

    def names(self) -> list[str]:
        """Names of the files and folders in it, sorted; none when the folder does not exist."""

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens when there is none."""

    def remove_all(self, ours: Callable[[str], bool] | None = None) -> None:
        """Remove the folder and all that is in it.

        Args:
            ours: says of a name whether its file may go: what else is there stays, and then its folder too.
        """


def open_folder(url: str | os.PathLike[str], *parts: str) -> Folder:
    """The folder at `url/part/part`.

    Args:
        url: a local path, or an address that fsspec knows.
        parts: names below it; ValueError for one that would leave its folder.
    """
    for part in parts:
        check_name(part)
    text = os.fspath(url)
    protocol, _, rest = text.partition("://")
    if not rest or protocol == "file":
        return LocalFolder(Path(rest or text).joinpath(*parts))
    filesystem, root = fsspec.core.url_to_fs(text, use_listings_cache=False)
    return ObjectFolder(filesystem, "/".join([root.rstrip("/"), *parts]))


def check_name(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(
            f"found {name!r}; allowed: a name of letters, digits, dots, dashes and underscores that starts with a "
            "letter or a digit"
        )
    return name


class LocalFolder:
    """On a disk. A new file is written beside its place, synced, and renamed."""

    def __init__(self, path: Path):
        self.path = path

    def read(self, name: str) -> bytes | None:
        try:
            return (self.path / check_name(name)).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        with self._written_aside(name, data) as aside:
            aside.replace(self.path / name)

    def create(self, name: str, data: bytes) -> bool:
        # A hard link is exclusive on local disks and on NFS, and what it names is complete from the start.
        with self._written_aside(name, data) as aside:
            try:
                os.link(aside, self.path / name)
            except FileExistsError:
                return False
            except OSError:
                return self._create_directly(name, data)
        return True

    def _create_directly(self, name: str, data: bytes) -> bool:
        """For file systems without hard links: exclusive too, but a reader may meet the file before its bytes."""
        try:
            with written_to(self.path / name), (self.path / name).open("xb") as file:
                file.write(data)
        except FileExistsError:
            return False
        return True

    @contextlib.contextmanager
    def _written_aside(self, name: str, data: bytes) -> Any:
        aside = self.path / f".{check_name(name)}.{uuid.uuid4().hex[:12]}"
        try:
            try:
                handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            except FileNotFoundError:
                self.path.mkdir(parents=True, exist_ok=True)
                handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with written_to(self.path / name), os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield aside
        finally:
            with contextlib.suppress(FileNotFoundError):
                aside.unlink()

    def names(self) -> list[str]:
        try:
            return sorted(p.name for p in self.path.iterdir() if not p.name.startswith("."))
        except FileNotFoundError:
            return []

    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.path / check_name(name)).unlink()

    def remove_all(self, ours: Callable[[str], bool] | None = None) -> None:
        with contextlib.suppress(FileNotFoundError):
            if ours is None:
                shutil.rmtree(self.path)
                return
            for path in list(self.path.iterdir()):
                aside = _ASIDE.match(path.name)  # of a writer that was killed
                if ours(aside[1] if aside else path.name):
                    path.unlink(missing_ok=True)
            if not any(self.path.iterdir()):
                self.path.rmdir()


@contextlib.contextmanager
def _os_errors() -> Iterator[None]:
    """Errors of a store's own client, such as botocore's for an endpoint that is away, as the OSErrors they are."""
    try:
        yield
    except (OSError, ValueError):
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


class ObjectFolder:
    """In an object store. Stores put an object whole or not at all; exclusive creation is the store's own
    (S3: `If-None-Match: *`, Google: generation 0), which fsspec's file systems offer as `mode="create"`."""

    def __init__(self, filesystem: Any, root: str):
        self.filesystem = filesystem
        self.root = root

    def _path(self, name: str) -> str:
        return f"{self.root}/{check_name(name)}"

    @_os_errors()
    def read(self, name: str) -> bytes | None:
        try:
            return bytes(self.filesystem.cat_file(self._path(name)))
        except FileNotFoundError:
            return None

    @_os_errors()
    def write(self, name: str, data: bytes) -> None:
        self._make_root()
        self.filesystem.pipe_file(self._path(name), data)

    @_os_errors()
    def create(self, name: str, data: bytes) -> bool:
        self._make_root()
        try:
            self.filesystem.pipe_file(self._path(name), data, mode="create")
        except FileExistsError:
            return False
        return True

    @_os_errors()
    def _make_root(self) -> None:
        """Folders of stores that have them, such as fsspec's `memory`; object stores need none."""
        if not self.filesystem.async_impl:
            self.filesystem.makedirs(self.root, exist_ok=True)

    @_os_errors()
    def names(self) -> list[str]:
        try:
            found = self.filesystem.ls(self.root, detail=False)
        except FileNotFoundError:
            return []
        return sorted(str(path).rstrip("/").rpartition("/")[2] for path in found)

    @_os_errors()
    def remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.filesystem.rm_file(self._path(name))

    @_os_errors()
    def remove_all(self, ours: Callable[[str], bool] | None = None) -> None:
        with contextlib.suppress(FileNotFoundError):
            if ours is not None:
                for name in filter(ours, self.names()):
                    self.filesystem.rm_file(self._path(name))
                if self.names():
                    return
            self.filesystem.rm(self.root, recursive=True)
