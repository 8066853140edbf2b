"""The sweeps that faults strike: small networks on the digits, a few seconds of training each.

All of them have trials of the reference sweep, whose trial_ids do not depend on the sweep's name: what a disturbed
sweep reads back is compared with the same trials' undisturbed values.
"""

from pathlib import Path

CHECKPOINT_SECONDS = 0.5
SEEDS = 4
"""Of the reference. A sweep with all of them lasts most of a minute on two cores."""
DIVERGING_RATE = 1e30
"""A learning rate at which the first step's weights overflow."""

TEXT = """\
name: {name}
question: What is left after a fault?
dataset: {{name: digits}}
model:
  kind: mlp
  width: 32
  normalization: batch
  initialisation: he_normal
  activation: relu
  residual_scale: 1
recipe:
  epochs: {epochs}
  batch_size: 64
  learning_rate: 0.05
  momentum: 0.9
  weight_decay: 1e-4
  schedule: cosine
  augmentation: none
factors:
  architecture: {architectures}
  depth: [8, 14, 20]
{include}seeds: {seeds}
resources: {{checkpoint_seconds: {checkpoint_seconds}, max_failures: 1}}
"""

UNRULY = '''\
"""Families of a user's own that misbehave at one depth, where trials run; plan refuses what it cannot build."""

import sys

from skipray.architectures import plainnet


def unruly(misbehave):
    class Family:
        fields = staticmethod(plainnet.fields)
        check = staticmethod(plainnet.check)

        @staticmethod
        def build(model, input_shape, classes):
            if model.depth == 14 and sys.argv[0].endswith("default_worker.py"):
                misbehave()
            return plainnet.build(model, input_shape, classes)

    return Family


'''
"""What a module of such families begins with."""
BROKEN_FAMILY = f"""\
{UNRULY}
def _refuse():
    raise RuntimeError("no such depth today")


Family = unruly(_refuse)
"""


def write_sweep(
    folder: Path,
    name: str,
    *,
    epochs: int,
    seeds: int = 1,
    architectures: tuple[str, ...] = ("plainnet", "resnet"),
    diverging: bool = False,
) -> Path:
    """Write a sweep's file into a folder of its own, which its launches run in.

    Args:
        seeds: how many of the reference's.
        diverging: also one trial whose loss is not finite from its first step on.
    """
    folder.mkdir(parents=True)
    include = f"include:\n- {{architecture: resnet, depth: 8, recipe.learning_rate: {DIVERGING_RATE:g}}}\n"
    file = folder / f"{name}.yaml"
    file.write_text(
        TEXT.format(
            name=name,
            epochs=epochs,
            architectures=list(architectures),
            include=include if diverging else "",
            seeds=list(range(seeds)),
            checkpoint_seconds=CHECKPOINT_SECONDS,
        )
    )
    return file
