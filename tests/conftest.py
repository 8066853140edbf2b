"""What all tests share."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

# Test processes hold millions of objects: to look for garbage among them as often as usual is an eighth of their time.
gc.set_threshold(100_000)
# One thread a test process: two of them share two cores, and the thread count changes the bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell's background command ignores SIGINT and SIGQUIT, nohup's SIGHUP, and what is ignored stays so in every child:
# launches would go on, as they should, where tests interrupt them.
_DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGQUIT: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
for _number, _handler in _DEFAULTS.items():
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

ROOT = Path(__file__).resolve().parents[1]
SHARED = {
    "written": "report",
    "tuned": "report",
    "make": "report",
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


SERVING = ("cluster", "server_port", "postgresql")
"""Session fixtures whose processes compute also while nobody asks them: several raylets take a tenth of a core."""
_serving: list[Callable[[], None]] = []


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: Any) -> None:
    if fixturedef.argname in SERVING and fixturedef.scope == "session":
        _serving.append(partial(fixturedef.finish, request))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """A worker's servers end with the group that asks them, rather than with all of its tests."""
    if nextitem is not None and hasattr(item.config, "workerinput") and _group(item) != _group(nextitem):
        while _serving:
            _serving.pop()()


def _group(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("xdist_group")
    return None if marker is None else str(marker.args[0])


@pytest.fixture(autouse=True)
def migrations_are_read_once() -> None:
    """MLflow loads each of its sixty migrations whenever a store is opened, to know the newest: it is the same one."""
    utils = sys.modules.get("mlflow.store.db.utils")
    newest = getattr(utils, "_get_latest_schema_revision", None)
    if newest is not None and not hasattr(newest, "cache_info"):
        utils._get_latest_schema_revision = cache(newest)  # type: ignore[union-attr]


@pytest.fixture(autouse=True)
def no_ray_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Several of Ray's functions start a cluster where there is none; a launch of a later test would take it for its
    user's own. One that a module's fixture has started is that fixture's to end."""
    before = _has_ray()
    yield
    assert before or not _has_ray(), f"{request.node.nodeid} has started Ray, and not ended it"


def _has_ray() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


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


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run `skipray ARGUMENTS` as a shell would, in the test's folder.

    Args of the function: the arguments; `shell`, what the shell does first, such as `umask 0`; environment variables.
    """

    def run(*arguments: str, shell: str = ":", **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["bash", "-c", f'{shell}; exec "$@"', "bash", sys.executable, "-m", "skipray.launch", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run
