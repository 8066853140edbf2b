"""MLflow's server with skipray's setting of the garbage collector."""

import subprocess
import sys

import pytest

from skipray.tracking import mlflow_private, ui

URI = "sqlite:///anything.db"


def test_ui_serves_skiprays_application_where_mlflow_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ui.ui_command(URI)
    assert command[command.index("--app-name") + 1] == ui.APP, "is skipray installed with its entry points?"
    monkeypatch.setattr(ui, "entry_points", lambda **given: ())
    assert "--app-name" not in ui.ui_command(URI)


def test_another_mlflow_serves_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_private.importlib.util, "find_spec", lambda name: None)
    assert not mlflow_private.has_server_app()
    assert "--app-name" not in ui.ui_command(URI)


def test_the_application_is_mlflows_and_garbage_is_looked_for_seldom() -> None:
    asked = (
        "import gc; from skipray.tracking import mlflow_app; from mlflow.server.fastapi_app import app; "
        "assert mlflow_app.app is app; print(gc.get_threshold() == mlflow_app.THRESHOLDS, gc.get_freeze_count() > 0)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["True", "True"]
