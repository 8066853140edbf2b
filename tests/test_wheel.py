"""What is installed from the wheel: the package with its sweeps, templates and types, and nothing of the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import skipray

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    return Path(built)


def test_it_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    information = f"skipray-{skipray.__version__}.dist-info/"
    package = {p.relative_to(ROOT).as_posix() for p in (ROOT / "skipray").rglob("*") if p.is_file()}
    package = {name for name in package if "__pycache__" not in name}
    sweeps = {f"skipray/sweeps/{p.name}" for p in (ROOT / "sweeps").glob("*.yaml")}
    assert {n for n in names if not n.startswith(information)} == package | sweeps
    needed = {"skipray/py.typed", "skipray/templates/own.py.txt", "skipray/results/schema.json"}
    assert needed <= names, "without these, users of types, of `new --own` and of the results' schema have nothing"
    assert {f"{information}licenses/LICENSE", f"{information}entry_points.txt"} <= names


def test_in_an_empty_folder_it_finds_its_sweeps_and_writes_one_to_start_from(wheel: Path, tmp_path: Path) -> None:
    """As unpacked into site-packages, beside which there is no checkout."""
    site, empty = tmp_path / "site-packages", tmp_path / "empty"
    zipfile.ZipFile(wheel).extractall(site)
    empty.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"} | {"PYTHONPATH": str(site)}
    script = (
        "import skipray, sys; from skipray.launch import app; print(skipray.__file__)\n"
        "for words in (['plan', 'quickstart'], ['new', 'mine.yaml', '--own']):\n"
        "    app(words + ['--brief', '--offline'] * (words[0] == 'plan'), standalone_mode=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=empty, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site)), "the wheel's, not the checkout's"
    assert "quickstart.yaml: 54 trials" in done.stdout
    assert {p.name for p in empty.iterdir()} >= {"mine.yaml", "mine.py"}
