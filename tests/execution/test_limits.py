"""Limits of the system that Ray or the drawing of figures dies of, named before anything starts."""

from pathlib import Path

import pytest

QUICKSTART = str(Path(__file__).parents[2] / "sweeps" / "quickstart.yaml")


@pytest.mark.parametrize(
    ("limit", "arguments", "words"),
    [
        ("-v 40000000", ["report", QUICKSTART], "limit of 39,062.5 MiB to addresses (`ulimit -v`)"),
        ("-v 40000000", ["launch", QUICKSTART], "or launch with --no-report"),
        ("-f 2000", ["launch", QUICKSTART], "MiB to the size of a file (`ulimit -f`)"),
        (
            "-v 5242880",
            ["launch", QUICKSTART, "--no-report"],
            "of 5,120.0 MiB to addresses (`ulimit -v`); Ray and a worker",
        ),
        ("-n 32", ["launch", QUICKSTART], "of 32 to open files (`ulimit -n`); Ray needs 64: raise it"),
        ("-n 20", ["launch", QUICKSTART, "--tracking-uri", "sqlite:///my.db"], "of 20 to open files"),
    ],
)
def test_a_limit_is_named(command, limit: str, arguments: list[str], words: str, tmp_path: Path) -> None:
    done = command(*arguments, shell=f"ulimit {limit}")
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path.name for path in tmp_path.iterdir()], "nothing has started"
