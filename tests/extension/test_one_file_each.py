"""CONTRIBUTING's table holds: one file of each kind, in a copy of the package, and the tests of its area pass."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skipray.extension import catalog

ROOT = Path(__file__).parents[2]
ADDITIONS = Path(__file__).parent / "additions"
AREAS = {
    "activations": ("tests/architectures/test_activations.py",),
    "architectures": ("tests/architectures/test_catalog.py", "tests/architectures/test_sizes.py"),
    "claims": ("tests/claims/test_judging.py",),
    "curves": ("tests/curves/test_curves.py",),
    "datasets": ("tests/datasets/test_catalog_of_datasets.py",),
    "initialisations": ("tests/initialisations/test_schemes.py",),
    "metrics": (
        "tests/report/test_metrics_in_one_file.py",
        "tests/metrics/test_singularity.py",
        "tests/test_probe.py",
        "tests/golden/test_golden_run.py",
    ),
    "verbs": ("tests/verbs/test_front_door.py", "tests/docs/test_pages.py", "tests/results/test_schema.py"),
}
"""Folder -> the tests that look at every entry of it, beside tests/extension/test_catalog.py, which looks at all."""


def test_there_is_one_addition_of_each_kind() -> None:
    assert set(AREAS) == {*catalog.FOLDERS, "verbs"}
    for folder in AREAS:
        (path,) = (ADDITIONS / folder).glob("*.py")
        assert not (ROOT / "skipray" / folder / path.name).exists()


def test_the_table_names_the_folders() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## To add X, touch Y")[2]
    rows = dict(re.findall(r"^\| [^|]+ \| (\d)[^|]*\| `skipray/(\w+)/NAME\.py`", table, flags=re.M))
    assert set(AREAS) <= {folder for _, folder in re.findall(r"\| (\d)[^|]*\| `skipray/(\w+)/NAME\.py`", table)}
    assert set(rows) == {"1"}


@pytest.mark.timeout(200)
def test_one_file_of_each_kind_is_enough(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "skipray", tmp_path / "skipray")  # compiled files with it, which are as old as their sources
    added = {}
    for folder in AREAS:
        (path,) = (ADDITIONS / folder).glob("*.py")
        shutil.copy(path, tmp_path / "skipray" / folder)
        added[folder] = path.stem
    tests = [path for paths in AREAS.values() for path in paths]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ADDITIONS)])}
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "pytest",
            "-v",
            "-n",
            "0",
            "-p",
            "only_added",
            "tests/extension/test_catalog.py",
            *tests,
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = re.findall(r"^(\S+?)::\S+?(?:\[(.*)\])? PASSED", done.stdout, flags=re.M)
    for folder, name in added.items():
        seen = {file for file, case in passed if re.search(rf"(^|-){name}(-|$)", case)}
        assert seen & set(AREAS[folder]), f"no test of {folder} has looked at {name}"
