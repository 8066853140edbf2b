"""Ray on this machine alone, without the processes that a sweep here never asks anything.

Besides what runs trials `ray.init` starts an autoscaler's monitor, a log forwarder, a dashboard server, which it waits
for even when told to have no dashboard, and agents with all that a dashboard would ask them: half of the seconds that
Ray takes to start and end on a laptop (infra/decisions/2026-11-25-launch.md), and 300 MB. For none of them is there a
public switch (Ray 2.60); a Ray that has no such place in it starts as it always does.
"""

import functools
import inspect
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from skipray.scheduling.ray.replacing import replaced

READY_SECONDS, LOOK_SECONDS = 20.0, 0.02


@contextmanager
def only_what_trials_need(environment: Mapping[str, str]) -> Iterator[None]:
    """Within, `ray.init` starts the control service, a raylet and its two agents alone.

    Args:
        environment: variables that all of them, and so every worker, have: sparing a runtime environment spares each
            worker an interpreter, and lets Ray start the workers ahead.
    """
    with ExitStack() as stack:
        for key, value in environment.items():
            stack.enter_context(_variable(key, value))
        for replace in (_no_monitors, _no_dashboard, _small_agents, _prompt_node):
            with suppress(ImportError, AttributeError):
                replace(stack)
        yield


def _no_monitors(stack: ExitStack) -> None:
    """The autoscaler has nothing to scale, and what workers print is not forwarded."""
    from ray._private import parameter

    known = inspect.signature(parameter.RayParams).parameters
    off: dict[str, Any] = {name: value for name, value in _MONITORS_OFF.items() if name in known}
    stack.enter_context(replaced(parameter, "RayParams", functools.partial(parameter.RayParams, **off)))


_MONITORS_OFF = {"no_monitor": True, "include_log_monitor": False}


def _no_dashboard(stack: ExitStack) -> None:
    from ray._private.node import Node

    if set(inspect.signature(Node.start_api_server).parameters) == {"self", "include_dashboard", "raise_on_failure"}:
        stack.enter_context(replaced(Node, "start_api_server", lambda self, **_: None))


def _small_agents(stack: ExitStack) -> None:
    """As where Ray was installed without its dashboard: the agents import nothing that only a dashboard asks for."""
    from ray._private import utils

    stack.enter_context(replaced(utils, "get_dashboard_dependency_error", _not_asked_for))


def _not_asked_for() -> ImportError:
    return ImportError("no dashboard was asked for")


def _prompt_node(stack: ExitStack) -> None:
    """Ray looks once a second whether its raylet is ready, which it is a moment after the first look."""
    from ray._private import services
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # as in cluster.py

    get_node = services.get_node

    def when_ready(gcs_address: str, node_id: str) -> Any:
        client, end = GcsClient(address=gcs_address), time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if any(found.hex() == node_id for found in client.get_all_node_info(timeout=READY_SECONDS)):
                break
            time.sleep(LOOK_SECONDS)
        return get_node(gcs_address, node_id)

    stack.enter_context(replaced(services, "get_node", when_ready))


@contextmanager
def _variable(key: str, value: str) -> Iterator[None]:
    before = os.environ.get(key)
    os.environ[key] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[key]
        else:
            os.environ[key] = before
