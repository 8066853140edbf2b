"""The launch on a real cluster: what is checked before the first trial, on a node where everything is wrong, and where
secrets do not show.

Each of the node's faults is real: its MLflow is behind a proxy that is not there, a package has another version, and
the data and the storage are mounted over in a mount namespace of its own.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from faulty_proxy import FaultyProxy

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600), pytest.mark.xdist_group("cluster")]

SWEEP = """\
name: {name}
question: Does it start?
dataset: {{name: {dataset}}}
model: {{kind: mlp, width: 8, normalization: batch, initialisation: he_normal, activation: relu, residual_scale: 1}}
recipe:
  epochs: 1
  batch_size: 256
  learning_rate: 0.05
  momentum: 0.9
  weight_decay: 0
  schedule: constant
  augmentation: none
factors: {{architecture: [plainnet], depth: [4]}}
seeds: [0]
"""
PASSWORD = "canary-of-the-tests-0123456789"
MNIST = ("train-images", "train-labels", "t10k-images", "t10k-labels")


def launch(
    cluster,  # type: ignore[no-untyped-def]
    folder: Path,
    *options: str,
    dataset: str = "digits",
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """`python -m skipray.launch` of one small trial, as a user starts it."""
    name = folder.name.replace("_", "-").lower()
    (folder / f"{name}.yaml").write_text(SWEEP.format(name=name, dataset=dataset))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "MLFLOW_", "SKIPRAY_"))}
    return subprocess.run(
        [sys.executable, "-m", "skipray.launch", f"{name}.yaml", *options],
        cwd=folder,
        env=clean | cluster.environment | {"PYTHONPATH": os.pathsep.join(sys.path)} | variables,
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture
def namespace() -> list[str]:
    """The command that gives what follows a mount namespace of its own."""
    for command in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        tried = subprocess.run([*command, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True)
        if tried.returncode == 0:
            return command
    raise AssertionError("this test needs the right to mount in a namespace: root, or unprivileged user namespaces")


def test_every_fault_of_a_node_is_named_with_its_remedy(  # type: ignore[no-untyped-def]
    cluster, namespace: list[str], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    (data / "MNIST" / "raw").mkdir(parents=True)
    for part in MNIST:
        (data / "MNIST" / "raw" / f"{part}-idx{3 if 'images' in part else 1}-ubyte").touch()
    other = tmp_path / "other"
    (other / "torch-0.0.1.dist-info").mkdir(parents=True)
    (other / "torch-0.0.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 0.0.1\n")
    mount_over = f'mount -t tmpfs none "{data}" && mount -t tmpfs none "{cluster.storage}" && exec "$@"'
    node = cluster.start_node(
        "node-odd",
        variables={
            "http_proxy": "http://127.0.0.1:9",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "infra" / "hooks"), str(other)]),
        },
        within=[*namespace, "sh", "-c", mount_over, "sh"],
    )
    try:
        done = launch(cluster, tmp_path, dataset="mnist", SKIPRAY_DATA=str(data))
    finally:
        cluster.kill_node(node)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for found, remedy in [
        (f"tracking: {cluster.tracking_uri}: ", "see that the server runs, and that the address is reached from here"),
        ("other versions: torch 0.0.1 (here ", "install the same requirements.lock on all nodes"),
        ("dataset.name: ", "set SKIPRAY_DATA to the folder that holds MNIST/raw"),
        (f"the storage {cluster.storage} is not the one of the driver's machine", "use a folder that all nodes mount"),
        (f"what it writes to {cluster.storage} is not seen", "use a folder that all nodes mount"),
    ]:
        lines = [line for line in done.stderr.splitlines() if line.startswith("node ") and found in line]
        assert lines, (found, done.stderr)
        assert remedy in done.stderr, remedy
    assert not list(cluster.storage.glob("*/preflight-*")), "the preflight leaves nothing behind"


def test_more_than_a_node_has_is_refused(cluster, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = launch(cluster, tmp_path, "--set", "resources.threads=8")
    assert done.returncode == 2
    assert "resources.threads: found 8, but the largest node has 1 CPUs; allowed: at most that" in done.stderr
    gpus = launch(cluster, tmp_path, "--set", "resources.device=cuda")
    assert gpus.returncode == 2
    assert "resources.device: found cuda, but no node of the cluster of" in gpus.stderr


def test_a_wrong_token_is_refused(cluster, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "token").write_text("0" * 64)
    done = launch(
        cluster,
        tmp_path,
        RAY_AUTH_TOKEN_PATH=str(tmp_path / "token"),
        RAY_NUM_REDIS_GET_RETRIES="2",
        HOME=str(tmp_path),
    )
    assert done.returncode == 2, done.stderr
    assert "put the cluster's token into ~/.ray/auth_token" in done.stderr
    assert "0" * 64 not in done.stderr


def test_a_server_that_is_away_or_refuses_the_host_is_named(cluster, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    away = launch(cluster, tmp_path, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert away.returncode == 2, away.stderr
    assert "http://127.0.0.1:9: " in away.stderr
    assert "see that the server runs" in away.stderr
    with forwarded(cluster.state.ports["mlflow"]) as port:  # the same server by an address that it does not know
        refused = launch(cluster, tmp_path, MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}")
    assert refused.returncode == 2, refused.stderr
    assert "start the server with --allowed-hosts naming this host and port" in refused.stderr


def test_a_password_reaches_every_worker_and_shows_nowhere(cluster, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Not in runs, files, what the launch says, Ray's logs, its dashboard or its job interface."""
    basic = "Basic " + base64.b64encode(f"somebody:{PASSWORD}".encode()).decode()
    server = FaultyProxy(cluster.state.ports["mlflow"], authorization=basic)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    known = {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_TRACKING_USERNAME": "somebody"}
    try:
        wrong = launch(cluster, tmp_path, **known, MLFLOW_TRACKING_PASSWORD="guessed-by-somebody-else")
        assert wrong.returncode == 2
        assert "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in wrong.stderr
        done = launch(cluster, tmp_path, "--json", **known, MLFLOW_TRACKING_PASSWORD=PASSWORD)
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ran"] == 1
    assert PASSWORD not in done.stdout + done.stderr
    token = cluster.token_file.read_text()
    for folder in (tmp_path, cluster.folder, Path(cluster.state.short)):
        for file in folder.rglob("*"):
            if file.is_file() and not file.is_symlink() and file != cluster.token_file:
                content = file.read_bytes()
                assert PASSWORD.encode() not in content, file
                assert token.encode() not in content, file
    headers = {"Authorization": f"Bearer {token}"}
    for path in ("actors", "tasks", "jobs", "nodes", "workers", "runtime_envs", "placement_groups", "objects"):
        address = f"{cluster.dashboard}/api/v0/{path}?detail=true"
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
            content = answer.read()
        assert b'"result"' in content, path
        assert PASSWORD.encode() not in content, path
    with urllib.request.urlopen(
        urllib.request.Request(f"{cluster.dashboard}/api/jobs/", headers=headers), timeout=30
    ) as answer:
        content = answer.read()
    assert b'"runtime_env"' in content
    assert PASSWORD.encode() not in content


class forwarded:
    """A port of loopback whose connections go on to another, byte for byte. A context manager."""

    def __init__(self, port: int):
        self._upstream = port
        self._server = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._accept, daemon=True).start()
        return int(self._server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)  # who waits in `accept` hears nothing of a close
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            upstream = socket.create_connection(("127.0.0.1", self._upstream))
            for a, b in ((client, upstream), (upstream, client)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    @staticmethod
    def _pump(a: socket.socket, b: socket.socket) -> None:
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            return
