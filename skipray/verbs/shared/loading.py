"""What verbs read from their arguments: the sweep, a budget, the folder of data."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skipray.errors import InputRefused
from skipray.results import kept
from skipray.spec import SpecError, SweepSpec, load_sweep
from skipray.spec.document import Document
from skipray.spec.finding import sweep_path
from skipray.spec.stored import missing_code, probed, selected
from skipray.verbs.shared.speaking import tell

if TYPE_CHECKING:
    from skipray.planning.budget import Budget


def load(sweep: str, overrides: list[str] | None) -> SweepSpec:
    return load_sweep(sweep, overrides or ())


def load_to_read(
    sweep: str, overrides: list[str] | None, tracking_uri: str | None, *, gone_too: bool = False
) -> SweepSpec:
    """The sweep of a verb that reads what was tracked: its file, or, without one, what its store has under its name.

    Where the file names code that is not here, the store's sweep is read, as far as the file selects it.

    Args:
        gone_too: whether the verb is for sweeps too that were deleted or renamed in MLflow, which others refuse.
    """
    path = sweep_path(sweep, shipped=False)
    if path.exists():
        spec = _selected(path, overrides or (), tracking_uri)
        if not gone_too:
            refuse_gone(spec.name, spec, tracking_uri)
        return spec
    if is_name(sweep):
        refuse_gone(sweep, None, tracking_uri)
    return _read_by_name(sweep, overrides, tracking_uri)


def refuse_gone(name: str, spec: SweepSpec | None, tracking_uri: str | None) -> None:
    """Raise InputRefused where a sweep's experiment was deleted or renamed in MLflow, or its own run was deleted:
    nothing of it would be found."""
    from skipray import tracking

    found = tracking.gone(tracking.resolve_uri(spec, tracking_uri), name)
    if found is not None:
        raise InputRefused(str(found))


def _read_by_name(sweep: str, overrides: list[str] | None, tracking_uri: str | None) -> SweepSpec:
    from skipray import tracking

    stored = tracking.stored_sweep(sweep, tracking_uri) if is_name(sweep) else None
    if stored is None:
        try:
            return load_sweep(sweep, overrides or ())
        except SpecError as error:
            if not is_name(sweep) or sweep_path(sweep).exists():
                raise
            store = tracking.redact(tracking.resolve_uri(None, tracking_uri))
            raise SpecError([f"{error}; found no sweep {sweep!r} in {store} either"]) from None
    if overrides:
        raise InputRefused(f"found --set, but no file of {sweep} to override; allowed: the sweep as its store has it")
    return stored.sweep


def load_to_build(sweep: str, overrides: list[str] | None, tracking_uri: str | None) -> SweepSpec:
    """The sweep of a verb that builds networks of what was tracked: its file, or, without one, what its store has under
    its name, as far as the code that it takes is here. Without a file, overrides say how to probe and nothing else."""
    if sweep_path(sweep, shipped=False).exists():
        spec = load(sweep, overrides)
        refuse_gone(spec.name, spec, tracking_uri)
        return spec
    from skipray import tracking

    if is_name(sweep):
        refuse_gone(sweep, None, tracking_uri)
    stored = tracking.stored_sweep(sweep, tracking_uri) if is_name(sweep) else None
    if stored is None:
        return load(sweep, overrides)
    if stored.sweep.of_table:
        raise InputRefused(
            f"{sweep}: found an imported table, which has no networks; allowed: a sweep that was launched"
        )
    spec = probed(stored.sweep, overrides or ()) if overrides else stored.sweep
    why = tracking.lacking(spec, tracking_uri)
    if why:
        raise InputRefused("\n".join(f"{sweep}: {sentence}" for sentence in why.values()))
    return spec


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


def use_data(folder: str | None) -> None:
    """Workers find it in their environment, as the launch's own."""
    if folder is None:
        return
    path = Path(folder).expanduser().absolute()
    if not path.is_dir():
        found = "a file" if path.exists() else "nothing"
        raise InputRefused(f"--data {folder}: found {found}; allowed: the folder in which the data sets lie")
    os.environ["SKIPRAY_DATA"] = str(path)


def report_folder(folder: Path | None, spec: SweepSpec, *, force: bool = False) -> Path:
    """Where the report goes, made sure of before anything is run for it: no other sweep's is there, unless `force`."""
    path = folder or Path("reports") / spec.name
    nearest = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not nearest.is_dir():
        raise InputRefused(f"{path}: found a file at {nearest}; allowed: a folder for the report")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputRefused(f"{path}: found that {nearest} may not be written; allowed: a folder for the report")
    if not force:
        kept.keep_other(path, spec.name)
    return path


def budget_of(text: str | None) -> "Budget | None":
    """What `--budget` allows; None without one."""
    from skipray.planning.budget import parse_budget

    try:
        return parse_budget(text) if text is not None else None
    except ValueError as error:
        raise InputRefused(f"--budget: {error}") from None
