"""The command line: how it is started, what it refuses, what it prints."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from skipray.analysis import aggregation
from skipray.execution import launching as driver
from skipray.execution import measuring
from skipray.launch import main

SWEEP = """\
name: mine
question: Does my own network train?
dataset: {name: digits}
model: {kind: mlp, width: 16, normalization: none, initialisation: he_normal, activation: tanh}
recipe:
  {epochs: 1,
  batch_size: 128, learning_rate: 0.05, momentum: 0.9, weight_decay: 0, schedule: cosine, augmentation: none}
factors: {architecture: ["tower:Tower"], depth: [4, 8]}
seeds: [0]
"""
TOWER = """\
class Tower:
    @staticmethod
    def build(model, input_shape, classes):
        from torch import nn
        channels, height, width = input_shape
        layers = [nn.Flatten(), nn.Linear(channels * height * width, model.width)]
        layers += [nn.Linear(model.width, model.width) for _ in range(model.depth - 2)]
        return nn.Sequential(*layers, nn.Linear(model.width, classes))
"""


def test_the_installed_command_finds_code_in_the_working_directory(tmp_path):
    """As `python -m` does; a console script's own folder is on the path instead."""
    (tmp_path / "mine.yaml").write_text(SWEEP)
    (tmp_path / "tower.py").write_text(TOWER)
    done = subprocess.run(
        [sys.executable, Path(sysconfig.get_path("scripts")) / "skipray", "plan", "mine.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # 64 inputs: 64 x 16 + 2 x 16 x 16 + 16 x 10, and the biases.
    assert "Tower" in done.stdout
    assert "1.75 k" in done.stdout


def test_the_command_line_imports_nothing_that_takes_long():
    """A launch waits for it before it begins anything, and so does `--help`."""
    heavy = {"fsspec", "mlflow", "pandas", "pyarrow", "ray", "scipy", "sqlalchemy", "torch"}
    program = f"import sys; import skipray.launch; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


INTERRUPTED_MEASURING = measuring.Measuring("0123abcd", 3, 0, 0, (), (), True, 1.0, "the head is lost; start it again")


@pytest.mark.parametrize(
    ("verb", "module", "function", "outcome", "said"),
    [
        ("measure", measuring, "measure_sweep", INTERRUPTED_MEASURING, "the head is lost; start it again\ninterrupted; "
         "measure again to go on: what was measured stays, and training is not touched\n"),
        ("launch", driver, "launch_sweep", KeyboardInterrupt(), "interrupted; launch the same file again to go on\n"),
        ("aggregate", aggregation, "aggregate", KeyboardInterrupt(), "interrupted\n"),
    ],
)  # fmt: skip
def test_an_interrupted_verb_says_how_to_go_on_with_that_verb(
    verb, module, function, outcome, said, tmp_path, monkeypatch, capsys
):
    (tmp_path / "mine.yaml").write_text(SWEEP.replace("tower:Tower", "plainnet"))
    monkeypatch.chdir(tmp_path)

    def ended(*arguments: object, **options: object) -> object:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(module, function, ended)
    with pytest.raises(SystemExit) as left:
        main([verb, "mine.yaml"])
    assert left.value.code == 130
    assert capsys.readouterr().err == said
