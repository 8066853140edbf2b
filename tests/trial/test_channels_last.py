"""Convolutions read channels last, but for those of which oneDNN would write past the end of its memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from skipray.trial.channels_last import memory_format

CHECKED = Path("/lib/x86_64-linux-gnu/libc_malloc_debug.so.0")
STEPS = """
import torch
from skipray.architectures import build
from skipray.spec import ModelSpec
from skipray.trial.training import to_device

torch.set_num_threads(1)
common = dict(kind="cnn", normalization="batch", initialisation="he_normal", activation="relu", residual_scale=1)
for width in (2, 3, 4, 5, 6, 7, 8, 12):
    for name, depth, more in (
        ("plainnet", 8, {"block": "basic"}),
        ("resnet", 8, {"block": "basic", "shortcut": "B"}),
        ("resnet", 11, {"block": "bottleneck", "shortcut": "B"}),
        ("resnext", 11, {"block": "bottleneck", "shortcut": "B", "cardinality": 2, "group_width": 2}),
    ):
        model = ModelSpec(architecture=name, depth=depth, width=width, layout="cifar", **common, **more)
        network = to_device(build(model, (3, 16, 16), 4, seed=0), "cpu").train()
        x = torch.randn(10, 3, 16, 16)
        for _ in range(3):
            network(x).square().sum().backward()
    print(width)
"""


@pytest.mark.parametrize(
    ("layer", "last"),
    [
        (nn.Conv2d(3, 4, 3, stride=2), True),
        (nn.Conv2d(4, 8, 1), True),
        (nn.Conv2d(8, 8, 1, stride=2), True),
        (nn.Conv2d(7, 8, 1, stride=2), False),
        (nn.Conv2d(16, 16, 1, stride=2, groups=4), False),
        (nn.Conv2d(4, 8, 1, stride=(1, 2)), False),
    ],
)
def test_channels_are_last_but_for_what_overruns(layer: nn.Module, last: bool) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), layer)
    assert memory_format(network) == (torch.channels_last if last else torch.contiguous_format)
    assert memory_format(nn.Linear(2, 2)) == torch.contiguous_format


@pytest.mark.skipif(not CHECKED.exists(), reason="glibc's checking malloc is not here")
def test_no_network_writes_past_its_memory() -> None:
    """With oneDNN's code for AVX2, which this machine may not take by itself; a malloc that checks ends the process."""
    checks = {"LD_PRELOAD": str(CHECKED), "MALLOC_CHECK_": "3", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run(
        [sys.executable, "-c", STEPS], env=os.environ | checks, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, (done.stdout, done.stderr[-2000:])
