"""Limits of the system that Ray or the drawing of figures dies of, named before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUICKSTART = str(ROOT / "sweeps" / "quickstart.yaml")


@pytest.mark.parametrize(
    ("limit", "arguments", "words"),
    [
        ("-v 40000000", ["report", QUICKSTART], "limit of 39,062.5 MiB to addresses (`ulimit -v`)"),
        ("-v 40000000", ["launch", QUICKSTART], "or launch with --no-report"),
        ("-f 2000", ["launch", QUICKSTART], "MiB to the size of a file (`ulimit -f`)"),
    ],
)
def test_a_limit_is_named(limit: str, arguments: list[str], words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f'ulimit {limit}; exec "$@"', "bash", sys.executable, "-m", "skipray.launch", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path.name for path in tmp_path.iterdir()], "nothing has started"
