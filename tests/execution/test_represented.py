"""What twins are compared by: the hidden representations of saved networks, also where blocks give out tuples."""

from pathlib import Path
from textwrap import dedent

import pytest

from skipray.datasets import gaussian
from skipray.execution.twins import represented
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, TrialSpec
from skipray.trial import run_trial

FAMILY = """
    from torch import nn


    class Block(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.inner = nn.Linear(width, width)

        def forward(self, x):
            gate = self.inner(x).sigmoid()
            return x * gate, gate


    class Gated(nn.Module):
        def __init__(self, depth, classes):
            super().__init__()
            self.blocks, self.head = nn.ModuleList([Block(16) for _ in range(depth)]), nn.Linear(16, classes)

        def forward(self, x):
            x = x.flatten(1)
            for block in self.blocks:
                x, _ = block(x)
            return self.head(x)


    class gated:
        @staticmethod
        def build(model, input_shape, classes):
            return Gated(model.depth, classes)


    class Looped(nn.Module):
        def __init__(self, depth, classes):
            super().__init__()
            self.block, self.depth, self.head = Block(16), depth, nn.Linear(16, classes)

        def forward(self, x):
            x = x.flatten(1)
            for _ in range(self.depth):
                x, _ = self.block(x)
            return self.head(x)


    class looped:
        @staticmethod
        def build(model, input_shape, classes):
            return Looped(model.depth, classes)
"""


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("gated", ("blocks.0[0]", "blocks.1[0]", "blocks.2[0]")),
        ("looped", ("block[0]", "block[0]#2", "block[0]#3")),
    ],
)
def test_blocks_that_give_out_tuples_are_compared_by_what_they_hand_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, layers: tuple[str, ...]
) -> None:
    (tmp_path / "gated_nets.py").write_text(dedent(FAMILY))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path / "cache"))
    trial = TrialSpec(
        sweep="test",
        dataset=DatasetSpec(name="gaussian", options={"features": 16, "samples": 230, "classes": 4, "separation": 4.0}),
        fingerprint=gaussian.FINGERPRINT,
        model=ModelSpec(architecture=f"gated_nets:{name}", depth=3, initialisation="as_built"),
        recipe=Recipe(
            epochs=1, batch_size=50, learning_rate=0.05, momentum=0.9, weight_decay=0.0, schedule="constant",
            augmentation="none",
        ),
        probe=ProbeSpec(samples=32),
        seed=0,
        resources=Resources(),
        source_hashes=((f"gated_nets:{name}", ""),),
    )  # fmt: skip
    record = run_trial(trial)
    assert record.weights is not None
    found = represented(trial, record.weights, None)
    assert found.names == layers
    hidden = record.layers[record.layers["tensor"] == "hidden"]
    assert tuple(dict.fromkeys(hidden["layer"])) == found.names
