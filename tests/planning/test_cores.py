"""Cores that a process may use: what the scheduler and its control groups allow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from skipray.planning import cores
from skipray.planning.cores import usable_cores


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of eight cores whose control groups are in a folder, and the process in one of them."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(cores, "CGROUPS", tmp_path)
    monkeypatch.setattr(cores, "OF_PROCESS", tmp_path / "own")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("files", "allowed"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"own": "0::/slurm/job_1\n", "slurm/job_1/cpu.max": "max 100000\n", "slurm/cpu.max": "250000 100000\n"}, 3),
        ({"own": "4:cpu,cpuacct:/docker/a\n", "cpu/docker/a/cpu.cfs_quota_us": "400000\n",
          "cpu/docker/a/cpu.cfs_period_us": "100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"own": "not what the kernel writes\n", "cpu.max": "nonsense\n"}, 8),
    ],
)  # fmt: skip
def test_a_control_groups_limit_is_kept(groups: Path, files: dict[str, str], allowed: int) -> None:
    for name, text in files.items():
        write(groups / name, text)
    assert usable_cores() == allowed


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux says which cores a process may use")
def test_a_process_that_is_bound_to_a_core_plans_for_one() -> None:
    """As under taskset or Slurm: a launch would start a worker for each core of the machine."""
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "from skipray.planning.cores import usable_cores; print(usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
