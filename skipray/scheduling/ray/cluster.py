"""The Ray cluster that trials run on: one that is there, or one started on this machine for this launch."""

import atexit
import gc
import logging
import os
import socket
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from skipray.planning.cores import usable_cores
from skipray.scheduling.ray import private
from skipray.scheduling.ray.addresses import ClusterError, StartFailed, local_address
from skipray.scheduling.ray.head import ANSWER_SECONDS, check_reachable, within
from skipray.scheduling.ray.local_processes import LocalProcesses, descendants
from skipray.scheduling.ray.local_start import LocalStart, begin
from skipray.scheduling.ray.nodes import Node, connected_nodes
from skipray.scheduling.ray.settings import apply_settings, runtime_env
from skipray.spec import SweepSpec

LEAVE_SECONDS = 15.0
"""So long Ray's own end is waited for."""
LEAVE_DEAD_SECONDS = 2.0
"""The same where there is nobody left to end."""
LATE = "timed out during startup"
"""In what Ray says where its processes are not there in time."""
_AWAY = (
    f"found this process connected to a Ray cluster that gives no answer within {ANSWER_SECONDS:g} s; call "
    "`ray.shutdown()`, and launch again"
)


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to."""

    address: str | None
    """None: started by this process, and ended with it."""
    nodes: tuple[Node, ...]
    joined: bool = True
    """By skipray, which leaves it at the end; a connection that the user's own code had made stays."""
    start: LocalStart | None = field(default=None, repr=False)
    processes: LocalProcesses | None = field(default=None, repr=False)
    """Of a cluster that this process has started."""

    @property
    def one_local_node(self) -> bool:
        """Workers share this machine, its files and this environment."""
        return len(self.nodes) == 1 and self.nodes[0].host == socket.gethostname()

    def fits(self, cpus: float, gpus: float) -> int:
        """How many trials of that size run at once."""
        return sum(node.fits(cpus, gpus) for node in self.nodes)

    def dead_process(self) -> str:
        """Which process of a cluster of this machine alone has died; empty while all live, and of any other cluster."""
        return self.processes.dead() if self.processes is not None else ""


def connect(
    sweep: SweepSpec, *, address: str | None = None, trials: int | None = None, start: LocalStart | None = None
) -> Cluster:
    """Join a cluster, or start one on this machine.

    Args:
        sweep: whose `module:name` code the workers need, and whose threads they use.
        address: `host:port` or `auto`; else RAY_ADDRESS; else, or with `local`, a cluster of this machine alone, which
            listens on the loopback interface only and asks for Ray's token.
        trials: how many are to be run; as many as the sweep has when left out.
        start: of a cluster of this machine alone, where it has been begun; it ends with the cluster.

    Raises:
        ClusterError: it cannot be reached, gives no answer, refuses the token, or is an address of another kind; or Ray
            cannot be imported.
    """
    address = local_address(address)
    apply_settings(local=address is None)
    start = start or begin(sweep, address)
    import ray

    if start is None and ray.is_initialized():
        nodes = within(ANSWER_SECONDS, connected_nodes)
        if nodes is None:
            raise ClusterError(_AWAY)
        return Cluster(address or "auto", nodes, joined=False)
    _quiet()
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "skipray"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if start is not None:
            return _start(start, trials, options)
        assert address is not None, "where none is named, and Ray is not connected, one has been begun"
        return _join(sweep, address, options)


def _join(sweep: SweepSpec, address: str, options: dict[str, Any]) -> Cluster:
    import ray

    try:
        # Ray itself says of a wrong token and of a head that is not there the same: that no cluster was found.
        found = private.bootstrap_address(address)
        if found is not None:
            check_reachable(found)
            private.gcs_client(found)
        ray.init(**options, address=address, runtime_env=runtime_env(sweep))
    except Exception as error:
        raise ClusterError(_unreachable(address, error)) from error
    return Cluster(address, connected_nodes())


def _start(start: LocalStart, trials: int | None, options: dict[str, Any]) -> Cluster:
    import ray

    os.environ.pop("RAY_ADDRESS", None)
    before = descendants()
    try:
        with private.lean_start(start.variables(trials), start.worker):
            ray.init(
                **options, **start.folder.options(), address="local", include_dashboard=False, num_cpus=usable_cores()
            )
        return Cluster(None, connected_nodes(), start=start, processes=LocalProcesses(before))
    except Exception as error:
        LocalProcesses(before).end()
        start.end()
        if LATE in str(error):
            raise StartFailed("its processes were not there within half a minute") from error
        raise ClusterError(_unreachable(None, error)) from error


def disconnect(cluster: Cluster, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Leave a cluster; end it when this process started it, with all its processes and files.

    Args:
        meanwhile: is called while Ray ends, which takes a second or more of waiting.
    """
    if not cluster.joined:
        meanwhile()
        return
    import ray

    collecting = gc.isenabled()

    def shut_down() -> None:
        # Ray ends the process when a reference into it is collected while it shuts down. What is collected may ask a
        # head that is gone, and wait for it: then all of it stays until this process ends.
        if not cluster.dead_process():
            gc.collect()
        gc.disable()
        with suppress(Exception):
            ray.shutdown()

    # In a thread, because it waits for a head that may be gone.
    leaving = threading.Thread(target=shut_down, name="skipray-ray-end", daemon=True)
    leaving.start()
    try:
        meanwhile()
    finally:
        leaving.join(LEAVE_DEAD_SECONDS if cluster.dead_process() else LEAVE_SECONDS)
        if leaving.is_alive():
            atexit.unregister(ray.shutdown)  # it would be waited for once more
        elif collecting:
            gc.enable()
        if cluster.processes is not None:
            cluster.processes.end()
        if cluster.start is not None:
            cluster.start.end()


def _quiet() -> None:
    for name in ("ray", "ray.tune", "ray.train", "ray.data", "ray._private"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    private.silence_worker_logs()


def _unreachable(address: str | None, error: Exception) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if "token" in str(error).lower() or "auth" in type(error).__name__.lower():
        return (
            f"the Ray cluster at {address or 'this machine'} refuses the token: {first}; set RAY_AUTH_MODE=token and "
            "put the cluster's token into ~/.ray/auth_token, or into RAY_AUTH_TOKEN"
        )
    if address is None:
        return f"Ray did not start on this machine: {first}"
    return (
        f"no Ray cluster answers at {address}: {first}; start one with `ray start --head`, give --address, or unset "
        "RAY_ADDRESS to use this machine alone"
    )
