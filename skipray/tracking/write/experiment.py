"""The sweep's experiment and its parent run: made by the driver before any worker starts, ended by it at the end."""

import json
import logging
import platform
import re
import subprocess
import time
import uuid
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from skipray import __version__
from skipray.palette import family_colours
from skipray.spec import SweepSpec
from skipray.tracking.address import (
    Address,
    TrackingAway,
    TrackingRefused,
    is_sql,
    redact,
    resolve_uri,
    sqlite_path,
    store_folder,
)
from skipray.tracking.checksums import LIST, checksums_of
from skipray.tracking.client import reach
from skipray.tracking.files import read_file, write_files
from skipray.tracking.read.gone import gone
from skipray.tracking.schema import KIND, SWEEP, list_tag
from skipray.tracking.write.empty_store import begun_from_empty
from skipray.tracking.write.one_file import into_one_file
from skipray.tracking.write.schema_lock import schema_lock
from skipray.tracking.write.views import NOTE, experiment_tags, sweep_note, view_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

_NAMED = re.compile(r"^(Name|Version):[ \t]*(\S+)", re.MULTILINE)
MADE_BY = "skipray.made_by"
"""Tag of the experiment and of the sweep's run: which launch's request made it. Two runs of one value are one request
that arrived twice."""
MAKER_SECONDS = 10.0
"""How long a launch waits for the sweep's run of the launch that has made the experiment."""
JUST_MADE_SECONDS = 60.0
"""Of an experiment that is older nobody is making the run any more."""


def open_sweep(sweep: SweepSpec, tracking_uri: str | None = None) -> Address:
    """Make the schema, the experiment and the sweep's run where they are missing. What is there stays as it is.

    Raises:
        TrackingAway: the store cannot be reached.
        TrackingRefused: the experiment was deleted or renamed by hand, the sweep's own run was deleted, or the store
            refuses it.
        skipray.errors.InputRefused: what lies where the store's folder goes is none.
    """
    uri = resolve_uri(sweep, tracking_uri)
    # It says at each new store that it makes its tables.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    with schema_lock(uri):
        with begun_from_empty(uri):
            reach(uri, lambda c: c.get_experiment_by_name(sweep.name))
        _use_write_ahead_log(uri)
    mine = uuid.uuid4().hex
    experiment = _experiment(uri, sweep, mine)
    parent = _parent(uri, experiment, sweep, mine)
    colours = family_colours(cell.model.architecture for cell in sweep.cells)
    return Address(uri, experiment.experiment_id, parent, experiment.artifact_location, tuple(sorted(colours.items())))


def begin_sweep(address: Address, sweep: SweepSpec, *, files: Mapping[str, str | bytes] | None = None) -> None:
    """Say on the sweep's run that it runs, and with what: its text, overrides, environment lock and git state.

    Args:
        files: more files to log there, name -> content.
    """

    def begin(mlflow: "MlflowClient") -> None:
        mlflow.update_run(address.parent_run_id, status="RUNNING")
        for key, value in view_tags().items():  # that of another release is written over
            mlflow.set_experiment_tag(address.experiment_id, key, value)

    reach(address.uri, begin)
    log_files(address, _provenance(sweep) | dict(files or {}))


def prepare(
    sweep: SweepSpec, tracking_uri: str | None = None, *, files: Mapping[str, str | bytes] | None = None
) -> Address:
    """`open_sweep` and `begin_sweep`, before any worker starts."""
    address = open_sweep(sweep, tracking_uri)
    begin_sweep(address, sweep, files=files)
    return address


def log_files(address: Address, files: Mapping[str, str | bytes], *, folder: str = "") -> None:
    """Log files on the parent run: name -> content, and a list of their checksums. Secrets are taken out of texts."""
    if not files:
        return
    prefix = f"{folder}/" if folder else ""
    contents: dict[str, bytes] = {prefix + n: redact(c).encode() if isinstance(c, str) else c for n, c in files.items()}
    uri, place, run_id = address.uri, address.artifacts_of(address.parent_run_id), address.parent_run_id
    listed = read_file(uri, place, run_id, f"{prefix}{LIST}") or b""
    of_list = {f"{prefix}{LIST}": checksums_of(contents, listed.decode(errors="replace")).encode()}
    write_files(uri, place, run_id, contents | of_list)
    reach(uri, lambda c: c.set_tag(run_id, list_tag(folder), checksums_of(of_list)))


def logged_file(address: Address, name: str) -> bytes | None:
    """A file of the parent run; None where it has none of that name."""
    run_id = address.parent_run_id
    return read_file(address.uri, address.artifacts_of(run_id), run_id, name)


def finish_sweep(address: Address, status: str = "FINISHED", *, tags: Mapping[str, str] | None = None) -> None:
    """End the parent run: FINISHED, FAILED (some trials failed) or KILLED (interrupted)."""

    def end(mlflow: "MlflowClient") -> None:
        for key, value in (tags or {}).items():
            mlflow.set_tag(address.parent_run_id, key, redact(value))
        mlflow.set_terminated(address.parent_run_id, status)

    reach(address.uri, end)
    into_one_file(address.uri)


def _experiment(uri: str, sweep: SweepSpec, mine: str) -> "Experiment":
    name = sweep.name
    location = str((store_folder(uri) / "artifacts").absolute()) if is_sql(uri) else None

    tags = {SWEEP: name, MADE_BY: mine} | experiment_tags(sweep.question)

    def find_or_create(mlflow: "MlflowClient") -> "Experiment":
        from mlflow.exceptions import MlflowException

        found = mlflow.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            _refuse_gone(uri, name)
        if found is None:
            try:
                return mlflow.get_experiment(mlflow.create_experiment(name, location, tags=tags))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = mlflow.get_experiment_by_name(name)  # another driver was first
                if found is None:  # MLflow says so of other troubles of a database too
                    raise
        return found

    return reach(uri, find_or_create)


def _refuse_gone(uri: str, name: str) -> None:
    """Raise TrackingRefused rather than begin a sweep from nothing whose runs the store holds."""
    found = gone(uri, name)
    if found is not None:
        raise TrackingRefused(str(found))


def _parent(uri: str, experiment: "Experiment", sweep: SweepSpec, mine: str) -> str:
    """The sweep's run: the oldest there is, or a new one. Of two that are made at once the later is taken back, and so
    is what a proxy makes of one request by sending it twice.

    Which of two is the oldest cannot be told while one is on its way. But of one name a store makes one experiment:
    of launches that begin a sweep at once, that one makes the run which has made the experiment.
    """
    experiment_id, maker = experiment.experiment_id, experiment.tags.get(MADE_BY, mine)
    age = time.time() - (experiment.creation_time or 0) / 1000
    end = time.monotonic() + (MAKER_SECONDS if maker != mine and abs(age) < JUST_MADE_SECONDS else 0)

    def all_of(mlflow: "MlflowClient") -> list["Run"]:
        found = mlflow.search_runs([experiment_id], f"tags.`{KIND}` = 'sweep'")
        return sorted(found, key=lambda r: (r.info.start_time, r.info.run_id))

    def find_or_create(mlflow: "MlflowClient") -> str:
        found = all_of(mlflow)
        if not found:
            _refuse_gone(uri, sweep.name)
        while not found and time.monotonic() < end:
            time.sleep(0.1)
            found = all_of(mlflow)
        if not found:
            tags = {
                KIND: "sweep",
                SWEEP: sweep.name,
                MADE_BY: mine,
                "skipray.version": __version__,
                NOTE: sweep_note(sweep.question),
            }
            made = str(mlflow.create_run(experiment_id, run_name=sweep.name, tags=tags).info.run_id)
            found = all_of(mlflow)
            if made not in {r.info.run_id for r in found}:
                raise TrackingAway(f"{redact(uri)}: the server does not show the run that it has just made")
        for run in found[1:]:
            if run.data.tags.get(MADE_BY) == mine:
                mlflow.delete_run(run.info.run_id)
        return str(found[0].info.run_id)

    return reach(uri, find_or_create)


def _provenance(sweep: SweepSpec) -> dict[str, str | bytes]:
    """What is needed to run the sweep again: its file, the installed versions, the source's state."""
    installed = sorted(release for each in metadata.distributions() if (release := _release(each)))
    machine = {"skipray": __version__, "python": platform.python_version(), "platform": platform.platform()}
    files: dict[str, str | bytes] = {
        f"sweep/{sweep.path.name if sweep.path.suffix else sweep.name + '.yaml'}": sweep.text,
        "environment/requirements.lock": "".join(f"{line}\n" for line in dict.fromkeys(installed)),
        "environment/machine.json": json.dumps(machine, indent=1),
    }
    if sweep.overrides:
        files["sweep/overrides.txt"] = "".join(f"{o}\n" for o in sweep.overrides)
    git = git_state(sweep.path.parent)
    if git:
        files["environment/git.txt"] = git
    return files


def _release(installed: metadata.Distribution) -> str:
    """`name==version`; empty where it does not say them. Of its metadata the first lines: they hold its readme too."""
    head, _, _ = (installed.read_text("METADATA") or installed.read_text("PKG-INFO") or "").partition("\n\n")
    said = dict(_NAMED.findall(head))
    return f"{said['Name']}=={said['Version']}" if {"Name", "Version"} <= set(said) else ""


def git_state(folder: Path) -> str:
    """Commit and changed files of the repository that holds the sweep; empty where there is none."""
    lines = []
    for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"]):
        try:
            done = subprocess.run(
                ["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        lines.append(done.stdout)
    return "".join(lines)


def _use_write_ahead_log(uri: str) -> None:
    """Readers and one writer then do not lock each other out, and a commit syncs the disk once. Kept in the file."""
    if sqlite_path(uri) is None:
        return
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import OperationalError

    engine = create_engine(uri)
    try:
        with engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode=WAL"))
    except OperationalError as error:
        raise TrackingAway(f"{redact(uri)}: {redact(str(error.orig))}") from None
    finally:
        engine.dispose()
