"""Limits that the shell, or a batch system, sets to a process, and of which Ray and the drawing of figures would die
without naming them: refused in a sentence before anything starts."""

import resource

from skipray.errors import InputRefused

FILE_BYTES = 256 * 2**20
"""Ray's object store is one file of 100 MiB, and a database grows."""
ADDRESS_BYTES = 80 * 2**30
"""vl-convert's JavaScript engine sets aside 2 x 32 GiB of addresses, and uses next to none of them."""


def check_limits(*, trains: bool = False, draws: bool = False) -> None:
    """
    Args:
        trains: Ray is started on this machine.
        draws: a report's figures are drawn.

    Raises:
        InputRefused: a limit is too low for that.
    """
    if trains:
        _check(resource.RLIMIT_FSIZE, FILE_BYTES, "the size of a file (`ulimit -f`)", "Ray and the database need", "")
    if draws:
        elsewhere = ", or launch with --no-report and write the report elsewhere"
        _check(resource.RLIMIT_AS, ADDRESS_BYTES, "addresses (`ulimit -v`)", "the drawing of figures needs", elsewhere)


def _check(kind: int, needed: int, what: str, who_needs: str, otherwise: str) -> None:
    found, _ = resource.getrlimit(kind)
    if found != resource.RLIM_INFINITY and found < needed:
        raise InputRefused(
            f"found a limit of {found / 2**20:,.1f} MiB to {what}; {who_needs} {needed / 2**20:,.0f} MiB: raise it"
            f"{otherwise}"
        )
