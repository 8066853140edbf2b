"""Look at the runs in MLflow's own pages."""

import os
import sys
from typing import Annotated

import typer

from skipray.errors import InputRefused
from skipray.verbs._options import UriOption

ENDS_AS_ANOTHER_PROGRAM = True
"""It becomes MLflow's server, which signals reach without a parent in between."""


def ui(
    port: Annotated[int, typer.Option("--port", help="On this machine's loopback interface.")] = 5000,
    tracking_uri: UriOption = None,
) -> None:
    """Look at the runs in MLflow's own pages."""
    from skipray import tracking

    try:
        command = tracking.ui_command(tracking.resolve_uri(None, tracking_uri), port)
    except ValueError as error:
        raise InputRefused(str(error)) from None
    print(f"MLflow's pages: http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning (Ctrl-C ends them)")
    sys.stdout.flush()
    os.execvpe(command[0], command, tracking.ui_environment())  # a signal to this process reaches the server
