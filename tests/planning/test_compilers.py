"""What compiled steps need of a machine, before a trial is started there."""

import sysconfig
from pathlib import Path

import pytest
import torch

from skipray.planning import compilers
from skipray.planning.compilers import compiles, missing_compiler
from skipray.planning.notes import notes_of
from skipray.spec import load_sweep

SWEEP = Path(__file__).parents[2] / "sweeps" / "quickstart.yaml"


@pytest.mark.parametrize(("mode", "asked"), [("none", False), ("auto", False), ("default", True)])
def test_who_needs_a_compiler(mode: str, asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = load_sweep(SWEEP, [f"recipe.compile={mode}"])
    assert compiles(sweep) == asked
    monkeypatch.setenv("CXX", "no-such-compiler")
    words = "not on this machine: recipe.compile: found no working C++ compiler (no-such-compiler); install g++"
    assert any(note.startswith(words) for note in notes_of(sweep)) == asked


def test_a_compiler_that_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    assert "no working C++ compiler" in (missing_compiler("cpu") or "")
    broken.write_text("#!/bin/sh\nexit 0\n")
    monkeypatch.setattr(compilers, "_unsupported", lambda: None)
    assert missing_compiler("cpu") is None
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert "found no" in (missing_compiler("cpu") or "")
    assert "Python.h" in (missing_compiler("cpu") or "")


def test_what_a_gpu_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilers.importlib.util, "find_spec", lambda name: None)
    assert "found no triton" in (missing_compiler("cuda") or "")


def test_a_torch_that_does_not_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(function: object) -> None:
        raise RuntimeError("torch.compile is not supported on Python 4")

    monkeypatch.setattr(torch, "compile", refuses)
    monkeypatch.setenv("CXX", "true")
    assert "not supported on Python 4; choose none" in (missing_compiler("cpu") or "")
