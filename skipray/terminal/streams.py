"""Standard output belongs to results, and standard error never stops the work.

Whatever a user's code, or a library, prints while a result is promised as one JSON object goes to standard error.
"""

import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from skipray.errors import SkiprayError

STDOUT, STDERR = 1, 2

_results: TextIO | None = None
"""Where results go; None: to `sys.stdout`, whatever that is by then."""


class ResultsNotWritten(SkiprayError):
    """Standard output does not take what was to be printed: a full disk, a device that refuses."""

    def __init__(self, error: OSError):
        super().__init__(
            f"standard output cannot be written: {error.strerror or error}; what was done is kept, and the same "
            "command prints it again"
        )


def _in(text: str, encoding: str | None) -> str:
    """The text as an encoding can hold it: what it has not is escaped, hard spaces are spaces."""
    encoding = encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.replace("\N{NO-BREAK SPACE}", " ").encode(encoding, "backslashreplace").decode(encoding)
    return text


class _Stream(io.TextIOBase):
    """Around another stream: what is written goes there, and what goes wrong there is taken care of here."""

    def __init__(self, stream: TextIO):
        super().__init__()
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(_in(text, self.encoding))
        except (OSError, ValueError) as error:
            self._refused(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError) as error:
            self._refused(error)

    def _refused(self, error: OSError | ValueError) -> None:
        raise NotImplementedError

    def isatty(self) -> bool:
        with suppress(OSError, ValueError):
            return self._stream.isatty()
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Tolerant(_Stream):
    """A stream that is closed, full or hung up takes nothing, and raises nothing: a terminal that was closed must not
    end a sweep."""

    def _refused(self, error: OSError | ValueError) -> None:
        return


class Results(_Stream):
    """Raises ResultsNotWritten where nothing can be written. A reader that has left, such as `head`, is no error."""

    def _refused(self, error: OSError | ValueError) -> None:
        # What is still in the stream goes nowhere, so that the interpreter does not try again at its end.
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
            self._stream.flush()
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise ResultsNotWritten(error) from None


def mend_streams(*, one_object: bool) -> None:
    """Make the standard streams of a command usable, whatever it was started with.

    A stream that was closed (`>&-`) is silent; its descriptor must not go to the next file that is opened.

    Args:
        one_object: standard output is promised to hold a JSON object and nothing else.
    """
    global _results
    for number in (0, STDOUT, STDERR):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
    if sys.stdout is None:
        sys.stdout = open(STDOUT, "w", closefd=False)  # noqa: SIM115  # as long as the process
    if sys.stderr is None:
        sys.stderr = open(STDERR, "w", closefd=False)  # noqa: SIM115
    sys.stderr = Tolerant(sys.stderr)
    if one_object:
        _results = Results(open(os.dup(STDOUT), "w", encoding="utf-8"))  # type: ignore[assignment]  # noqa: SIM115, PTH123
        os.dup2(STDERR, STDOUT)  # also what native code and child processes print
        sys.stdout = sys.stderr
    else:
        sys.stdout = Results(sys.stdout)


def print_result(text: str) -> None:
    """Print a line of a result."""
    print(text, file=_results if _results is not None else sys.stdout)


def flush_results() -> None:
    """
    Raises:
        ResultsNotWritten: see Results.
    """
    (_results if _results is not None else sys.stdout).flush()
