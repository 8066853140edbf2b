"""What a user's environment tells Python: a launch under it works, or is refused in a sentence before it starts."""

from pathlib import Path

SWEEP = Path(__file__).parents[1] / "sweeps" / "quickstart.yaml"


def test_without_docstrings_a_launch_is_refused(command) -> None:
    """Ray edits docstrings as it is imported, and fails there with an AttributeError."""
    done = command("launch", str(SWEEP), PYTHONOPTIMIZE="2")
    assert done.returncode == 2
    assert "PYTHONOPTIMIZE=2" in done.stderr
    assert "allowed: 0 or 1" in done.stderr
    assert "Traceback" not in done.stderr


def test_warnings_that_are_errors_end_no_command(command, tmp_path: Path) -> None:
    """Packages that skipray uses warn as a database is made."""
    (tmp_path / "found.csv").write_text("architecture,depth,seed,test.accuracy\nours,8,0,0.5\n")
    done = command("import", "found.csv", "--name", "found", PYTHONWARNINGS="error")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
