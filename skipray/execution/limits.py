"""Limits that the shell, or a batch system, sets to a process, and of which Ray and the drawing of figures would die
without naming them: refused in a sentence before anything starts."""

import resource
from pathlib import Path

from skipray.errors import InputRefused

FILE_BYTES = 256 * 2**20
"""Ray's object store is one file of 100 MiB, and a database grows."""
DRAWING_ADDRESSES = 80 * 2**30
"""vl-convert's JavaScript engine sets aside 2 x 32 GiB of addresses, and uses next to none of them."""
TRAINING_ADDRESSES = 5632 * 2**20
"""Of a worker on two cores: with 5 GiB it dies of it before Ray knows of it, and the next one too, without end."""
OPEN_FILES = 64
"""With half of that Ray's own processes do not start, and do not say why."""


def check_limits(*, trains: bool = False, draws: bool = False) -> None:
    """
    Args:
        trains: Ray is started on this machine.
        draws: a report's figures are drawn.

    Raises:
        InputRefused: a limit is too low for that.
    """
    if trains:
        ray = "Ray and the database need"
        _check(resource.RLIMIT_FSIZE, FILE_BYTES, "the size of a file (`ulimit -f`)", ray)
        _check(resource.RLIMIT_AS, TRAINING_ADDRESSES, "addresses (`ulimit -v`)", "Ray and a worker need")
        _check(resource.RLIMIT_NOFILE, OPEN_FILES, "open files (`ulimit -n`)", "Ray needs", in_bytes=False)
    if draws:
        needs = "the drawing of figures needs"
        elsewhere = ", or launch with --no-report and write the report elsewhere"
        _check(resource.RLIMIT_AS, DRAWING_ADDRESSES, "addresses (`ulimit -v`)", needs, elsewhere)


def check_working_directory() -> None:
    """
    Raises:
        InputRefused: its path is not UTF-8, which Ray takes for no folder, in the midst of its start.
    """
    here = str(Path.cwd())
    try:
        here.encode()
    except UnicodeEncodeError:
        raise InputRefused(
            f"found the path {here!a} of the working directory, which is not UTF-8; allowed: a working directory whose "
            "path is, since Ray takes no other"
        ) from None


def _check(kind: int, needed: int, what: str, who_needs: str, otherwise: str = "", *, in_bytes: bool = True) -> None:
    found, _ = resource.getrlimit(kind)
    if found == resource.RLIM_INFINITY or found >= needed:
        return
    told, asked = (f"{found / 2**20:,.1f} MiB", f"{needed / 2**20:,.0f} MiB") if in_bytes else (str(found), str(needed))
    raise InputRefused(f"found a limit of {told} to {what}; {who_needs} {asked}: raise it{otherwise}")
