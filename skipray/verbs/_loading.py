"""What verbs read from their arguments: the sweep, a budget, the folder of data."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from skipray.spec import SweepSpec, load_sweep

if TYPE_CHECKING:
    from skipray.planning.budget import Budget


class BadInput(Exception):
    """What the user can mend: printed as it is, exit code 2."""


def load(sweep: str, overrides: list[str] | None) -> SweepSpec:
    return load_sweep(find_sweep(sweep), overrides or ())


def find_sweep(sweep: str) -> Path:
    """A path as it is; a bare name is sweeps/NAME.yaml or NAME.yaml."""
    path = Path(sweep)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    for candidate in (Path("sweeps") / f"{sweep}.yaml", Path(f"{sweep}.yaml")):
        if candidate.exists():
            return candidate
    return Path("sweeps") / f"{sweep}.yaml"


def use_data(folder: str | None) -> None:
    """Workers find it in their environment, as the launch's own."""
    if folder is not None:
        os.environ["SKIPRAY_DATA"] = str(Path(folder).expanduser().absolute())


def budget_of(text: str | None) -> "Budget | None":
    """What `--budget` allows; None without one."""
    from skipray.planning.budget import parse_budget

    try:
        return parse_budget(text) if text is not None else None
    except ValueError as error:
        raise BadInput(f"--budget: {error}") from None
