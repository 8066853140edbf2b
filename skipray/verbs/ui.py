"""Look at the runs in MLflow's own pages."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Annotated

import typer

from skipray.errors import InputRefused
from skipray.scheduling.work.parent import end_with_parent
from skipray.verbs.shared.options import UriOption

END_SECONDS = 10.0
"""From the signal that ends MLflow's server until it is killed."""
MOST_SWEEPS = 8
"""Sweeps whose pages are named; a store of more is looked through in its list of experiments."""

EXAMPLES = (
    "skipray ui",
    "skipray ui --port 5001",
)


def ui(
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="Port on this machine's loopback interface.")
    ] = 5000,
    tracking_uri: UriOption = None,
) -> None:
    """Look at the runs in MLflow's own pages: prints where each sweep's answer, runs and charts are."""
    from skipray import tracking

    try:
        uri = tracking.resolve_uri(None, tracking_uri)
        command = tracking.ui_command(uri, port)
    except ValueError as error:
        raise InputRefused(str(error)) from None
    tracking.refuse_other_schema(uri)
    if not _is_free(port):
        raise InputRefused(
            f"--port: found {port}, where another program listens; allowed: a free one, such as {port + 1}"
        )
    base = f"http://127.0.0.1:{port}"
    pages = tracking.sweep_pages(uri, base)
    for name, named in list(pages.items())[:MOST_SWEEPS]:
        print(name)
        for what, page in named.items():
            print(f"  {what:<7} {page}")
    if len(pages) != 1:
        print(f"all sweeps: {base}/#/experiments?{tracking.TRAINING}")
    print("MLflow's pages are there in a few seconds; Ctrl-C ends them")
    sys.stdout.flush()
    code = _serve(command, tracking.ui_environment(uri))
    if code:
        raise typer.Exit(1)


def _serve(command: list[str], environment: dict[str, str]) -> int:
    """Run MLflow's server until it ends or this process is interrupted: then it is asked to end, without Ctrl-C's own
    signal, which it answers with a traceback.

    Returns:
        Its exit code.
    """
    here = os.getpid()
    with subprocess.Popen(
        command, env=environment, process_group=0, preexec_fn=lambda: end_with_parent(here, 130)
    ) as server:
        try:
            return server.wait()
        finally:
            with suppress(ProcessLookupError):  # when all of them have ended
                os.killpg(server.pid, signal.SIGTERM)
                end = time.monotonic() + END_SECONDS
                while time.monotonic() < end:
                    server.poll()
                    os.killpg(server.pid, 0)
                    time.sleep(0.05)
                os.killpg(server.pid, signal.SIGKILL)


def _is_free(port: int) -> bool:
    """Whether a server can listen there: else the addresses would be those of somebody else's pages."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True
