"""What other users of the machine may do with the files that skipray makes."""

import os
import stat
from pathlib import Path

import pytest

from skipray.scheduling.work.permissions import keep_others_from_writing


@pytest.fixture
def umask():
    found = os.umask(0o077)
    yield os.umask
    os.umask(found)


@pytest.mark.parametrize(
    ("asked", "made"), [(0o000, 0o775), (0o002, 0o775), (0o022, 0o755), (0o077, 0o700)], ids=["0", "002", "022", "077"]
)
def test_a_stricter_mask_stays(umask, asked: int, made: int, tmp_path: Path) -> None:
    umask(asked)
    keep_others_from_writing()
    (tmp_path / "made").mkdir()
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == made


def test_no_other_user_can_write_what_a_command_has_made(command, tmp_path: Path) -> None:
    """With a umask of 0 a database of 0666 was left, and prepared data that another user could have changed."""
    tmp_path.chmod(0o755)
    (tmp_path / "found.csv").write_text("architecture,depth,seed,test.accuracy\nours,8,0,0.5\nours,20,0,0.4\n")
    for arguments in (["import", "found.csv", "--name", "found"], ["report", "found"]):
        done = command(*arguments, shell="umask 0", SKIPRAY_CACHE=str(tmp_path / "cache"))
        assert done.returncode == 0, done.stderr
    made = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
    assert {"skipray.db", "report.html"} <= {path.name for path in made}
    assert not [path for path in made if path.stat().st_mode & stat.S_IWOTH]
