"""What all tests share."""

import os
import signal
from pathlib import Path

import pytest

# One thread a test process: two of them share two cores, and the thread count changes the bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell's background command ignores SIGINT, nohup's SIGHUP, and what is ignored stays so in every child: launches
# would go on, as they should, where tests interrupt them.
for _number, _handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

ROOT = Path(__file__).resolve().parents[1]
SHARED = {
    "written": "report",
    "tuned": "report",
    "whole": "report",
    "address": "report in a browser",
    "proxy": "MLflow server",
    "server_port": "MLflow server",
    "postgresql": "PostgreSQL",
}
"""Fixtures that take many seconds to make: the tests that need one run in one process, where it is made once."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        names = getattr(item, "fixturenames", ())
        group = next((SHARED[name] for name in SHARED if name in names), None)
        if group is not None and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with MLflow's schema, which a first launch makes in several seconds."""
    from skipray.spec import load_sweep
    from skipray.tracking import prepare

    folder = tmp_path_factory.mktemp("empty")
    text = (ROOT / "sweeps" / "quickstart.yaml").read_text().replace("name: quickstart", "name: unused")
    (folder / "unused.yaml").write_text(text)
    prepare(load_sweep(folder / "unused.yaml"), f"sqlite:///{folder}/skipray.db")
    return folder / "skipray.db"
