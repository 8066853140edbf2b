"""Charts drawn by a process beside this one: the same files, whatever becomes of it."""

import signal

import pytest

from skipray.report import beside, drawing
from skipray.report.beside import Beside

SPEC = {
    "data": {"values": [{"depth": 8, "accuracy": 0.9}, {"depth": 20, "accuracy": 0.4}]},
    "mark": {"type": "point", "clip": True},
    "encoding": {
        "x": {"field": "depth", "type": "quantitative"},
        "y": {"field": "accuracy", "type": "quantitative"},
    },
}


def test_the_same_files_by_the_process_and_without_it(tmp_path, monkeypatch):
    here, there, after = (tmp_path / f"{name}.svg" for name in ("here", "there", "after"))
    drawing.draw(SPEC, [here])
    with monkeypatch.context() as patched:
        patched.setattr(drawing, "draw", lambda spec, paths: pytest.fail("drawn here"))
        with Beside() as charts:
            charts.draw(SPEC, [there, tmp_path / "there.pdf"])
    assert here.read_bytes() == there.read_bytes()
    assert (tmp_path / "there.pdf").read_bytes().startswith(b"%PDF")
    beside.PROCESS.process.send_signal(signal.SIGKILL)  # as the kernel does where memory is short
    beside.PROCESS.process.wait(timeout=10)
    with Beside() as charts:
        charts.draw(SPEC, [after])
        charts.draw(SPEC, [tmp_path / "again.svg"])
    assert here.read_bytes() == after.read_bytes() == (tmp_path / "again.svg").read_bytes()


def test_what_cannot_be_written_is_an_error_at_the_end(tmp_path):
    with pytest.raises(FileNotFoundError), Beside() as charts:
        charts.draw(SPEC, [tmp_path / "absent" / "chart.svg"])
