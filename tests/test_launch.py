"""The command line: how it is started, what it refuses, what it prints."""

import subprocess
import sys
import sysconfig
from pathlib import Path

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
