"""The Ray cluster that trials run on: one that is there, or one started on this machine for this launch."""

import gc
import logging
import os
import shutil
import socket
import tempfile
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skipray.scheduling.ray.alone import only_what_trials_need
from skipray.spec import SpecError, SweepSpec

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a worker stays in the launch's folder
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default; else a warning a start
    # Else Ray ends this process, in mid-sentence, when the head was away for a minute; see watching.py.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    "RAY_AIR_NEW_OUTPUT": "0",  # prints tables of its own even when told to be quiet
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they write every result, and keep every configuration
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # see stopping.py
    "TUNE_DISABLE_AUTO_INIT": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # Tune's own state is never read
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_STATE_REFRESH_PERIOD": "1e9",  # it asks Ray for its resources, which aborts this process at another head
    "TUNE_WARN_THRESHOLD_S": "1e9",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1e9",  # `feasible` has checked them
}
"""Settings that Ray reads from the environment. What the user has set stays."""

_ALONE = {
    # Ray's own switch for a machine that takes part in no cluster: its node is 127.0.0.1, so that nothing listens on
    # another interface.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Each worker does so as soon as it starts, while this process still makes the tracking store ready.
    "RAY_preload_python_modules": "skipray.scheduling.ray.worker_imports",
    "RAY_idle_worker_killing_time_threshold_ms": "600000",  # else Ray ends those that import for longer than a second
}
"""The same where this process starts Ray itself; read when ray is imported."""

_AHEAD = "RAY_prestart_worker_first_driver"
LEAVE_SECONDS = 20.0
ANSWER_SECONDS = 5.0

_INSIDE_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


class ClusterError(SpecError):
    """The cluster cannot be reached or cannot be used: bad input, of which the message names the remedy."""

    def __init__(self, message: str):
        super().__init__([message])


@dataclass(frozen=True)
class Node:
    node_id: str
    host: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process is connected to."""

    address: str | None
    """None: started by this process, and ended with it."""
    nodes: tuple[Node, ...]
    temp_dir: str | None = field(default=None, repr=False)

    @property
    def one_local_node(self) -> bool:
        """Workers share this machine, its files and this environment."""
        return len(self.nodes) == 1 and self.nodes[0].host == socket.gethostname()

    def fits(self, cpus: float, gpus: float) -> int:
        """How many trials of that size run at once."""
        return sum(_fits(node, cpus, gpus) for node in self.nodes)


def connect(sweep: SweepSpec, *, address: str | None = None, trials: int | None = None) -> Cluster:
    """Join a cluster, or start one on this machine.

    Args:
        sweep: whose `module:name` code the workers need, and whose threads they use.
        address: `host:port` or `auto`; else RAY_ADDRESS; else, or with `local`, a cluster of this machine alone, which
            listens on the loopback interface only and asks for Ray's token.
        trials: how many are to be run; as many as the sweep has when left out.

    Raises:
        ClusterError: it cannot be reached, refuses the token, or is an address of another kind.
    """
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    address = address or os.environ.get("RAY_ADDRESS") or None
    if address == "local":
        address = None
    if address and "://" in address:
        raise ClusterError(_WRONG_KIND.format(address=address))
    if address is None:
        for key, value in _ALONE.items():
            os.environ.setdefault(key, value)
    import ray

    _quiet()
    if ray.is_initialized():
        return Cluster(address or "auto", _nodes())
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "skipray"}
    if address is None:
        # A folder of our own, short because Unix sockets live in it, removed at the end: Ray leaves its logs forever.
        temp_dir = tempfile.mkdtemp(prefix="skipray-", dir="/tmp" if Path("/tmp").is_dir() else None)
        os.environ.pop("RAY_ADDRESS", None)
        options |= {"include_dashboard": False, "_temp_dir": temp_dir, "address": "local", "num_cpus": os.cpu_count()}
    else:
        temp_dir = None
        options |= {"address": address, "runtime_env": runtime_env(sweep)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if address is None:
                with only_what_trials_need(_threads(sweep) | _workers_ahead(sweep, trials)):
                    ray.init(**options)
            else:
                _check_reachable(address)
                ray.init(**options)
    except Exception as error:
        if temp_dir:
            shutil.rmtree(temp_dir, ignore_errors=True)
        raise ClusterError(_unreachable(address, error)) from error
    return Cluster(address, _nodes(), temp_dir)


def disconnect(cluster: Cluster, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Leave a cluster; end it when this process started it, with all its processes and files.

    Args:
        meanwhile: is called while Ray ends, which takes a second or more of waiting.
    """
    import ray

    def shut_down() -> None:
        with suppress(Exception):
            ray.shutdown()

    # In a thread, because it waits for a head that may be gone.
    leaving = threading.Thread(target=shut_down, name="skipray-ray-end", daemon=True)
    gc.collect()
    collecting = gc.isenabled()
    gc.disable()  # Ray ends the process when a reference into it is collected while it shuts down
    leaving.start()
    try:
        meanwhile()
    finally:
        leaving.join(LEAVE_SECONDS)
        if collecting:
            gc.enable()
        if cluster.temp_dir:
            shutil.rmtree(cluster.temp_dir, ignore_errors=True)


class Head:
    """The head of the connected cluster, asked without Ray's own calls.

    Those wait for a head that is away, and end the process when it comes back as another (its state was in memory).
    """

    def __init__(self) -> None:
        import ray

        self.address = str(ray.get_runtime_context().gcs_address)
        self._cluster_id = self._client().cluster_id

    def nodes(self) -> tuple[Node, ...]:
        """The nodes that are alive.

        Raises:
            OSError: it does not answer.
            AnotherCluster: one answers that knows nothing of this launch.
        """
        from ray.exceptions import RayError

        host, _, port = self.address.rpartition(":")
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()  # Ray's own patience is longer
        try:
            client = self._client()
            if client.cluster_id != self._cluster_id:
                raise AnotherCluster(f"another Ray cluster answers at {self.address}")
            found = client.get_all_node_info(timeout=ANSWER_SECONDS).items()
        except RayError as error:
            raise OSError(f"the head at {self.address} gives no answer: {error}") from error
        return tuple(
            Node(
                key.hex(), n.node_manager_hostname, n.resources_total.get("CPU", 0.0), n.resources_total.get("GPU", 0.0)
            )
            for key, n in found
            if n.state == n.ALIVE
        )

    def _client(self) -> Any:
        from ray._raylet import GcsClient  # type: ignore[attr-defined]  # what `ray health-check` uses

        return GcsClient(address=self.address)


class AnotherCluster(RuntimeError):
    """The head was started anew, and the cluster that this process belongs to is no more."""


class PendingConnection:
    """A connection that is made in a thread, while the caller reads the ledger: Ray takes several seconds to start."""

    def __init__(self, sweep: SweepSpec, *, address: str | None = None, trials: int | None = None):
        """Arguments as `connect` has them."""
        self._made: Cluster | None = None
        self._error: BaseException | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._connect, args=(sweep, address, trials), name="skipray-ray", daemon=True
        )
        self._thread.start()

    def _connect(self, sweep: SweepSpec, address: str | None, trials: int | None) -> None:
        try:
            self._made = connect(sweep, address=address, trials=trials)
        except BaseException as error:
            self._error = error
        self._ready.set()
        # Ray's processes are told to die with the thread that started them (PR_SET_PDEATHSIG): it has to live on.
        threading.Event().wait()

    def result(self) -> Cluster:
        """The cluster, or what `connect` raised."""
        self._ready.wait()
        if self._error is not None:
            raise self._error
        assert self._made is not None
        return self._made


def runtime_env(sweep: SweepSpec) -> dict[str, Any]:
    """What workers on a cluster need beyond what their node has: the thread count, skipray and the `module:name` code.

    Both as they are here; inside `ray job submit` the job's own environment has brought the code.
    """
    env: dict[str, Any] = {"env_vars": _threads(sweep)}
    if _INSIDE_A_JOB not in os.environ:
        env["py_modules"] = [str(path) for path in code_paths(sweep)]
    return env


def _threads(sweep: SweepSpec) -> dict[str, str]:
    return dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(sweep.resources.threads))


def _workers_ahead(sweep: SweepSpec, trials: int | None) -> dict[str, str]:
    """Whether Ray starts a worker a core before it is asked for one: only where trials will take every core. What the
    user has set stays."""
    if _AHEAD in os.environ:
        return {}
    resources, cores = sweep.resources, os.cpu_count() or 1
    at_once = min(resources.max_concurrent or cores, len(sweep.trials()) if trials is None else trials)
    every = resources.device == "cpu" and resources.threads == 1 and at_once >= cores
    return {_AHEAD: "1" if every else "0"}


def code_paths(sweep: SweepSpec) -> tuple[Path, ...]:
    """Folders and files of skipray and of the user's own code that a sweep names."""
    import importlib

    import skipray

    paths = [Path(skipray.__file__).parent]
    names = {name for trial in sweep.trials() for name, _ in trial.source_hashes}
    for module in sorted({name.partition(":")[0].partition(".")[0] for name in names} - {"skipray"}):
        source = importlib.import_module(module).__file__
        if source is not None:
            path = Path(source)
            paths.append(path.parent if path.name == "__init__.py" else path)
    return tuple(dict.fromkeys(paths))


def _check_reachable(address: str) -> None:
    """Ray itself says of a wrong token and of a head that is not there the same: that no cluster was found."""
    from ray._private.services import canonicalize_bootstrap_address
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    found = canonicalize_bootstrap_address(address)
    if found is not None:
        host, _, port = found.rpartition(":")
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()
        GcsClient(address=found)


def _fits(node: Node, cpus: float, gpus: float) -> int:
    by_cpu = int(node.cpus / cpus + 1e-9) if cpus else 10**6
    if not gpus:
        return by_cpu
    by_gpu = int(node.gpus) * int(1 / gpus + 1e-9) if gpus <= 1 else int(node.gpus / gpus)
    return min(by_cpu, by_gpu)


def _nodes() -> tuple[Node, ...]:
    import ray

    return tuple(
        Node(
            node["NodeID"],
            node["NodeManagerHostname"],
            node["Resources"].get("CPU", 0.0),
            node["Resources"].get("GPU", 0.0),
        )
        for node in ray.nodes()
        if node["Alive"]
    )


def _quiet() -> None:
    import ray._private.worker

    for name in ("ray", "ray.tune", "ray.train", "ray.data", "ray._private"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # The raylet's messages would go to standard output, which belongs to results; the searcher tells each death itself.
    # There is no public switch: Ray's debugger silences them in the same way.
    ray._private.worker._worker_logs_enabled = False


_WRONG_KIND = (
    "found the Ray address {address}; allowed: host:port of the cluster's head, or auto on one of its nodes. To start "
    "from outside: ray job submit --address http://HEAD:8265 --working-dir . -- python -m skipray.launch SWEEP"
)


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
