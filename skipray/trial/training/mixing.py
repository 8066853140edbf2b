"""Mixup and CutMix, from torchvision.transforms.v2, drawn anew from seed, epoch and step."""

from collections.abc import Callable
from typing import Any

import torch

from skipray.spec import Recipe
from skipray.spec.values import arguments

Mix = Callable[[torch.Tensor, torch.Tensor, int], tuple[torch.Tensor, torch.Tensor]]
"""(inputs, class numbers, seed) -> mixed inputs and shares of classes (N, C)."""


def mixing_of(recipe: Recipe, classes: int) -> Mix | None:
    """What mixes the samples of a batch; None where the recipe has nothing.

    Args:
        classes: number of classes.
    """
    if recipe.mixing is None:
        return None
    from torchvision.transforms import v2  # seconds, for few recipes

    kinds: dict[str, Any] = {"mixup": v2.MixUp, "cutmix": v2.CutMix}
    transform = kinds[recipe.mixing["name"]](num_classes=classes, **arguments(recipe.mixing))

    def mix(inputs: torch.Tensor, labels: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # as torch.manual_seed, without 3 ms for other devices
            mixed, shares = transform(inputs, labels)
        return mixed, shares

    return mix
