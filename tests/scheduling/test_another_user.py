"""Another user of the machine: what of a launch's cluster it can read, plant or connect to, tried as another uid."""

import json
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skipray.scheduling.ray.cluster import Cluster
from skipray.scheduling.ray.local_folder import SessionFolder

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_another(work: Callable[[], Any]) -> Any:
    """What a function gives in a process of another user; it must make do with what is imported."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        told = said.read()
    os.waitpid(child, 0)
    return json.loads(told)


def allowed(action: Callable[[], Any]) -> bool:
    try:
        action()
    except PermissionError:
        return False
    return True


@needs_root
@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
def test_it_can_neither_read_nor_plant_nor_connect(cluster: Cluster) -> None:
    assert cluster.start is not None
    folder = cluster.start.folder.path
    token = (folder / "token").read_text()
    files = [path for path in folder.rglob("*") if not path.is_symlink()]
    sockets = [path for path in files if stat.S_ISSOCK(path.stat().st_mode)]
    assert len(sockets) >= 2, "the raylet's and the object store's"

    def tries() -> dict[str, Any]:
        def connect(path: Path) -> None:
            with socket.socket(socket.AF_UNIX) as end:
                end.connect(str(path))

        return {
            "who": os.geteuid(),
            "listed": allowed(lambda: list(folder.iterdir())),
            "read": [str(path) for path in files if allowed(path.open)],
            "planted": allowed(lambda: (folder / "planted").write_text("x")),
            "connected": [str(path) for path in sockets if allowed(lambda p=path: connect(p))],
            "shown": [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if token in _text(path)],
            "environments": [p.parent.name for p in Path("/proc").glob("[0-9]*/environ") if token in _text(p)],
        }

    assert as_another(tries) == {
        "who": NOBODY,
        "listed": False,
        "read": [],
        "planted": False,
        "connected": [],
        "shown": [],
        "environments": [],
    }
    assert allowed(lambda: list(folder.iterdir())), "what is refused to another is there"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # ended, or not to be read
        return ""


@needs_root
def test_the_folder_is_closed_under_any_umask() -> None:
    before = os.umask(0)
    try:
        folder = SessionFolder()
    finally:
        os.umask(before)
    try:
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        token = folder.path / "token"
        if token.exists():
            assert stat.S_IMODE(token.stat().st_mode) == 0o600
        assert not as_another(lambda: allowed(lambda: list(folder.path.iterdir())))
    finally:
        folder.remove()
