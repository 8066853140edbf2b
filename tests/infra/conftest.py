"""What the tests of infra share: one real cluster, and the marker of the test that installs the image's environment."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "faults"))  # for faulty_proxy


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "image: runs the Dockerfile's install steps (a minute; gigabytes with a cold cache)"
    )


sys.path.append(str(ROOT / "infra"))
local_cluster = importlib.import_module("local_cluster")


@pytest.fixture(scope="session")
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of somebody else's, which must outlive the cluster."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, bystander: subprocess.Popen[bytes]) -> Iterator[object]:
    folder = tmp_path_factory.mktemp("cluster")
    with local_cluster.LocalCluster(folder, nodes=3, cpus=1) as running:
        sessions = dict(running.state.sessions)
        yield running
    assert not any(session.processes() for session in sessions.values()), "left behind"
    assert bystander.poll() is None
    assert not (folder / "cluster.json").exists()
    assert (folder / "pgdata" / "PG_VERSION").exists(), "the database's data stays"
    assert not Path(running.state.short).exists()
