"""A run as an archive has it, checked whole before anything of it is written: an archive may be anybody's."""

import json
import posixpath
import re
from collections.abc import Callable
from typing import Any

from skipray.tracking.exchange.archive import ArchiveReader, BadArchive

STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
LONGEST_KEY, LONGEST_VALUE = 250, 8000
"""Characters that MLflow takes of a name and of a tag's value."""
LONGEST_PARAM = 6000
LARGEST = 2**63 - 1
"""Of a time and of a step, as stores keep them."""


def numbers_of(archive: ArchiveReader) -> list[str]:
    """The numbers of an archive's runs."""
    found = archive.index.get("runs", [])
    if not isinstance(found, list) or not all(isinstance(n, str) for n in found) or len(set(found)) < len(found):
        raise BadArchive(f"{archive.path}: its index lists no runs; allowed: the number of each, once")
    return found


def read_run(archive: ArchiveReader, number: str) -> dict[str, Any]:
    """A run: `tags`, `params` (text to text), `metrics` ([key, step, time, value]), `status`, `start`, `end`, `name`,
    `datasets`. BadArchive where it is something else."""
    try:
        run = json.loads(archive.read(f"runs/{number}.json"))
        for what, holds in _RULES.items():
            if not holds(run.get(what)):
                raise TypeError(f"{what}: found {str(run.get(what))[:60]!r}")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, BadArchive):
            raise
        raise BadArchive(f"{archive.path}: run {number} cannot be read ({error})") from None
    return dict(run)


def _texts(longest: int) -> Callable[[Any], bool]:
    def holds(found: Any) -> bool:
        return isinstance(found, dict) and all(
            _key(k) and isinstance(v, str) and len(v) <= longest for k, v in found.items()
        )

    return holds


def _key(found: Any) -> bool:
    """A name that MLflow takes: it becomes a file's in some stores."""
    if not isinstance(found, str) or len(found) > LONGEST_KEY or found.startswith(("..", "/")):
        return False
    return re.fullmatch(r"[\w.\-/ :]+", found) is not None and posixpath.normpath(found) == found != "."


def _whole(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and abs(found) <= LARGEST


def _value(found: Any) -> bool:
    if not isinstance(found, list) or len(found) != 4:
        return False
    key, step, time, value = found
    return _key(key) and _whole(step) and _whole(time) and isinstance(value, int | float)


def _dataset(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("dataset"), dict):
        return False
    needed = all(isinstance(found["dataset"].get(k), str) for k in ("name", "digest", "source_type", "source"))
    return needed and _texts(LONGEST_VALUE)(found.get("tags", {}))


_RULES: dict[str, Callable[[Any], bool]] = {
    "tags": _texts(LONGEST_VALUE),
    "params": _texts(LONGEST_PARAM),
    "metrics": lambda found: isinstance(found, list) and all(map(_value, found)),
    "status": lambda found: found in STATUSES,
    "start": lambda found: found is None or _whole(found),
    "end": lambda found: found is None or _whole(found),
    "name": lambda found: found is None or (isinstance(found, str) and len(found) <= LONGEST_KEY),
    "datasets": lambda found: found is None or (isinstance(found, list) and all(map(_dataset, found))),
}
