"""What a user's environment tells Python: a launch under it works, or is refused in a sentence before it starts."""

import os
import subprocess
import sys
from pathlib import Path

SWEEP = Path(__file__).parents[1] / "sweeps" / "quickstart.yaml"


def ended(folder: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "skipray.launch", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(SWEEP.parents[1])} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_without_docstrings_a_launch_is_refused(tmp_path: Path) -> None:
    """Ray edits docstrings as it is imported, and fails there with an AttributeError."""
    done = ended(tmp_path, "launch", str(SWEEP), PYTHONOPTIMIZE="2")
    assert done.returncode == 2
    assert "PYTHONOPTIMIZE=2" in done.stderr
    assert "allowed: 0 or 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_warnings_that_are_errors_end_no_command(tmp_path: Path) -> None:
    """Packages that skipray uses warn as a database is made."""
    (tmp_path / "found.csv").write_text("architecture,depth,seed,test.accuracy\nours,8,0,0.5\n")
    done = ended(tmp_path, "import", "found.csv", "--name", "found", PYTHONWARNINGS="error")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
