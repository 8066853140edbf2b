"""MLflow's own UI on this machine."""

import os
import sys
from importlib.metadata import entry_points

from skipray.tracking.address import DEFAULT_URI, Address, is_sql, redact, resolve_uri, store_folder
from skipray.tracking.mlflow_private import has_server_app
from skipray.tracking.read.sweep_run import find_sweep_run
from skipray.tracking.read.sweeps import tracked_sweeps
from skipray.tracking.write.views import TRAINING, VIEW

APP = "skipray"
"""MLflow's name for `skipray.tracking.mlflow_app`."""
PORT = 5000
"""Where `skipray ui` serves, if not told otherwise."""


def ui_command(uri: str, port: int = PORT, *, host: str = "127.0.0.1") -> list[str]:
    """The command that serves MLflow's UI for an SQL address, in `ui_environment`; on loopback unless the caller says
    otherwise.

    Raises:
        ValueError: an HTTP address, which has its UI already.
    """
    if not is_sql(uri):
        raise ValueError(f"{redact(uri)} is a server already; open it in a browser")
    arguments = {
        "--artifacts-destination": str(store_folder(uri) / "artifacts"),
        "--host": host,
        "--port": str(port),
        "--workers": "1",
        "--allowed-hosts": f"{host}:{port},localhost:{port}",
        "--uvicorn-opts": "--log-level warning",  # else a line for each file that a page loads
    }
    if _is_plugged_in():
        arguments["--app-name"] = APP
    return [sys.executable, "-m", "mlflow", "server", *(word for pair in arguments.items() for word in pair)]


def _is_plugged_in() -> bool:
    """Whether MLflow finds skipray's application: where skipray is installed, rather than on a path alone."""
    return bool(entry_points(group="mlflow.app", name=APP)) and has_server_app()


def ui_environment(uri: str) -> dict[str, str]:
    """The environment for `ui_command`: the database, whose password no list of processes then shows; no telemetry, no
    job runner (seven processes, 1.7 GB), no noise."""
    return os.environ | {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_REGISTRY_STORE_URI": uri,  # as it would be anyway; left out, the server says so at each start
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # MLflow's own import, about which its user can do nothing.
        "PYTHONWARNINGS": "ignore:starlette.middleware.wsgi is deprecated",
    }


def run_page(uri: str, experiment_id: str, run_id: str, *, base: str | None = None) -> str:
    """A run's page: on the server of an address, or where `skipray ui` serves a database. That of the sweep's own run
    has the answer as far as it is known: limits, verdicts, counts, the report."""
    return f"{base or _base(uri)}/#/experiments/{experiment_id}/runs/{run_id}?{TRAINING}"


def sweep_page(uri: str, experiment_id: str, *, charts: bool = False, base: str | None = None) -> str:
    """A sweep's runs in its own view: the list, or the charts by depth, by layer and by epoch."""
    mode = "CHART" if charts else "TABLE"
    query = f"{TRAINING}&viewStateShareKey={VIEW}&compareRunsMode={mode}"
    return f"{base or _base(uri)}/#/experiments/{experiment_id}/runs?{query}"


def sweep_pages(uri: str, base: str) -> dict[str, dict[str, str]]:
    """Sweep -> what there is to see of it and where, the latest sweep first."""
    found = {name: find_sweep_run(uri, name) for name in tracked_sweeps(uri)}
    runs = {name: run for name, run in found.items() if run is not None}
    pages = {}
    for name, run in sorted(runs.items(), key=lambda item: -item[1].start_ms):
        pages[name] = {
            "answer": run_page(uri, run.experiment_id, run.run_id, base=base),
            "runs": sweep_page(uri, run.experiment_id, base=base),
            "charts": sweep_page(uri, run.experiment_id, charts=True, base=base),
        }
    return pages


def where_to_look(address: Address) -> str:
    """A sweep's page on a server; of a database the command that serves it, and then that page."""
    page = sweep_page(address.uri, address.experiment_id)
    if not is_sql(address.uri):
        return page
    if address.uri == resolve_uri(None, DEFAULT_URI):
        return f"`skipray ui` serves them at {page}"
    return f"`skipray ui --tracking-uri {redact(address.uri)}` serves them at {page}"


def _base(uri: str) -> str:
    return f"http://127.0.0.1:{PORT}" if is_sql(uri) else redact(uri).rstrip("/")
