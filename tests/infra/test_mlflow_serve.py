"""infra/mlflow/serve, run for real: only known hosts, only users with a password, loopback, no secret in arguments."""

import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVE = ROOT / "infra" / "mlflow" / "serve"
BIN = Path(sys.executable).parent
NAME = "mlflow.example.org:5000"
"""By which clients call it, as the documented command has it."""
ADMIN = "a-long-password-of-the-test"


@pytest.fixture(scope="module")
def auth_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of auth.lock, in a folder of their own, as the image has them beside the main lock."""
    target = tmp_path_factory.mktemp("auth")
    command: list[str | Path] = [
        BIN / "uv",
        "pip",
        "install",
        "--quiet",
        "--target",
        target,
        "--no-deps",
        "--require-hashes",
    ]
    lock = ROOT / "infra" / "mlflow" / "auth.lock"
    command += ["--python", sys.executable, "--requirement", lock]
    subprocess.run(command, check=True, timeout=240, env={"UV_SYSTEM_CERTS": "true", **os.environ})
    return target


def settings(folder: Path, port: int, **more: str) -> dict[str, str]:
    (folder / "admin").write_text(ADMIN + "\n")
    (folder / "key").write_text("k" * 64)
    return {
        "PATH": f"{BIN}:/usr/bin:/bin",
        "HOME": str(folder),
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder}/mlflow.db",
        "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "artifacts"),
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
        "MLFLOW_ADMIN_PASSWORD_FILE": str(folder / "admin"),
        "MLFLOW_SECRET_KEY_FILE": str(folder / "key"),
        "OMP_NUM_THREADS": "1",
        **more,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, auth_packages: Path
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [SERVE],
            env=settings(folder, port, PYTHONPATH=str(auth_packages), MLFLOW_SERVER_ALLOWED_HOSTS=NAME),
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 150
        while ask(port, "/health") != 200:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.5)
        yield port, process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(
    port: int, path: str, *, password: str | None = None, host: str | None = None, post: bytes | None = None
) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=post)
    if post is not None:
        request.add_header("Content-Type", "application/json")
    if password is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"admin:{password}".encode()).decode())
    if host is not None:
        request.add_header("Host", host)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


SEARCH = "/api/2.0/mlflow/experiments/search"


@pytest.mark.cluster
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("cluster")
def test_who_gets_in(server: tuple[int, subprocess.Popen[bytes]]) -> None:
    port, process = server
    body = b'{"max_results": 1}'
    assert ask(port, SEARCH, post=body) == 401
    assert ask(port, SEARCH, post=body, password="a-wrong-password") == 401
    assert ask(port, SEARCH, post=body, password=ADMIN) == 200
    assert ask(port, SEARCH, post=body, password=ADMIN, host=f"localhost:{port}") == 200
    assert ask(port, SEARCH, post=body, password=ADMIN, host=NAME) == 200
    assert ask(port, SEARCH, post=body, password=ADMIN, host="evil.example") == 403
    assert ask(port, SEARCH, post=body, password=ADMIN, host="192.168.0.7:5000") == 403

    family = [p for p in psutil.process_iter() if _session(p.pid) == process.pid]
    assert family
    listening = {c.laddr.ip for p in family for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert not any(ADMIN in " ".join(p.cmdline()) for p in family)


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"MLFLOW_SERVER_ALLOWED_HOSTS": "*"}, "MLFLOW_SERVER_ALLOWED_HOSTS"),
        ({"MLFLOW_ADMIN_PASSWORD_FILE": "/nowhere"}, "MLFLOW_ADMIN_PASSWORD_FILE"),
        ({"MLFLOW_BACKEND_STORE_URI": "postgresql+psycopg2://mlflow@db/mlflow"}, "POSTGRES_PASSWORD_FILE"),
        ({"MLFLOW_BACKEND_STORE_URI": ""}, "MLFLOW_BACKEND_STORE_URI"),
    ],
)
def test_it_refuses_to_start_open(tmp_path: Path, more: dict[str, str], found: str) -> None:
    done = subprocess.run(
        [SERVE], env=settings(tmp_path, free_port(), **more), cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert done.returncode != 0
    assert found in done.stderr


def test_the_documented_command_keeps_secrets_and_files_apart() -> None:
    readme = (ROOT / "infra" / "README.md").read_text()
    (command,) = re.findall(r"^    (POSTGRES_PASSWORD_FILE=.*?infra/mlflow/serve)$", readme, re.M | re.S)
    said = dict(word.split("=", 1) for word in command.replace("\\\n", " ").split() if "=" in word)
    assert said["MLFLOW_SERVER_ALLOWED_HOSTS"] == NAME
    assert {k.rpartition("_")[0]: v for k, v in said.items() if k.endswith("_FILE")} == {
        "POSTGRES_PASSWORD": "infra/secrets/postgres_password",
        "MLFLOW_ADMIN_PASSWORD": "infra/secrets/mlflow_admin_password",
        "MLFLOW_SECRET_KEY": "infra/secrets/mlflow_secret_key",
    }
    assert said["MLFLOW_ARTIFACTS_DESTINATION"].startswith("/")
    header = SERVE.read_text().partition("set -euo")[0]
    assert all(name in header for name in said)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None
