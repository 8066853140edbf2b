"""Which processes a cluster of this machine stands on, and whether they live."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from skipray.scheduling.ray.local_processes import LocalProcesses, descendants


@pytest.fixture
def raylet(tmp_path: Path) -> Iterator[psutil.Popen]:
    """A process of that name, with a child of the same name, as a raylet's is before it becomes another program."""
    program = tmp_path / "raylet"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = psutil.Popen(["bash", "-c", f"exec -a x {program} 600 & exec {program} 600"])
    end = time.monotonic() + 20
    while (len(process.children()) < 1 or process.name() != "raylet") and time.monotonic() < end:
        time.sleep(0.02)
    yield process
    with suppress(psutil.NoSuchProcess):
        for each in [*process.children(), process]:
            each.kill()


def test_a_raylet_that_dies_is_noticed_and_the_end_of_its_children_is_not(raylet: psutil.Popen) -> None:
    before = descendants() - {raylet.pid, *(child.pid for child in raylet.children())}
    found = LocalProcesses(before)
    assert found.dead() == ""
    (child,) = raylet.children()
    child.kill()
    end = time.monotonic() + 20
    while child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
        time.sleep(0.02)
    assert found.dead() == ""
    raylet.kill()
    while not found.dead() and time.monotonic() < end:
        time.sleep(0.02)
    assert found.dead() == "raylet", "a zombie that nobody has waited for is dead"


def test_what_was_there_before_is_left_alone(raylet: psutil.Popen) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        found = LocalProcesses(descendants())
        assert found.dead() == ""
        found.end()
        assert raylet.is_running()
        assert other.poll() is None
        assert os.getpid() not in descendants()
    finally:
        other.kill()
        other.wait()


def test_the_end_takes_all_of_them(raylet: psutil.Popen) -> None:
    mine = [raylet, *raylet.children()]
    LocalProcesses(descendants() - {process.pid for process in mine}).end()
    assert not [p for p in mine if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
