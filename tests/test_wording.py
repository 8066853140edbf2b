"""One of a thing is told as one."""

from pathlib import Path

import pytest

from skipray.launch import run
from skipray.wording import counted

SWEEP = str(Path(__file__).parents[1] / "sweeps" / "quickstart.yaml")


def test_one_is_one() -> None:
    assert [counted(n, "trial") for n in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]
    assert [counted(n, "result waits", "results wait") for n in (1, 2)] == ["1 result waits", "2 results wait"]


@pytest.mark.parametrize("brief", [True, False])
def test_a_plan_of_one_trial(brief: bool, capsys: pytest.CaptureFixture[str]) -> None:
    one = ["factors.architecture=[resnet]", "factors.depth=[20]", "seeds=[0]"]
    words = [word for value in one for word in ("--set", value)]
    assert run(["plan", SWEEP, "--offline", *words, *(["--brief"] if brief else [])]) == 0
    said = capsys.readouterr().out
    assert "1 trial" in said
    assert "1 trials" not in said
