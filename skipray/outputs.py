"""Files that a user names to be written: made sure of before any work is done for them."""

import os
import stat
from collections.abc import Collection
from pathlib import Path

from skipray.errors import InputRefused

LONGEST = 240
"""Bytes of a name: beside the file one of a few bytes more is written first."""


def check_output(path: Path, endings: Collection[str], *, replace: bool, option: str = "") -> None:
    """Raise InputRefused for a file that cannot be written, or that would be written over something else.

    Args:
        endings: suffixes that the name may have, in lower case, with their dots.
        replace: whether a plain file that is there may be written over; what is no plain file never is.
        option: what named it, such as `--figure`; empty for an argument.
    """
    found = f"{option}: found {path}" if option else f"found the file {str(path)!r}"
    allowed = f"a name that ends in {' or '.join(endings)}, in a folder that exists"
    if os.path.isdir(path):  # noqa: PTH112  # pathlib's raises where the name is too long
        raise InputRefused(f"{found}, which is a folder; allowed: {allowed}")
    if path.suffix.lower() not in endings:
        raise InputRefused(f"{found}; allowed: {allowed}")
    if len(os.fsencode(path.name)) > LONGEST:
        raise InputRefused(f"{found}, a name that is too long; allowed: {LONGEST} bytes")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise InputRefused(f"{found}, whose folder is missing; allowed: {allowed}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputRefused(f"{found} in a folder that may not be written; allowed: one that may")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.is_symlink():
            return
        raise InputRefused(f"{found}, a link that leads nowhere; allowed: {allowed}") from None
    except OSError as error:
        raise InputRefused(f"{found}: {error.strerror}; allowed: {allowed}") from None
    if not stat.S_ISREG(mode):
        kind = (
            "a pipe" if stat.S_ISFIFO(mode) else "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "no file"
        )
        raise InputRefused(f"{found}, which is {kind}; allowed: {allowed}")
    if not replace:
        raise InputRefused(f"{found}, which is there already; allowed: another name, or --force to write it over")
