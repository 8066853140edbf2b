"""MLflow's own UI on this machine."""

import os
import sys

from skipray.tracking.address import DEFAULT_URI, Address, is_sql, redact, resolve_uri, store_folder


def ui_command(uri: str, port: int = 5000, *, host: str = "127.0.0.1") -> list[str]:
    """The command that serves MLflow's UI for an SQL address; on loopback unless the caller says otherwise.

    Raises:
        ValueError: an HTTP address, which has its UI already.
    """
    if not is_sql(uri):
        raise ValueError(f"{redact(uri)} is a server already; open it in a browser")
    arguments = {
        "--backend-store-uri": uri,
        "--registry-store-uri": uri,  # as it would be anyway; left out, the server says so at each start
        "--artifacts-destination": str(store_folder(uri) / "artifacts"),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
        "--allowed-hosts": f"{host}:{port},localhost:{port}",
        "--uvicorn-opts": "--log-level warning",  # else a line for each file that a page loads
    }
    return [sys.executable, "-m", "mlflow", "server", *(word for pair in arguments.items() for word in pair)]


def ui_environment() -> dict[str, str]:
    """The environment for `ui_command`: no telemetry, no job runner (seven processes, 1.7 GB), no noise."""
    return os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # MLflow's own import, about which its user can do nothing.
        "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated",
    }


def run_page(uri: str, run_id: str) -> str:
    """A run's page: on the server of an address, or where `skipray ui` serves a database."""
    base = "http://127.0.0.1:5000" if is_sql(uri) else redact(uri).rstrip("/")
    return f"{base}/#/runs/{run_id}"


def where_to_look(address: Address) -> str:
    """A sweep's page on a server, or the command that shows the runs of a database."""
    uri = redact(address.uri)
    if not is_sql(address.uri):
        return f"{uri.rstrip('/')}/#/experiments/{address.experiment_id}"
    if address.uri == resolve_uri(None, DEFAULT_URI):
        return "`skipray ui` shows them"
    return f"`skipray ui --tracking-uri {uri}` shows them"
