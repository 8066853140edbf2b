"""The root of skipray's own errors, and the exit codes that the command line ends with.

Exit codes: 0 all done; 1 an internal error; 2 bad input, or surroundings that refuse; 3 some trials failed; 130
interrupted, resumable.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SkiprayError(Exception):
    """What a person can mend. The message says what was found, where, and what is allowed, one line per mistake."""

    exit_code: int = 2
    """What a command ends with that this error ends."""
    passing: bool = False
    """Whether the same command may go well when it is run again at once, in a fresh process."""


class InputRefused(SkiprayError, ValueError):
    """An argument, an option, or a file or folder that one of them names."""


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Within, a file or folder is written: an OSError that names none, such as that of a full disk, names this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise
