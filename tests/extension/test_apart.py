"""Calls in a child process: whatever code of a user's own does there, the caller goes on and hears where it was."""

import fcntl
import json
import os
import resource
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from skipray.extension import apart
from skipray.extension.readable import readable
from skipray.terminal import supervisor

SWEEP = """\
name: mine
question: Does my own network train?
dataset: {name: digits}
model: {kind: mlp, width: 16, normalization: none, initialisation: he_normal, activation: tanh}
recipe:
  {epochs: 1,
  batch_size: 128, learning_rate: 0.05, momentum: 0.9, weight_decay: 0, schedule: cosine, augmentation: none}
factors: {architecture: [plainnet, "tower:Tower"], depth: [4, 8]}
seeds: [0]
"""
TOWER = """\
import os, sys
class Tower:
    @staticmethod
    def build(model, input_shape, classes):
        print("building")
        WHAT
"""


@pytest.fixture(autouse=True)
def _child_ended():
    yield
    apart._child().end()


def test_calls_are_answered_by_one_other_process() -> None:
    first, second = apart.call(eval, "__import__('os').getpid()"), apart.call(eval, "__import__('os').getpid()")
    assert first == second != __import__("os").getpid()
    with pytest.raises(apart.OwnCodeFailed, match="ZeroDivisionError: division by zero"):
        apart.call(eval, "1 / 0")
    with pytest.raises(apart.OwnCodeFailed, match="SystemExit: 3"):
        apart.call(sys.exit, 3)
    with pytest.raises(apart.OwnCodeFailed, match=r"it has ended its process \(os._exit\(0\)\)"):
        apart.call(eval, "__import__('os')._exit(0)")
    with pytest.raises(apart.OwnCodeFailed, match=r"it has ended its process \(signal 11\)"):
        apart.call(eval, "__import__('ctypes').string_at(0)")
    assert apart.call(eval, "0") == 0, "started anew"
    with pytest.raises(apart.OwnCodeFailed, match=r"it had not ended after 0\.5 s"):
        apart.call(eval, "[0 for _ in iter(int, 1)]", seconds=0.5)
    assert apart.call(eval, "1 + 1") == 2


def test_a_folder_of_the_users_is_seen_and_one_of_a_package_starts_nothing_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lies_here.py").write_text("value = 7\n")
    first = apart.call(eval, "__import__('os').getpid()")
    monkeypatch.syspath_prepend(Path(sysconfig.get_path("purelib")) / "ray" / "thirdparty_files")
    assert apart.call(eval, "__import__('os').getpid()") == first
    monkeypatch.syspath_prepend(tmp_path)
    assert apart.call(eval, "__import__('lies_here').value") == 7


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("sys.exit(0)", "tower.py:6: tower:Tower: build ended the process (SystemExit(0))"),
        ("os._exit(0)", "mine.yaml: code of your own: tower.py:6: it has ended its process (os._exit(0))"),
        ("os.abort()", "mine.yaml: code of your own: tower.py:6: it has ended its process (signal 6)"),
    ],
)
def test_plan_refuses_a_network_that_ends_its_process(tmp_path: Path, what: str, said: str) -> None:
    (tmp_path / "mine.yaml").write_text(SWEEP)
    (tmp_path / "tower.py").write_text(TOWER.replace("WHAT", what))
    done = subprocess.run(
        [sys.executable, Path(sysconfig.get_path("scripts")) / "skipray", "plan", "mine.yaml", "--offline", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stdout == ""


def test_what_a_network_prints_is_no_part_of_the_one_object(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SWEEP)
    layers = "from torch import nn; return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))"
    (tmp_path / "tower.py").write_text("print('read')\n" + TOWER.replace("WHAT", layers))
    done = subprocess.run(
        [sys.executable, Path(sysconfig.get_path("scripts")) / "skipray", "plan", "mine.yaml", "--offline", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"},
    )
    assert done.returncode == 0, done.stderr
    assert "building\n" in done.stderr
    assert len(json.loads(done.stdout)["trials"]) == 4


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("import sys; sys.exit(0)", 2, "tower.py:1: SystemExit: 0"),
        ("import os; os._exit(0)", 1, "(exit code 0 at tower.py:1, in code of your own)"),
        ("import os; os.abort()", 1, "(signal SIGABRT at tower.py:1, in code of your own)"),
    ],
)
def test_a_module_that_ends_the_process_when_it_is_read_is_never_silent(
    tmp_path: Path, what: str, code: int, said: str
) -> None:
    (tmp_path / "mine.yaml").write_text(SWEEP)
    (tmp_path / "tower.py").write_text(what + "\n")
    done = subprocess.run(
        [sys.executable, Path(sysconfig.get_path("scripts")) / "skipray", "plan", "mine.yaml", "--offline"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""


def test_a_process_with_many_open_files_hears_too() -> None:
    """Beyond 1023, the last descriptor that select.select takes."""
    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 1024:
        pytest.skip("this process may not have so many")
    reading, writing = os.pipe()
    high = fcntl.fcntl(reading, fcntl.F_DUPFD, 1024)
    try:
        assert not readable(high, 0.0)
        os.write(writing, b"x")
        assert readable(high, 1.0)
        for module in (apart, supervisor):
            assert vars(module)["readable"] is readable, "each that waits for another process does it so"
    finally:
        for descriptor in (reading, writing, high):
            os.close(descriptor)
