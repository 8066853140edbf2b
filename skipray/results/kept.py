"""What a report was made from, kept beside it: one that stands as it was made need not be made again.

`made-from.json` holds the hash of what the report was made from, the sha256 of each of its files, and what the terminal
showed. A file that is missing or was altered, or a record that cannot be read, is as good as no report.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from skipray.errors import InputRefused
from skipray.spec.seal import is_sealed, sealed

PAGE, CLAIMS, TRENDS = "report.html", "claims.json", "trends.parquet"
"""Files of every report: the page, what `skipray aggregate --json` prints, and the fitted trends."""
RECORD = "made-from.json"
FORMAT = 1
"""Raised when the record means something else; one of another format is not read."""


class FewerTrials(InputRefused):
    """A report of fewer trials than the one that it would be written over."""


class OtherSweep(InputRefused):
    """A report of one sweep in a folder that holds another's."""


def keep_other(folder: Path, name: str) -> None:
    """Raise OtherSweep where a folder holds a report of another sweep than this, or a page that is no report's."""
    found = _told(_claims(folder)).get("sweep")
    if found is None and os.path.lexists(folder / PAGE) and not (folder / TRENDS).exists():
        raise OtherSweep(
            f"{folder}: found a {PAGE} that is not skipray's; allowed: --force to write it over, or --folder for "
            "another place"
        )
    if isinstance(found, str) and found != name:
        raise OtherSweep(
            f"{folder}: found a report of the sweep {found}, this one would be of {name}; allowed: --force to write it "
            "over, or --folder for another place"
        )


def keep_larger(folder: Path, name: str, trials: int) -> None:
    """Raise FewerTrials where a folder holds a report of this sweep with more trials."""
    before = trials_of(_claims(folder), name)
    if before > trials:
        raise FewerTrials(
            f"{folder}: found a report of {before} trials, this one would be of {trials}; allowed: --force to write it "
            "over, or --folder for another place"
        )


def trials_of(claims: bytes | None, name: str) -> int:
    """How many trials a report of this sweep is of, by its CLAIMS; 0 where there is none, or none that can be read."""
    told = _told(claims)
    try:
        return int(told["trials"]) if told["sweep"] == name else 0
    except (ValueError, KeyError, TypeError):
        return 0


def _claims(folder: Path) -> bytes | None:
    try:
        return (folder / CLAIMS).read_bytes()
    except OSError:
        return None  # no report


def _told(claims: bytes | None) -> dict[str, Any]:
    try:
        told = json.loads(claims or b"")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def keep(folder: Path, made_from: str, files: Iterable[Path], shown: Sequence[Mapping[str, Any]]) -> None:
    """Record a report that has just been written; a folder that cannot be written keeps nothing.

    Args:
        made_from: hash of what it was made from (`skipray.analysis.made_from`).
        shown: what the terminal shows of it, as values of JSON.
    """
    from skipray.storage import open_folder  # pyarrow and fsspec, for which no verb waits that writes no report

    record = {
        "format": FORMAT,
        "made_from": made_from,
        "files": {str(path.relative_to(folder)): _digest(path) for path in files},
        "shown": list(shown),
    }
    with suppress(OSError):
        open_folder(folder).write(RECORD, json.dumps(sealed(record)).encode())


def kept(folder: Path, made_from: Callable[[], str]) -> list[dict[str, Any]] | None:
    """What the terminal shows of the report in a folder, where that was made from the same and is whole; else None.

    Args:
        made_from: the hash of what it would be made from now; asked where there is a record at all.
    """
    try:
        record = json.loads((folder / RECORD).read_bytes())
        whole = record["format"] == FORMAT and is_sealed(record)
        whole = whole and all(_digest(folder / name) == digest for name, digest in record["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return list(record["shown"]) if whole and record["made_from"] == made_from() else None


def forget(folder: Path) -> None:
    """Before a report is written: half of a new one is not the old one."""
    with suppress(OSError):
        (folder / RECORD).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
