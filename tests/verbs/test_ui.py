"""`skipray ui`: MLflow's server, begun where it can be and ended without a word of its own."""

import os
import pty
import shutil
import socket
import sqlite3
import sys
import time
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from skipray.launch import run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


@pytest.mark.timeout(200)
def test_ctrl_c_ends_the_pages_in_a_word(tmp_path: Path, empty_database: Path) -> None:
    """In a terminal, which sends its signal to all that it has in front."""
    shutil.copyfile(empty_database, tmp_path / "skipray.db")
    port = free_port()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        os.execv(sys.executable, [sys.executable, "-m", "skipray", "ui", "--port", str(port)])
    end = time.monotonic() + 150
    while not answers(port):
        assert time.monotonic() < end, os.read(terminal, 100_000).decode()
        time.sleep(0.3)
    family = psutil.Process(child).children(recursive=True)
    assert len(family) >= 2
    os.write(terminal, b"\x03")
    said = b""
    with suppress(OSError):  # the end of a terminal that nobody has any more
        while part := os.read(terminal, 100_000):
            said += part
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130
    text = said.decode()
    assert "Traceback" not in text, text
    assert text.rstrip().endswith("interrupted")
    assert len(text.splitlines()) < 10, text
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_a_database_of_another_mlflow_is_refused_before_a_page_is_named(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(empty_database, tmp_path / "skipray.db")
    with closing(sqlite3.connect(tmp_path / "skipray.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '0584bdc529eb'")
        database.commit()
    before = (tmp_path / "skipray.db").read_bytes()
    assert run(["ui", "--port", str(free_port()), "--tracking-uri", f"sqlite:///{tmp_path}/skipray.db"]) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "schema 0584bdc529eb; allowed: " in streams.err
    assert len(streams.err.strip().splitlines()) == 1
    assert (tmp_path / "skipray.db").read_bytes() == before
