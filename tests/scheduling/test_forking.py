"""Workers as forks: each is the process that was asked for, and ends with whoever ought to end it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from skipray.scheduling.ray.forking import ask
from skipray.scheduling.ray.forking.server import ForkServer

SECONDS = 30.0
DECLARES_AN_ACTOR = """
import ray

@ray.remote
class Actor:
    pass
"""
DRAWS = """
import ray

ray.ObjectRef.from_random()
"""
SETS_VARIABLES = """
import os
os.environ.setdefault("SKIPRAY_SET", "by an import")
del os.environ["SKIPRAY_UNSET"]
"""
WORKER = """
import json, os, sys, time
from pathlib import Path

forked = "skipray.scheduling.ray.forking.serve" in sys.modules
if forked and "--unfit" in sys.argv:
    sys.exit(1)
if forked:
    import skipray.scheduling.ray.forking.connected
import numpy, random
if forked:
    import ray, signal
print(json.dumps({
    "forked": forked,
    "name": __name__,
    "pid": os.getpid(),
    "parent": os.getppid(),
    "arguments": sys.argv[1:],
    "folder": os.getcwd(),
    "group": os.getpgrp(),
    "niceness": os.getpriority(os.PRIO_PROCESS, 0),
    "out_of_memory": Path("/proc/self/oom_score_adj").read_text().strip(),
    "variable": os.environ.get("SKIPRAY_TESTED"),
    "set": os.environ.get("SKIPRAY_SET"),
    "unset": os.environ.get("SKIPRAY_UNSET"),
    "job": os.environ.get("RAY_JOB_ID"),
    "numbers": [float(numpy.random.random()), random.random(), ray.ObjectRef.from_random().hex() if forked else ""],
    "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])] if forked else [],
    "said": sys.stdin.read(),
    "imported": "colorsys" in sys.modules,
}), flush=True)
print("wrong", file=sys.stderr, flush=True)
if "--stay" in sys.argv:
    time.sleep(600)
if "--crash" in sys.argv:
    os.abort()
sys.exit(7)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    folder = tmp_path_factory.mktemp("forks")
    (folder / "sets_variables.py").write_text(SETS_VARIABLES)
    (folder / "declares_an_actor.py").write_text(DECLARES_AN_ACTOR)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("SKIPRAY_UNSET", "there")
        made = ForkServer(
            folder, {"RAY_preload_python_modules": "colorsys,no_such_module,sets_variables,declares_an_actor"}
        )
    yield made
    made.end()


@pytest.fixture(scope="module")
def ray_in_its_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH, with a worker as Ray's that says what it is."""
    folder = tmp_path_factory.mktemp("path")
    worker = folder / "ray" / "_private" / "workers" / "default_worker.py"
    worker.parent.mkdir(parents=True)
    (folder / "ray" / "__init__.py").touch()
    worker.write_text(WORKER)
    return folder


@pytest.fixture
def started(server: ForkServer, ray_in_its_place: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    def start(*arguments: str, of: ForkServer | None = server, before: str = "") -> subprocess.Popen[str]:
        variables = {"PYTHONPATH": str(ray_in_its_place), "SKIPRAY_TESTED": "yes", "SKIPRAY_UNSET": "there"}
        command = [
            sys.executable,
            "-c",
            f"{before}\nimport os, sys; os.execv(sys.executable, sys.orig_argv[:1] + sys.argv[1:])",
        ]
        return subprocess.Popen(
            [*command, str(ask.__file__), *arguments],
            env=os.environ | variables | ({} if of is None else of.variables),
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    return start


def first_line(process: subprocess.Popen[str]) -> dict[str, object]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("hello")
    process.stdin.close()
    found: dict[str, object] = json.loads(process.stdout.readline())
    return found


def gone(pid: object) -> bool:
    """Whether it has ended, or does so in a moment."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if psutil.Process(int(str(pid))).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_a_fork_is_the_process_that_was_asked_for(
    started: Callable[..., subprocess.Popen[str]], server: ForkServer, tmp_path: Path
) -> None:
    before = "import os, pathlib, signal; os.nice(3); pathlib.Path('/proc/self/oom_score_adj').write_text('77')"
    before += "; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])"
    process = started("--a=1", "b", before=before)
    found = first_line(process)
    assert process.stderr is not None
    assert process.stderr.read() == "wrong\n"
    assert process.wait(SECONDS) == 7
    assert found["pid"] != process.pid
    assert found["parent"] == server.pid
    arguments = found.pop("arguments")
    assert isinstance(arguments, list)
    assert arguments[:2] == ["--a=1", "b"]
    expected = {"forked": True, "name": "__main__", "folder": str(tmp_path), "group": process.pid, "niceness": 3}
    expected |= {"out_of_memory": "77", "variable": "yes", "said": "hello", "imported": True}
    assert expected.items() <= found.items()
    assert found["blocked"] == [signal.SIGINT], "as Ray blocks it in its processes"
    assert (found["set"], found["unset"], found["job"]) == ("by an import", None, "ffffffff")


def test_what_the_raylet_asked_to_have_imported_stays_asked_for(started: Callable[..., subprocess.Popen[str]]) -> None:
    found = first_line(started("--worker-preload-modules=mine,yours"))
    arguments = found["arguments"]
    assert isinstance(arguments, list)
    assert arguments[-1] == "--worker-preload-modules=mine,yours,skipray.scheduling.ray.forking.connected"


def test_two_forks_draw_other_numbers(started: Callable[..., subprocess.Popen[str]]) -> None:
    first, second = (first_line(started())["numbers"] for _ in range(2))
    assert isinstance(first, list)
    assert isinstance(second, list)
    assert not set(first) & set(second)


def test_a_fork_that_crashes_is_told_as_its_signal(started: Callable[..., subprocess.Popen[str]]) -> None:
    process = started("--crash")
    first_line(process)
    assert process.wait(SECONDS) == -signal.SIGABRT


def test_a_fork_ends_with_the_process_that_ray_has_started(started: Callable[..., subprocess.Popen[str]]) -> None:
    process = started("--stay")
    found = first_line(process)
    process.kill()
    assert gone(found["pid"])


def test_a_fork_ends_with_its_raylet(started: Callable[..., subprocess.Popen[str]], server: ForkServer) -> None:
    """The raylet is the parent of what it has started: here a process that leaves it alone."""
    orphan = "import os, time\nif os.fork(): time.sleep(3); os._exit(0)"
    process = started("--stay", before=orphan)
    found = first_line(process)
    assert psutil.pid_exists(int(str(found["pid"])))
    assert process.wait(SECONDS) == 0
    assert gone(found["pid"])


@pytest.mark.parametrize(
    "why", ["no server", "a server that is gone", "a fork that Ray never had", "forks that would draw the same"]
)
def test_without_a_fork_the_worker_is_rays_own(
    why: str,
    started: Callable[..., subprocess.Popen[str]],
    server: ForkServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of: ForkServer | None = server if why == "a fork that Ray never had" else None
    if why == "a server that is gone":
        of = ForkServer(tmp_path, {})
        of.end()
    if why == "forks that would draw the same":
        (tmp_path / "draws.py").write_text(DRAWS)
        monkeypatch.syspath_prepend(tmp_path)
        of = ForkServer(tmp_path, {"RAY_preload_python_modules": "draws"})
    arguments = ["--its-own"] if why == "forks that would draw the same" else ["--unfit"]
    process = started(*arguments, of=of)
    found = first_line(process)
    assert process.wait(SECONDS) == 7
    assert (found["forked"], found["pid"], found["arguments"]) == (False, process.pid, arguments)


def test_a_signal_to_the_launch_and_its_group_leaves_the_server_to_the_launch(server: ForkServer) -> None:
    assert os.getpgid(server.pid) == server.pid != os.getpgrp()


def test_the_server_and_its_forks_end_with_the_launch(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    launch = "from pathlib import Path\nfrom skipray.scheduling.ray.forking.server import ForkServer\n"
    launch += (
        f"made = ForkServer(Path({str(tmp_path)!r}), {{}}); print(made.pid, flush=True)\nimport time; time.sleep(600)"
    )
    driver = subprocess.Popen([sys.executable, "-c", launch], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    pid = int(driver.stdout.readline())

    found = first_line(started("--stay", of=SimpleNamespace(variables={ask.ADDRESS: str(tmp_path / "forks")})))
    assert found["parent"] == pid
    driver.kill()
    driver.wait()
    assert gone(pid)
    assert gone(found["pid"])
