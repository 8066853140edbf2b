"""Files of the working directory that hide a library are told before anything is imported of it."""

import os
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from skipray.terminal.at_start import LIBRARIES, hiding

ROOT = Path(__file__).parents[2]


def said(folder: Path, *words: str) -> tuple[int, list[str]]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, done.stderr.splitlines()


def test_all_libraries_are_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    wanted = {canonicalize_name(Requirement(line).name) for line in lines}
    modules = packages_distributions()
    known = {canonicalize_name(name) for module in LIBRARIES for name in modules[module]}
    assert wanted <= known, "each declared one"
    assert {m for m in LIBRARIES if not {canonicalize_name(n) for n in modules[m]} & wanted} == set(), "and no other"


@pytest.mark.parametrize("module", ["skipray", "skipray.launch"])
@pytest.mark.parametrize("name", ["torch/__init__.py", "numpy.py", "typer.py", "ray.py", "mlflow/__init__.py"])
def test_what_hides_a_library_is_refused(name: str, module: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    code, lines = said(tmp_path, "-m", module, "list")
    library = name.partition("/")[0].removesuffix(".py")
    assert code == 2
    assert len(lines) == 1
    assert f"which hides the library {library}: Python looks there first" in lines[0]


def test_what_hides_nothing_is_let_be(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "numpy.txt").touch()
    assert hiding(str(tmp_path)) == []
    assert hiding(str(Path(sys.modules["pytest"].__file__ or "").parents[1])) == [], "the libraries themselves"


@pytest.mark.skipif(sys.platform != "linux", reason="a path of bytes")
@pytest.mark.parametrize("verb", ["launch", "status", "list"])
def test_a_working_directory_that_is_not_utf8_is_named(verb: str, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff"))
    folder.mkdir()
    code, lines = said(folder, "-m", "skipray", verb, *([] if verb == "list" else ["quickstart"]))
    assert code == 2
    assert len(lines) == 1
    assert "which is not UTF-8; allowed: a" in lines[0]
    assert "bad\\udcff" in lines[0]
