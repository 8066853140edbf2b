"""One MLflow client per process and address, with timeouts that do not hold a trial up, and errors in two kinds."""

import logging
import os
import random
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from skipray.tracking.address import TrackingAway, TrackingRefused, is_sql, redact
from skipray.tracking.mlflow_private import import_stores
from skipray.tracking.old_database import refuse_other_schema

if TYPE_CHECKING:
    from mlflow import MlflowClient

T = TypeVar("T")

_SETTINGS = {
    # MLflow's own defaults (120 s, 7 retries) would let one outage hold a trial for a quarter of an hour. Retries are
    # ours, because before a run is created again it has to be looked for.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "60",
    # Standard output belongs to results; nothing is reported to anybody.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Environment variables of MLflow that are set where the user has not set them."""

RETRY_SECONDS_SQL = (0.1, 0.3, 0.9, 2.7, 5.0)
"""A database that is locked or restarting: MLflow has already waited up to 20 s for SQLite's lock in each attempt."""
RETRY_SECONDS_HTTP = (0.5, 2.0)
_REFUSALS = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS")


REMEDIES = (
    (r"Host header", "start the server with --allowed-hosts naming this host and port"),
    (
        r"\b401\b|UNAUTHENTICATED",
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or _TOKEN), or write ~/.mlflow/credentials",
    ),
    (
        r"\b403\b|PERMISSION_DENIED",
        "let the server's permissions, or the proxy before it, accept this user and this machine",
    ),
    (
        r"\b404\b",
        "see that the address is the server's own, with the path before it under which a proxy serves it, if any",
    ),
    ("", "see that the server runs, and that the address is reached from here (localhost is each machine's own)"),
)
"""A pattern of what a server said, or did not say, and what to do about it: the first that fits."""

_CUT_BODY = re.compile(r"\s*Response body: '[^']*$")
"""What is left of an answer's text in the first line of what MLflow says of it."""
_NO_SERVER = (
    (r"Max retries exceeded.*\[Errno -?\d+\] ([A-Za-z][A-Za-z ]*)", "no connection ({})"),
    (r"Max retries exceeded.*timed out", "no connection (timed out)"),
    (r"Max retries exceeded.*without response", "the connection was closed without an answer"),
    (r"Max retries exceeded.*too many (\d+) error responses", "only errors {}"),
    (r"error code (\d{3}) != 200.*Response body: '\s*<", "an answer {} that is a web page and not MLflow's"),
    (r"Read timed out\. \(read timeout=([\d.]+)\)", "no answer within {} s"),
)
"""A pattern of what urllib3 says, and what that is in words."""


class _NoTraceback(logging.Filter):
    """MLflow prints a traceback for each database error, also for those that the next attempt heals."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "SQLAlchemy database error" not in record.getMessage()


def import_client() -> None:
    """Import what any client needs, a second or two, without asking a store anything."""
    _set()
    import_stores()


def _set() -> None:
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


@lru_cache(maxsize=8)
def client(uri: str) -> "MlflowClient":
    """The client of an address. Opening one checks the database's schema, which takes a second: once per process."""
    _set()
    from mlflow import MlflowClient

    logging.getLogger("mlflow.store.db.utils").addFilter(_NoTraceback())
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if is_sql(uri):
        refuse_other_schema(uri)
        return MlflowClient(uri, registry_uri=uri)
    from skipray.tracking.whole_answers import WholeAnswers

    return WholeAnswers(uri, registry_uri=uri)


def reach(
    uri: str,
    action: Callable[["MlflowClient"], T],
    *,
    retries: tuple[float, ...] | None = None,
    before: Callable[[], None] = lambda: None,
) -> T:
    """Do something with an address's client, again after short pauses when the store is away.

    Args:
        retries: seconds of the pauses; those that suit the address when left out.
        before: called before each try; what it raises goes on as it is.

    Raises:
        TrackingRefused: the store refuses what was asked.
        TrackingAway: it cannot be reached, or answers with errors, still after the last pause.
        Exception: any other error of `action`, as it is.
    """
    pauses = retries if retries is not None else (RETRY_SECONDS_SQL if is_sql(uri) else RETRY_SECONDS_HTTP)
    for pause in (*pauses, None):
        before()
        try:
            return action(client(uri))
        except TrackingRefused:
            raise
        except Exception as error:
            wrapped = _classified(uri, error)
            if wrapped is None:
                raise
            if isinstance(wrapped, TrackingRefused) or pause is None:
                raise wrapped from None  # the original may name the address with its password
            time.sleep(pause * random.uniform(0.7, 1.3))
    raise AssertionError("the last attempt returns or raises")


def _classified(uri: str, error: Exception) -> Exception | None:
    """The error as ours, without secrets; None for one that has nothing to do with the store."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, MlflowException):
        text = redact(str(error)).strip().splitlines()
        words = f"{redact(uri)}: {_plainly(text[0]) if text else type(error).__name__}"
        return TrackingRefused(words) if error.error_code in _REFUSALS else TrackingAway(_with_remedy(uri, words))
    if isinstance(error, ModuleNotFoundError):
        return TrackingRefused(f"{redact(uri)}: {error}; install its driver, as skipray[cluster] does for PostgreSQL")
    if isinstance(error, OSError | SQLAlchemyError):  # requests' exceptions are OSErrors
        said = f"{type(error).__name__}: {redact(str(error))}".splitlines()[0]
        words = f"{redact(uri)}: {_plainly(said)}"
        return TrackingAway(_with_remedy(uri, words))
    return None


def _plainly(text: str) -> str:
    """What urllib3 says of a server that is not there, in four hundred characters, in a few words; else the text."""
    for pattern, words in _NO_SERVER:
        found = re.search(pattern, text)
        if found:
            return words.format(*found.groups())
    return _CUT_BODY.sub("", text)


def _with_remedy(uri: str, words: str) -> str:
    return words if is_sql(uri) else f"{words}; {next(remedy for part, remedy in REMEDIES if re.search(part, words))}"
