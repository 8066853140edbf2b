"""What verbs read from their arguments: the sweep, a budget, the folder of data."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skipray.spec import SpecError, SweepSpec, load_sweep
from skipray.spec.document import Document
from skipray.spec.stored import missing_code, selected
from skipray.verbs._speaking import tell

if TYPE_CHECKING:
    from skipray.planning.budget import Budget


class BadInput(Exception):
    """What the user can mend: printed as it is, exit code 2."""


def load(sweep: str, overrides: list[str] | None) -> SweepSpec:
    return load_sweep(find_sweep(sweep), overrides or ())


def load_to_read(sweep: str, overrides: list[str] | None, tracking_uri: str | None) -> SweepSpec:
    """The sweep of a verb that reads what was tracked: its file, or, without one, what its store has under its name.

    Where the file names code that is not here, the store's sweep is read, as far as the file selects it.
    """
    path = find_sweep(sweep)
    if path.exists():
        return _selected(path, overrides or (), tracking_uri)
    from skipray import tracking

    stored = tracking.stored_sweep(sweep, tracking_uri) if is_name(sweep) else None
    if stored is None:
        return load_sweep(path, overrides or ())  # says what is wrong with it
    if overrides:
        raise BadInput(f"found --set, but no file of {sweep} to override; allowed: the sweep as its store has it")
    return stored.sweep


def _selected(path: Path, overrides: Sequence[str], tracking_uri: str | None) -> SweepSpec:
    try:
        return load_sweep(path, overrides)
    except SpecError:
        document = Document.read(path)
        for override in overrides:
            document.override(override)
        name = str(document.data.get("name", ""))
        if not missing_code(document.data) or not is_name(name):
            raise
        from skipray import tracking

        stored = tracking.stored_sweep(name, tracking_uri)
        found = selected(stored, document.data) if stored is not None else None
        if found is None:
            raise
        tell(f"{path}: {', '.join(missing_code(document.data))} cannot be imported here; read as its store has it")
        return found


def is_name(text: str) -> bool:
    """Whether a text can be a sweep's name."""
    return re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", text) is not None


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
