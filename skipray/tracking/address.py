"""Where a sweep is tracked, and how to say so without giving a secret away."""

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from skipray.errors import SkiprayError
from skipray.records import DEFAULT_STORE
from skipray.spec import SweepSpec

DEFAULT_URI = f"sqlite:///{DEFAULT_STORE}"
"""In the working directory, when neither the caller, the environment nor the sweep names an address."""
STORE_FOLDER = "skipray-store"
"""Beside the SQLite file, or in the working directory: artifacts, checkpoints, the cache of what was read back."""

NO_PLACE = ("?", "#", "%", "\n")
"""What an SQLite address or MLflow's own addresses of files do not take as part of a name."""
LONGEST = 512 - len("-journal")
"""Bytes of a SQLite file's path: SQLite takes 512, with the name of the journal that it writes beside the file."""

_SQL = ("sqlite", "postgresql", "mysql", "mssql")
_OPTIONS = re.compile(r"\?\w+=[^/?]*$")
_USER = re.compile(r"(?<=://)[^\s<>]*@(?=[\w.\[-])")
"""What stands before the host: a password may hold slashes, quotes, percent signs and further at-signs."""
_SECRET = re.compile(
    r"(?i)\b([\w-]*(?:password|passwd|token|secret|access_?key|api_?key|credential)[\w-]*\s*[=:]\s*)([^&\s'\",;]+)"
)
_QUOTED_SECRET = re.compile(
    r"(?i)([\w-]*(?:password|passwd|token|secret|access_?key|api_?key|credential)[\"']?\s*[=:]\s*)"
    r"([\"'])(?:\\.|(?!\2).)+\2"
)
"""`{"password": "x y"}`, `token = 'x'`: the quotes stay, so that JSON stays JSON."""
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_SECRET_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "PGPASSWORD",
    "RAY_AUTH_TOKEN",
)


class BadAddress(SkiprayError, ValueError):
    """No tracking address that MLflow writes to."""


class TrackingAway(SkiprayError, RuntimeError):
    """The tracking store cannot be reached, or does not answer as it should; what is written waits in the storage."""


class TrackingRefused(SkiprayError, RuntimeError):
    """The tracking store understood and refused: trying again would not help."""


@dataclass(frozen=True)
class Address:
    """Where a sweep's runs go. Picklable; workers get it from the driver."""

    uri: str
    """Resolved; may hold a password, which `repr` hides."""
    experiment_id: str
    parent_run_id: str
    artifact_location: str
    colours: tuple[tuple[str, str], ...] = ()
    """(Family, its colour in MLflow's charts)."""

    def artifacts_of(self, run_id: str) -> str:
        """The address of a run's files."""
        return f"{self.artifact_location.rstrip('/')}/{run_id}/artifacts"

    def __repr__(self) -> str:
        return f"Address({redact(self.uri)!r}, experiment {self.experiment_id})"


def redact(text: str) -> str:
    """A text, such as an address, an error or a traceback, without passwords and tokens."""
    text = _USER.sub("***@", text)
    text = _QUOTED_SECRET.sub(r"\1\2***\2", text)
    text = _SECRET.sub(r"\1***", text)
    text = _BEARER.sub(r"\1 ***", text)
    for name in _SECRET_VARIABLES:
        value = os.environ.get(name)
        if value and len(value) >= 4:
            text = text.replace(value, "***")
    return text


def resolve_uri(sweep: SweepSpec | None = None, tracking_uri: str | None = None) -> str:
    """The address in use: the argument, else MLFLOW_TRACKING_URI, else the sweep's, else DEFAULT_URI.

    A SQLite path is made absolute, because workers run elsewhere, and a PostgreSQL address names the installed driver.

    Raises:
        BadAddress: a plain folder or file address, which MLflow no longer writes to.
    """
    given = (
        ("", tracking_uri),
        ("MLFLOW_TRACKING_URI: ", os.environ.get("MLFLOW_TRACKING_URI")),
        (f"{sweep.path}: tracking.uri: ", sweep.tracking.uri) if sweep is not None else ("", None),
        ("", DEFAULT_URI),
    )
    where, uri = next((where, uri) for where, uri in given if uri)
    try:
        return _resolved(uri)
    except BadAddress as error:
        raise BadAddress(f"{where}{error}") from None


def _resolved(uri: str) -> str:
    if uri.startswith("sqlite:///"):
        path, options = _without_options(uri.removeprefix("sqlite:///"))
        if path in ("", ":memory:"):
            raise BadAddress("found an in-memory SQLite address; allowed: sqlite:///FILE")
        _refuse_quotes()
        _refuse_place(Path(path).absolute())
        return f"sqlite:///{_usable(Path(path))}{options}"
    scheme, mark, rest = uri.partition("://")
    if scheme in ("postgresql", "postgres"):
        return f"postgresql{_postgresql_driver()}{mark}{rest}"
    if is_sql(uri) or uri.startswith(("http://", "https://")):
        return uri
    raise BadAddress(
        f"found the tracking address {redact(uri)!r}; allowed: sqlite:///FILE, postgresql://..., mysql://..., "
        "mssql://..., http://... or https://..."
    )


def _without_options(path: str) -> tuple[str, str]:
    """The file of a SQLite address, and SQLAlchemy's options behind it (`?timeout=30`)."""
    found = _OPTIONS.search(path)
    return (path[: found.start()], found[0]) if found else (path, "")


def _usable(path: Path) -> Path:
    """A SQLite file's real path, whatever symbolic links lead to it: one file is one store.

    Raises BadAddress where a name in it means something else in an address, so that everything would be written,
    without a word, to another place, and where it is longer than SQLite takes.
    """
    try:
        real = path.resolve()
    except OSError as error:
        raise BadAddress(
            f"found the SQLite file {str(path)!r}: {error.strerror}; allowed: a file that can be made"
        ) from None
    if not _is_text(real):
        raise BadAddress(
            f"found the path {str(real)!a} of the SQLite file, which is not UTF-8; allowed: a folder whose path is "
            "(--tracking-uri sqlite:////ANOTHER/skipray.db)"
        )
    found = [mark for mark in NO_PLACE if mark in str(real)]
    if found:
        raise BadAddress(
            f"found {' and '.join(map(repr, found))} in the path {str(real)!r} of the SQLite file, which addresses "
            "read as something else; allowed: a folder without them (--tracking-uri sqlite:////ANOTHER/skipray.db)"
        )
    if (length := len(os.fsencode(real))) > LONGEST:
        raise BadAddress(
            f"found a path of {length} bytes to the SQLite file {str(real)!r}; allowed: {LONGEST} bytes, which is what "
            "SQLite takes (--tracking-uri sqlite:////SHORTER/skipray.db)"
        )
    return real


def _is_text(path: Path) -> bool:
    """Whether a path is UTF-8, as all of it must be that goes into an address or a message."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_quotes() -> None:
    """MLflow writes the working directory's path into a new store as Python's `repr`, which quotes for SQL as long as
    there is one kind of quotes in it."""
    try:
        folder = Path.cwd()
    except OSError:
        return
    if {"'", '"'} <= set(str(folder)):
        raise BadAddress(
            f"found both ' and \" in the path {folder} of the working directory, which MLflow cannot write into a "
            "SQLite file; allowed: a working directory whose path has no more than one of them"
        )


def _refuse_place(path: Path) -> None:
    """Where no file can be: reading would find nothing there, and say that nothing has run."""
    nearest = next(p for p in (path, *path.parents) if p.exists())
    if nearest == path and not path.is_file():
        raise BadAddress(
            f"found no file but {'a folder' if path.is_dir() else 'a device'} at {path}; allowed: sqlite:///FILE"
        )
    if nearest != path and not nearest.is_dir():
        raise BadAddress(f"found the SQLite file {path} in what is no folder: {nearest}; allowed: sqlite:///FILE")


def _postgresql_driver() -> str:
    """SQLAlchemy 2.1 takes psycopg (version 3) where no driver is named; most installations have psycopg2."""
    return "+psycopg2" if find_spec("psycopg") is None and find_spec("psycopg2") is not None else ""


def is_sql(uri: str) -> bool:
    """Whether an address is a database, as against a server that speaks HTTP."""
    return uri.partition("://")[0].partition("+")[0] in _SQL


def sqlite_path(uri: str) -> Path | None:
    """The file of a SQLite address; None for others."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(_without_options(uri.removeprefix("sqlite:///"))[0])


def store_folder(uri: str) -> Path:
    """The folder for what goes with the runs: beside a SQLite file, else in the working directory."""
    path = sqlite_path(uri)
    return (path.parent if path is not None else Path.cwd()) / STORE_FOLDER


def storage_url(sweep: SweepSpec, tracking_uri: str | None = None) -> str:
    """Where checkpoints, leases and undelivered results lie: the sweep's storage, else SKIPRAY_STORAGE, else beside the
    tracking store."""
    text = sweep.tracking.storage or os.environ.get("SKIPRAY_STORAGE")
    if text:
        return text if "://" in text else str(Path(text).absolute())
    return str(store_folder(resolve_uri(sweep, tracking_uri)) / "storage")
