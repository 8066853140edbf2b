"""Which file a sweep is: one rule for the command line and for Python."""

import os
import stat
from pathlib import Path

from skipray.errors import InputRefused
from skipray.spec.shipped import is_file, shipped_sweep

MAX_BYTES = 256 * 1024
"""Of a sweep's file: a hundred times what the longest one that travels with skipray has."""
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def sweep_path(sweep: str | os.PathLike[str], *, shipped: bool = True) -> Path:
    """The file of a sweep: a path as it is; a bare name is sweeps/NAME.yaml, NAME.yaml, or a sweep that comes with
    skipray, the first that there is.

    Args:
        shipped: whether those that come with skipray count.
    """
    path = Path(sweep)
    if path.suffix in (".yaml", ".yml") or is_file(path):
        return path
    name = os.fspath(sweep)
    here = [Path("sweeps") / f"{name}.yaml", Path(f"{name}.yaml")]
    found = next((p for p in here if is_file(p)), None) or (shipped_sweep(name) if shipped else None)
    if found is not None:
        return found
    return path if _kind(path) else here[0]


def read_text(path: Path) -> str:
    """The text of a regular file.

    Raises:
        InputRefused: a folder, a device, a pipe, more than MAX_BYTES, or bytes that are no UTF-8.
        OSError: it is not there, or cannot be read.
    """
    if found := _kind(path):
        raise InputRefused(f"{path}: found {found}; allowed: a YAML file")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputRefused(f"{path}: found more than {MAX_BYTES // 1024} KiB; allowed: a smaller file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputRefused(f"{path}: found bytes that are not UTF-8 ({error.reason}); allowed: a YAML text") from None


def _kind(path: Path) -> str:
    """What stands at a path that is no regular file; empty for a file, and where nothing is."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    return next((words for holds, words in _KINDS if holds(mode)), "")
