"""Where what can be made again is kept on this machine."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skipray.errors import SkiprayError


class CacheUnusable(SkiprayError, RuntimeError):
    """The cache folder cannot be written, or has no room."""


def cache_folder() -> Path:
    """SKIPRAY_CACHE, else skipray in the system's cache folder, else (not writable) in the one for temporary files."""
    if os.environ.get("SKIPRAY_CACHE"):
        return Path(os.environ["SKIPRAY_CACHE"]).expanduser()
    if os.environ.get("XDG_CACHE_HOME"):
        base = Path(os.environ["XDG_CACHE_HOME"])
    else:
        base = Path("~/Library/Caches" if sys.platform == "darwin" else "~/.cache").expanduser()
    folder = base / "skipray"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.gettempdir()) / f"skipray-{os.getuid()}"


@contextmanager
def in_cache(folder: Path) -> Iterator[None]:
    """Within, files are made in this folder of the cache.

    Raises:
        CacheUnusable: an OSError that came of it, with the folder and what to do.
    """
    try:
        yield
    except OSError as error:
        raise CacheUnusable(
            f"{folder}: found a cache folder that cannot be used ({error.strerror or error}); allowed: a folder that "
            "can be written and has room; SKIPRAY_CACHE names another one"
        ) from error
