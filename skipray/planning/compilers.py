"""What `recipe.compile` needs of a machine, looked for before a trial is started there."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from skipray.spec import SweepSpec

WITHOUT = ("none", "auto")
"""What can be run without a compiler: auto does not compile where there is none."""
VERSION_SECONDS = 60.0
"""So long a compiler may take to say its version."""


def compiles(sweep: SweepSpec) -> bool:
    """Whether a trial of the sweep cannot be run without a compiler."""
    return any(cell.recipe.compile not in WITHOUT for cell in sweep.cells)


def missing_compiler(device: str) -> str | None:
    """Why steps cannot be compiled on this machine, and what to install; None where nothing is known to be missing.

    Args:
        device: that trials run on, cpu or cuda.
    """
    cuda = device == "cuda"
    name = os.environ.get("CC", "gcc") if cuda else os.environ.get("CXX", _default_compiler())
    if cuda and importlib.util.find_spec("triton") is None:
        return "recipe.compile: found no triton, which torch.compile needs on a GPU; install it, or choose none"
    if not _runs(name):
        what = "C" if cuda else "C++"
        return f"recipe.compile: found no working {what} compiler ({name}); install g++ or clang++, or choose none"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        return f"recipe.compile: found no {header}; install the headers of this Python (python3-dev), or choose none"
    return _unsupported()


def _default_compiler() -> str:
    """torch's own."""
    return "clang++" if sys.platform == "darwin" else "g++"


def _runs(name: str) -> bool:
    path = shutil.which(name)
    if path is None:
        return False
    try:
        said = subprocess.run([path, "--version"], capture_output=True, timeout=VERSION_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.returncode == 0


def _unsupported() -> str | None:
    """What torch says of itself and this Python. Imports it, and all that compiling needs of it."""
    import torch

    try:
        torch.compile(lambda: None)
    except RuntimeError as error:
        return f"recipe.compile: found a torch that does not compile here: {error}; choose none"
    return None
