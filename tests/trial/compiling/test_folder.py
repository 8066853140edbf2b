"""Where the compiler keeps its files: where nobody else can put any."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from skipray.trial.compiling import folder
from skipray.trial.compiling.compiled import compiler_settings
from skipray.trial.compiling.folder import VARIABLE, compiler_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("TORCHINDUCTOR_COMPILE_THREADS", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder._of_this_process.cache_clear()
    return tmp_path


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_its_owner_can_write_there_whatever_the_umask(temporary: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        found = compiler_folder()
    finally:
        os.umask(before)
    assert found == temporary / f"skipray-compiled-{os.getuid()}"
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert compiler_folder() == found


def test_what_the_user_says_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    assert compiler_folder() == tmp_path / "mine"


@pytest.mark.parametrize("case", ["another user's", "open to all", "a link", "a file"])
def test_a_folder_that_is_not_safe_is_left_alone(temporary: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    usual = temporary / f"skipray-compiled-{os.getuid()}"
    if case == "another user's":
        usual = temporary / "skipray-compiled-54321"
        usual.mkdir(mode=0o755)
        monkeypatch.setattr(os, "getuid", lambda: 54321)
    elif case == "open to all":
        usual.mkdir()
        usual.chmod(0o777)
    elif case == "a link":
        (temporary / "elsewhere").mkdir()
        usual.symlink_to(temporary / "elsewhere")
    else:
        usual.touch()
    found = compiler_folder()
    assert found != usual
    assert found.parent == temporary
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    assert compiler_folder() == found, "the same for the whole process"


def test_variables_are_set_for_the_time_of_a_trial(temporary: Path) -> None:
    with compiler_settings(3) as found:
        assert os.environ[VARIABLE] == str(found)
        assert os.environ["TORCHINDUCTOR_COMPILE_THREADS"] == "3"
    assert VARIABLE not in os.environ
    assert "TORCHINDUCTOR_COMPILE_THREADS" not in os.environ
