"""A real cluster of three raylets on this machine: who gets in, where it listens, what comes back, what stays."""

import importlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
local_cluster = importlib.import_module("local_cluster")  # infra is on the path: conftest.py
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600), pytest.mark.xdist_group("cluster")]

JOIN = """
import json, ray
ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
print(json.dumps(sorted(n["NodeName"] for n in ray.nodes() if n["Alive"])))
"""
SPREAD = """
import json, time, ray
ray.init(address="auto", log_to_driver=False, logging_level="ERROR")
@ray.remote(num_cpus=1)
def where():
    time.sleep(2)
    return ray.get_runtime_context().get_node_id()
print(json.dumps(len(set(ray.get([where.remote() for _ in range(3)])))))
"""


def drive(script: str, variables: dict[str, str], home: Path) -> subprocess.Popen[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "MLFLOW_"))}
    clean |= {"HOME": str(home)}  # no token of this user's
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=clean | variables,
        cwd=home,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_joining_needs_the_token(cluster, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bare = {k: v for k, v in cluster.environment.items() if not k.startswith("RAY_AUTH_")}
    bare["RAY_NUM_REDIS_GET_RETRIES"] = "2"  # refused is refused: do not try for 20 s
    attempts = {
        "with it": drive(JOIN, cluster.environment, tmp_path),
        "without": drive(JOIN, bare, tmp_path),
        "authentication off": drive(JOIN, bare | {"RAY_AUTH_MODE": "disabled"}, tmp_path),
        "a wrong one": drive(JOIN, bare | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}, tmp_path),
    }
    ended = {name: (*process.communicate(timeout=180), process.returncode) for name, process in attempts.items()}
    output, errors, code = ended.pop("with it")
    assert code == 0, errors
    assert json.loads(output) == ["head", "node-1", "node-2"]
    for name, (output, errors, code) in ended.items():
        assert code != 0, name
        assert "node-1" not in output, name
        assert "ConnectionError" in errors or "Authentication" in errors, (name, errors)


def http(url: str, *, token: str | None = None, body: bytes | None = None, host: str | None = None) -> int:
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"} if body else {})
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    if host is not None:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_dashboard_and_job_interface_refuse_without_the_token(cluster) -> None:  # type: ignore[no-untyped-def]
    token = cluster.token_file.read_text()
    assert cluster.token_file.stat().st_mode & 0o777 == 0o600
    job = json.dumps({"entrypoint": "true"}).encode()
    for path, body in [
        ("/api/jobs/", None),
        ("/api/jobs/", job),
        ("/nodes?view=summary", None),
        ("/api/version", None),
    ]:
        assert http(cluster.dashboard + path, body=body) == 401, path
        assert http(cluster.dashboard + path, body=body, token="0" * 64) == 403, path
    assert http(cluster.dashboard + "/api/jobs/", token=token) == 200


def test_everything_listens_on_loopback_alone(cluster) -> None:  # type: ignore[no-untyped-def]
    addresses: dict[str, list[tuple[str, int]]] = {}
    for name, session in cluster.state.sessions.items():
        for process in session.processes():
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    addresses.setdefault(connection.laddr.ip, []).append((name, connection.laddr.port))
    assert set(addresses) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}, addresses
    ports = {port for found in addresses.values() for _, port in found}
    assert {cluster.state.ports[name] for name in ("gcs", "dashboard", "mlflow")} <= ports
    assert not any(name == "postgres" for found in addresses.values() for name, _ in found)


def test_trials_run_on_every_raylet(cluster, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    process = drive(SPREAD, cluster.environment, tmp_path)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert json.loads(output) == 3


def test_mlflow_is_on_postgresql_and_knows_its_hosts(cluster) -> None:  # type: ignore[no-untyped-def]
    import psycopg2

    search = cluster.tracking_uri + "/api/2.0/mlflow/experiments/search"
    assert http(search, body=b'{"max_results": 1}') == 200
    assert http(search, body=b'{"max_results": 1}', host="evil.example") == 403
    connection = psycopg2.connect(host=f"{cluster.state.short}/pg", user="skipray", dbname="postgres")
    with connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from experiments")
        assert cursor.fetchone() == (1,)
    connection.close()


def test_parts_can_be_lost_and_come_back(cluster) -> None:  # type: ignore[no-untyped-def]
    cluster.kill_raylet("node-1")
    deadline = time.monotonic() + 60
    while cluster.running()["node-1"]:
        assert time.monotonic() < deadline, "a node outlived its raylet"
        time.sleep(0.2)
    cluster.kill_node("node-2")
    assert "node-2" not in cluster.running()
    assert cluster.start_node() == "node-2"
    assert cluster.running()["node-2"]
    search = cluster.tracking_uri + "/api/2.0/mlflow/experiments/search"
    cluster.stop_postgres()
    deadline = time.monotonic() + 60
    while (answer := http(search, body=b'{"max_results": 1}')) < 500:
        assert time.monotonic() < deadline, f"MLflow answers {answer} without its database"
        time.sleep(1)
    cluster.start_postgres()
    cluster.restart_postgres(gentle=False)
    deadline = time.monotonic() + 60
    while (answer := http(search, body=b'{"max_results": 1}')) != 200:
        assert time.monotonic() < deadline, f"MLflow answers {answer} with its database back"
        time.sleep(1)


def test_status_of_another_process(cluster) -> None:  # type: ignore[no-untyped-def]
    command = [ROOT / "infra" / "local-cluster", "status", "--dir", cluster.folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, "node-1 is gone"
    assert f"export RAY_ADDRESS={cluster.address}" in done.stdout
    assert "node-1: gone" in done.stderr
    assert cluster.token_file.read_text() not in done.stdout + done.stderr


def test_a_second_start_in_the_same_folder_is_refused(cluster) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RuntimeError, match="a cluster runs in"):
        type(cluster)(cluster.folder).start()


def test_no_port_is_given_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told to take a port may take it seconds later: until then it only looks free."""
    monkeypatch.setattr(local_cluster, "PORTS", range(31_000, 31_012))
    made = local_cluster.LocalCluster(tmp_path)  # takes four
    others = made._free_ports(4)
    assert len({*made.state.ports.values(), *others}) == 8
    with pytest.raises(RuntimeError, match="fewer than 9 free ports from 31000 to 31011"):
        made._free_ports(9)


def test_a_folder_without_a_cluster_is_bad_input(tmp_path: Path) -> None:
    for verb in ("status", "stop"):
        command = [ROOT / "infra" / "local-cluster", verb, "--dir", tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert "no cluster" in done.stderr


def test_a_clock_that_is_set_makes_no_process_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Creation times follow it: what was started was taken for somebody else's, and lived on after the cluster."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    try:
        session = local_cluster.Session(process.pid, psutil.Process(process.pid).create_time())
        told = psutil.Process.create_time
        for seconds, ours in ((0.0, True), (0.01, True), (-3.0, True), (1e4, False)):
            monkeypatch.setattr(psutil.Process, "create_time", lambda self, late=seconds: told(self) + late)
            assert session.led == ours
            assert [p.pid for p in session.processes()] == ([process.pid] if ours else [])
    finally:
        process.kill()
        process.wait()
