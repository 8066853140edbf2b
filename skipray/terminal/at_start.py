"""What comes while the command line is still to be imported: signals, and files that hide what it imports. One line,
and no traceback."""

import os
import signal
import sys
from collections.abc import Iterable
from types import FrameType

from skipray.scheduling.work.stopping import SIGNALS

INTERRUPTED, REFUSED = 130, 2
LIBRARIES = (
    *("curvlinops", "fsspec", "jinja2", "markupsafe", "mlflow", "numpy", "optuna", "pandas", "prometheus_client"),
    *("psutil", "pyarrow", "pydantic", "pydantic_core", "ray", "rich", "ruamel", "safetensors", "scipy", "sklearn"),
    *("sqlalchemy", "threadpoolctl", "torch", "torchvision", "typer", "vl_convert"),
)
"""What skipray imports of others."""


def end_at_signals() -> None:
    """From now on each of SIGNALS ends the process at once, but what `nohup` has asked to ignore.

    For a process that is a command, before it imports more: nothing has begun that would have to be ended in order.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def refuse_hidden_libraries() -> None:
    """End the process with a sentence where a file or package in the folder that Python looks in first, which is the
    working directory for `python -m`, has the name of a library, which then cannot be imported."""
    first = sys.path[0] if sys.path else ""
    for path in hiding(first or os.curdir):
        name = os.path.basename(path).removesuffix(".py")  # noqa: PTH119  # pathlib is a tenth of a second of imports
        line = (
            f"found {path}, which hides the library {name}: Python looks there first; allowed: another name for it, or "
            "another working directory"
        )
        os.write(2, f"{line}\n".encode(errors="backslashreplace"))
        os._exit(REFUSED)


def hiding(folder: str, libraries: Iterable[str] = LIBRARIES) -> list[str]:
    """Modules and packages of a folder that have a library's name; none where the libraries themselves lie there."""
    found = [os.path.join(folder, f"{name}{end}") for name in libraries for end in (".py", f"{os.sep}__init__.py")]  # noqa: PTH118
    there = [path for path in found if os.path.isfile(path)]  # noqa: PTH113
    if len(there) > len(LIBRARIES) // 2:
        return []
    return [path.removesuffix(f"{os.sep}__init__.py") for path in there]


def _end(number: int, frame: FrameType | None) -> None:
    os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
