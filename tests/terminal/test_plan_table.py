"""What `skipray plan` prints of each shipped sweep in a terminal of 80 columns: nothing is cut."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from skipray.planning.plan import make_plan
from skipray.spec import load_sweep
from skipray.terminal import display

SWEEPS = sorted(path.stem for path in (Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("name", SWEEPS)
def test_names_and_numbers_are_whole(name: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, emoji=False)
    monkeypatch.setattr(display, "console", lambda: console)
    sweep = load_sweep(name)
    shown = make_plan(sweep, {})
    display.show_plan(shown)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    rows = re.findall(r" (\d+) +\S.* 0/\d+$", text, flags=re.M)
    assert len(rows) == len({p.trial.cell for p in shown.trials}), "each row ends with how much is finished"
    if not shown.trials:
        return  # its depths are chosen while it runs
    heads = [word for line in text.splitlines() for word in line.split()]
    for word in ("architecture", "depth", "parameters", "FLOPs/", "memory", "each", "finished"):
        assert word in heads
    told = re.sub(r"\s+", " ", text)
    for group in sweep.groups:
        for word in group.label.split():
            room = width - display.BESIDE_NAMES  # what is longer goes on in the next line
            assert word[:room] in told


def test_a_finished_sweep_has_nothing_left(capsys: pytest.CaptureFixture[str]) -> None:
    sweep = load_sweep("quickstart")
    display.show_plan(make_plan(sweep, {t.trial_id: "finished" for t in sweep.trials()}))
    said = " ".join(capsys.readouterr().out.split())
    assert "54 finished; nothing is left to run." in said
    assert "for the rest" not in said
