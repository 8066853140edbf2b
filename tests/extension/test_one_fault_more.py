"""CONTRIBUTING's row of faults holds: a file of faults, and its two lines in the suite's list.

The suite runs on a stage without a cluster, whose launches tell what they are given to tell: what is tried is that an
added fault is found by its name, strikes, and makes the suite fail where what it expects is not so. `make faults` runs
such faults on the cluster.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADDITION = Path(__file__).parent / "additions" / "faults" / "of_repetition.py"
WITHOUT_A_CLUSTER = """\
import contextlib, importlib.util, sys
from types import SimpleNamespace

sys.path.insert(0, sys.argv[1])
spec = importlib.util.spec_from_file_location("suite", f"{sys.argv[1]}/__main__.py")
suite = importlib.util.module_from_spec(spec)
spec.loader.exec_module(suite)
ran = int(sys.argv[3])

class Stage:
    def __init__(self, folder, seed):
        self.rows, self.suffix = [], ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run_undisturbed(self):
        return 0.0

    def again(self):
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def disturb(self, fault):
        row = suite.Row(fault)
        expect = lambda true, words: true or row.wrong.append(words)
        launch = lambda: SimpleNamespace(told=lambda: {"ran": ran})
        yield SimpleNamespace(strike=lambda: None, launch=launch, expect_exit=lambda *_: None, expect=expect)
        self.rows.append(row)

suite.Stage = Stage
sys.argv[1:] = [sys.argv[2]]
sys.exit(suite.main())
"""


def with_addition(place: Path) -> Path:
    """A copy of the suite with one more file of faults."""
    suite = place / "tests" / "faults"
    shutil.copytree(ROOT / "tests" / "faults", suite, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "infra").symlink_to(ROOT / "infra")
    shutil.copy(ADDITION, suite)
    listed = (suite / "__main__.py").read_text(encoding="utf-8")
    for before, line in (
        ("import of_secrets\n", "import of_repetition\n"),
        ('    "own-ray-init"', "    **of_repetition.FAULTS,\n"),
    ):
        assert listed.count(before) == 1
        listed = listed.replace(before, line + before)
    (suite / "__main__.py").write_text(listed, encoding="utf-8")
    return suite


def run(suite: Path, fault: str, ran: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", WITHOUT_A_CLUSTER, str(suite), fault, str(ran)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, check=False)


def test_the_table_names_the_files() -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## To add X, touch Y")[2]
    assert "| a fault | 2 | `tests/faults/of_*.py`, `tests/faults/__main__.py` |" in table


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("ran", "code", "told"), [(0, 0, "1 passed, 0 failed"), (3, 1, "no trial is run again")])
def test_an_added_fault_strikes(ran: int, code: int, told: str, tmp_path: Path) -> None:
    done = run(with_addition(tmp_path), "launched-again", ran)
    assert done.returncode == code, done.stdout + done.stderr
    assert told in done.stdout


@pytest.mark.timeout(120)
def test_a_fault_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    done = run(with_addition(tmp_path), "launched-thrice", 0)
    assert done.returncode == 2
    assert "launched-again" in done.stderr
