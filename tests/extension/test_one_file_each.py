"""CONTRIBUTING's table holds: one file of each kind, in a copy of the package, and the tests of its area pass.

A verb with `--json` has its part in the published schema too; an optimizer of torch.optim needs no file. The row of
faults is in test_one_fault_more.py.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from skipray.extension import catalog
from skipray.results import SCHEMA_VERSION

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
        paths = [*(ADDITIONS / folder).glob("*.py")]
        several = folder in ("metrics", "verbs")
        assert len(paths) == 1 + several, "of metrics, one of layers and one of the network; of verbs, one with --json"
        assert not any((ROOT / "skipray" / folder / path.name).exists() for path in paths)


def test_the_table_names_the_folders() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## To add X, touch Y")[2]
    rows = dict(re.findall(r"^\| [^|]+ \| (\d)[^|]*\| `skipray/(\w+)/NAME\.py`", table, flags=re.M))
    assert set(AREAS) <= {folder for _, folder in re.findall(r"\| (\d)[^|]*\| `skipray/(\w+)/NAME\.py`", table)}
    assert set(rows) == {"1"}


def add_to_schema(path: Path) -> None:
    """What a verb with `--json` adds beside its own file."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    for part in ADDITIONS.glob("*.schema.json"):
        name = part.name.removesuffix(".schema.json")
        schema["$defs"][name] = json.loads(part.read_text(encoding="utf-8"))
        schema["oneOf"].append({"$ref": f"#/$defs/{name}"})
    path.write_text(json.dumps(schema), encoding="utf-8")


def with_additions(place: Path) -> list[tuple[str, str]]:
    """A copy of the package with all additions in it; their folders and names."""
    shutil.copytree(ROOT / "skipray", place / "skipray")  # compiled files with it, which are as old as their sources
    paths = [path for folder in AREAS for path in sorted((ADDITIONS / folder).glob("*.py"))]
    for path in paths:
        shutil.copy(path, place / "skipray" / path.parent.name)
    add_to_schema(place / "skipray" / "results" / "schema.json")
    return [(path.parent.name, path.stem) for path in paths]


@pytest.mark.timeout(200)
def test_one_file_of_each_kind_is_enough(tmp_path: Path) -> None:
    added = with_additions(tmp_path)
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
    for folder, name in added:
        seen = {file for file, case in passed if re.search(rf"(^|-){name}(-|$)", case)}
        assert seen & set(AREAS[folder]), f"no test of {folder} has looked at {name}"


SWEEP = """\
name: added
question: Does a sweep of additions alone run from launch to report?
dataset: {name: stripes}
model: {kind: mlp, width: 16, normalization: batch, initialisation: truncated_normal, activation: mish,
  residual_scale: 1}
recipe: {epochs: 2, batch_size: 64, learning_rate: 0.002, optimizer: {name: nadam, momentum_decay: 0.005},
  weight_decay: 1e-4, schedule: constant, augmentation: none}
factors: {architecture: [plainnet, skip3], depth: [8, 14, 20, 26, 32]}
seeds: [0, 1]
claims: {plain: plainnet, skip: skip3}
"""


@pytest.mark.cluster
@pytest.mark.xdist_group("launches")
@pytest.mark.timeout(300)
def test_additions_run_from_launch_to_report(tmp_path: Path) -> None:
    """A data set, a family, an initialisation, an activation, two metrics, a curve and a claim, in one sweep, with an
    optimizer of torch.optim that no file of skipray is about."""
    with_additions(tmp_path)
    (tmp_path / "added.yaml").write_text(SWEEP)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    environment.pop("MLFLOW_TRACKING_URI", None)

    def skipray(*arguments: str) -> str:
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    launched = skipray("skipray.launch", "added.yaml")
    assert "C12" in launched
    assert launched.endswith("report: reports/added/report.html\n")
    told = json.loads(skipray("skipray", "aggregate", "added.yaml", "--json"))
    trends = {trend["metric"]: trend for trend in told["trends"]}
    assert {"hidden.log10_gap.median", "confidence"} <= set(trends)
    assert any("hyperbolic" in trend["weights"] for trend in told["trends"]), "it competes for every series"
    assert "C12" in {claim["id"] for claim in told["claims"]}
    report = tmp_path / "reports" / "added"
    for figure in ("log10-gap-by-depth", "confidence-by-depth"):
        assert (report / "figures" / f"{figure}.svg").stat().st_size > 1000
        assert (report / "data" / f"{figure}.csv").is_file()
    page = (report / "report.html").read_text(encoding="utf-8")
    for name in ("stripes", "skip3", "truncated_normal", "mish", "nadam", "log10 of s1 / s2", "mean confidence", "C12"):
        assert name in page
    assert "10 cells" in skipray("skipray", "cells", "added.yaml")
    assert skipray("skipray", "seeds", "added.yaml") == "added: 0, 1\n"
    handed = json.loads(skipray("skipray", "seeds", "added.yaml", "--json"))
    assert handed == {"schema_version": SCHEMA_VERSION, "kind": "seeds", "sweep": "added", "seeds": [0, 1]}
    Draft202012Validator(json.loads((tmp_path / "skipray/results/schema.json").read_text())).validate(handed)
