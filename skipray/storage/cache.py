"""Where what can be made again is kept on this machine."""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path


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
