"""Which files of finished runs are not what was recorded: missing, truncated, or with a bit that has flipped.

On a local store every look compares sizes, and hashes what has changed since it was hashed last; behind a server only
`skipray doctor`, which fetches the files, can tell.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from skipray.tracking.address import store_folder
from skipray.tracking.checksums import LIST, Checksum, are_listed, read_checksums
from skipray.tracking.files import local_folder, read_file
from skipray.tracking.read.manifest import unread_manifests
from skipray.tracking.read.row import RunRow
from skipray.tracking.read.shared_tables import FOLDER as TABLES
from skipray.tracking.read.shared_tables import wrong_tables
from skipray.tracking.read.sweep_run import SweepRun, find_sweep_run
from skipray.tracking.schema import list_tag
from skipray.tracking.several import reads_at_once, several

VERIFIED = "verified.json"
"""In the store's cache: run/file -> time of change (ns), size and sha256 with which it was found whole."""
MAX_HASHED = 512 * 2**20
"""Bytes that one look hashes; the next one goes on from there."""
SAID = 500
"""Runs after which a thorough look says how far it is."""


@dataclass(frozen=True)
class Damage:
    """A file of a finished run that is not what was recorded."""

    trial_id: str
    run_id: str
    file: str
    what: str
    """Such as `is truncated (10 bytes of 20)`."""


def damaged(
    uri: str, rows: Iterable[RunRow], *, thorough: bool = False, say: Callable[[str], None] = lambda text: None
) -> list[Damage]:
    """What is wrong with the files of finished runs.

    Args:
        thorough: hash every file, and fetch those that lie behind a server, several at once.
    """
    verified = _Verified(uri)

    def of_run(row: RunRow) -> list[Damage]:
        return [Damage(row.trial_id, row.run_id, *told) for told in _of_run(uri, row, verified, thorough)]

    found: list[Damage] = []
    for count, of_one in enumerate(several(of_run, rows, at_once=reads_at_once(uri)), 1):
        found += of_one
        if thorough and count % SAID == 0:
            say(f"files of {count} runs looked at")
    verified.keep()
    return found


def _of_run(uri: str, row: RunRow, verified: "_Verified", thorough: bool) -> Iterator[tuple[str, str]]:
    """File and what is wrong with it."""
    folder = local_folder(uri, row.artifact_uri, row.run_id)
    for name, expected in read_checksums(row.artifacts).items():
        if folder is not None:
            what = verified.problem(row.run_id, folder / name, name, expected, thorough)
        elif thorough:
            what = expected.problem(read_file(uri, row.artifact_uri, row.run_id, name, expected=expected))
        else:
            continue
        if what:
            yield name, what
    if not are_listed(row.artifacts) and folder is not None and not (folder / "layers.parquet").is_file():
        yield "layers.parquet", "is missing"


def damaged_beside(uri: str, run: SweepRun, *, thorough: bool = False) -> list[tuple[str, str]]:
    """File and what is wrong with it, of what the sweep's own run holds: manifests, report, text, environment.

    Files that an earlier skipray has logged have no checksums, and are left out.

    Args:
        thorough: hash every file, and fetch those that lie behind a server.
    """
    kept = local_folder(uri, run.artifact_uri, run.run_id)
    if kept is None and not thorough:
        return []
    verified = _Verified(uri)
    unread = dict(unread_manifests(uri, run))
    found = [(name, f"is passed over ({what})") for name, what in unread.items()]
    found += wrong_tables(uri, run)
    for folder in ("", "report"):
        listed = f"{folder}/{LIST}" if folder else LIST
        data = read_file(uri, run.artifact_uri, run.run_id, listed)
        own = read_checksums(run.tags.get(list_tag(folder), "")).get(listed)
        wrong = own.problem(data) if own is not None else ""
        checksums = read_checksums((data or b"").decode(errors="replace"))
        if wrong or (data is not None and not checksums):
            found.append((listed, wrong or "is no list of checksums"))
            continue  # what it says of other files is not to be trusted
        for name, expected in checksums.items():
            if name in unread:
                continue
            if kept is not None:
                what = verified.problem(run.run_id, kept / name, name, expected, thorough)
            else:
                what = expected.problem(read_file(uri, run.artifact_uri, run.run_id, name, expected=expected))
            if what:
                found.append((name, what))
    verified.keep()
    return found


def words_beside(sweep: str, found: Iterable[tuple[str, str]]) -> list[str]:
    """Sentences about what `damaged_beside` has found, with who makes each file anew."""
    anew = {
        "report": f"`skipray report {sweep} --log` makes it anew",
        "manifest": "the runs themselves say what it said",
        TABLES: f"its runs are read themselves, and `skipray report {sweep} --log` makes it anew",
    }
    launch = "the next launch of the same file writes it anew"
    return [f"{f} of the sweep's own run {what}: {anew.get(f.partition('/')[0], launch)}" for f, what in found]


def store_damage(
    uri: str, sweep: str, rows: Iterable[RunRow], label: Callable[[str], str], *, report: bool = True
) -> list[str]:
    """Sentences about damaged files of finished runs and of the sweep's own.

    Args:
        label: of a trial, by its id.
        report: whether also those of the report that stands.
    """
    own = find_sweep_run(uri, sweep)
    beside = damaged_beside(uri, own) if own is not None else []
    kept = [(file, what) for file, what in beside if report or not file.startswith("report/")]
    return [*damage_words(damaged(uri, rows), label), *words_beside(sweep, kept)]


def damage_words(found: Iterable[Damage], label: Callable[[str], str], most: int = 5) -> list[str]:
    """Sentences about damage, the first few one by one.

    Args:
        label: of a trial, by its id.
    """
    found = list(found)
    lines = [f"{label(d.trial_id)}: {d.file} {d.what}" for d in found[:most]]
    if len(found) > most:
        lines.append(f"and {len(found) - most} more damaged files: `skipray doctor` names them all")
    return lines


class _Verified:
    """Remembers which files were found whole, by their time of change and size."""

    def __init__(self, uri: str):
        self._path: Path = store_folder(uri) / "cache" / VERIFIED
        self._known: dict[str, list[int | str]] = {}
        self._hashed = 0
        self._changed = False
        try:
            told = json.loads(self._path.read_bytes())
            self._known = told if isinstance(told, dict) else {}
        except (OSError, ValueError):
            pass  # nothing is known, so everything is looked at

    def problem(self, run_id: str, path: Path, name: str, expected: Checksum, thorough: bool) -> str:
        try:
            status = path.stat()
        except OSError:
            return "is missing"
        wrong = expected.problem_of_size(status.st_size)
        mark: list[int | str] = [status.st_mtime_ns, status.st_size, expected.sha256]
        key = f"{run_id}/{name}"
        if wrong or (self._known.get(key) == mark and not thorough):
            return wrong
        if self._hashed + status.st_size > MAX_HASHED and not thorough:
            return ""
        self._hashed += status.st_size
        with path.open("rb") as file:
            wrong = expected.problem_of_digest(hashlib.file_digest(file, "sha256").hexdigest())
        if not wrong:
            self._known[key] = mark
            self._changed = True
        return wrong

    def keep(self) -> None:
        """Where the folder is read-only nothing is kept."""
        if not self._changed:
            return
        aside = self._path.with_name(f".{uuid.uuid4().hex}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(self._known))
            aside.replace(self._path)
        except OSError:
            return
