"""Every name of MLflow's that its documentation does not have, and what is done where an MLflow lacks it.

No other module uses such a name (a test looks). MLflow's own tables are another matter: `read/tables.py`.

- `files_of`: a run's files by their recorded address. Publicly: by the run, which is then asked for first each time.
- `bytes_of`: a file's bytes in one request. Publicly: the folder is listed first, twice.
- `all_values_of_runs`, `values_of_runs`: a metric of many runs in one request, as MLflow's pages ask for it. Publicly:
  a request for each run.
- `offset_token`: the token of a search's page that begins at an offset. Publicly: each page names the next
  one, which can be asked for only then.
- `newest_schema`: which revision of its tables the installed MLflow has. Publicly: it is not known, and nothing is
  compared with it.
- `mlflow_tables`: the names of its tables. Publicly: they are not known, and no database is taken for another
  application's.
- `server_app`: what MLflow's server serves. Publicly: `mlflow server` alone knows it, which then serves it without
  skipray's settings.
- `import_stores`: what any client needs, imported while there is time. Publicly: it is imported when it is needed.
"""

import base64
import importlib.util
import inspect
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import FileInfo

OTHERWISE = (ImportError, AttributeError, TypeError)
"""What looking for a name raises where an MLflow has it otherwise."""
BULK_ENDPOINT = "/api/2.0/mlflow/metrics/get-history-bulk-interval"
WHOLE_ENDPOINT = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
"""The server looks all runs up at once, in a fifteenth of the time."""
_REVISION = re.compile(r"""^(revision|down_revision)(?:: [^=]+)? = ["'](\w+)["']""", re.MULTILINE)


class Files(Protocol):
    """A run's files behind a server or an object store."""

    def list_artifacts(self, path: str | None = None) -> "Sequence[FileInfo]": ...

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str: ...

    def log_artifacts(self, local_dir: str) -> None: ...


def files_of(client: "MlflowClient", uri: str, artifact_uri: str, run_id: str) -> Files:
    """
    Args:
        artifact_uri: the recorded address of the run's files.
    """
    try:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        inspect.signature(get_artifact_repository).bind(artifact_uri, tracking_uri=uri)
    except OTHERWISE:
        return _FilesOfRun(client, run_id)
    found: Files = get_artifact_repository(artifact_uri, tracking_uri=uri)
    return found


class _FilesOfRun:
    """The same by MLflow's documented client."""

    def __init__(self, client: "MlflowClient", run_id: str):
        self._client, self._run_id = client, run_id

    def list_artifacts(self, path: str | None = None) -> "Sequence[FileInfo]":
        return self._client.list_artifacts(self._run_id, path)

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        return self._client.download_artifacts(self._run_id, artifact_path, dst_path)

    def log_artifacts(self, local_dir: str) -> None:
        self._client.log_artifacts(self._run_id, local_dir)


def bytes_of(client: "MlflowClient", uri: str, artifact_uri: str, run_id: str, name: str) -> bytes | None:
    """A file as a server of files answers, whatever that is; None where it has none, where the files are in another
    kind of place, and where this MLflow cannot ask so."""
    try:
        from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
    except OTHERWISE:
        return None
    files = files_of(client, uri, artifact_uri, run_id)
    if not isinstance(files, HttpArtifactRepository):
        return None
    response = _asked(files.artifact_uri, f"/{name}", {})
    content: bytes | None = response.content if response is not None and response.status_code == 200 else None
    return content


def all_values_of_runs(uri: str, run_ids: Sequence[str], key: str, most: int) -> list[dict[str, Any]] | None:
    """Values of one metric of several runs; None where there are more, and where MLflow or the server has no answer.

    Args:
        most: values that are asked for, of all runs together.
    """
    response = _asked(uri, WHOLE_ENDPOINT, {"run_id": list(run_ids), "metric_key": key, "max_results": most})
    if response is None or response.status_code != 200:
        return None
    try:
        found: list[dict[str, Any]] = response.json()["metrics"]
    except (ValueError, KeyError, TypeError):
        return None  # a page of a proxy's, or nothing
    return found if len(found) < most else None


def values_of_runs(uri: str, run_ids: Sequence[str], key: str, most: int) -> list[dict[str, Any]] | None:
    """Values of one metric of several runs, as MLflow's server has them; None where this MLflow cannot ask for them.

    Args:
        most: values per run; a run with more comes with a sample of them.
    """
    response = _asked(uri, BULK_ENDPOINT, {"run_ids": list(run_ids), "metric_key": key, "max_results": most})
    if response is None:
        return None
    from mlflow.utils.rest_utils import verify_rest_response

    found: list[dict[str, Any]] = verify_rest_response(response, BULK_ENDPOINT).json().get("metrics", [])
    return found


def _asked(uri: str, endpoint: str, params: Mapping[str, Any]) -> Any:
    """A server's response; None where this MLflow cannot ask so."""
    try:
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request, verify_rest_response  # noqa: F401

        inspect.signature(http_request).bind(None, endpoint, "GET", params={})
    except OTHERWISE:
        return None
    return http_request(get_default_host_creds(uri), endpoint, "GET", params=params)


def offset_token(offset: int) -> str:
    """The token of a page of a search that begins after so many results, as MLflow's own stores make it; who uses one
    compares it first with what the server gives."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def newest_schema() -> str | None:
    """The newest of the installed MLflow's revisions, from its files: alembic would import each of them."""
    import mlflow

    versions = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"
    texts = [path.read_text(encoding="utf-8") for path in versions.glob("*.py")]
    named = [dict(_REVISION.findall(text)) for text in texts]
    heads = {n["revision"] for n in named if "revision" in n} - {n.get("down_revision") for n in named}
    return heads.pop() if len(heads) == 1 else None


def mlflow_tables() -> set[str]:
    """The names of the tables that MLflow's tracking store makes; none where they cannot be asked for."""
    with suppress(ImportError, AttributeError):
        import mlflow.store.tracking.dbmodels.models  # noqa: F401
        from mlflow.store.db.base_sql_model import Base

        return set(Base.metadata.tables)
    return set()


def import_stores() -> None:
    """Import what any client needs, a second or two."""
    with suppress(ImportError):
        import mlflow.store.tracking.rest_store
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def has_server_app() -> bool:
    """Whether MLflow's server has its application where `server_app` takes it from; imports nothing of it."""
    with suppress(ImportError, ValueError):
        return importlib.util.find_spec("mlflow.server.fastapi_app") is not None
    return False


def server_app() -> Any:
    """The application that `mlflow server` hands to uvicorn."""
    from mlflow.server.fastapi_app import app

    return app
