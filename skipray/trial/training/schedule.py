"""The learning rate of every step, as a closed form of the step's number."""

import math

from skipray.spec import Recipe

WARM_ACCURACY = 0.2
"""He et al. 2015, section 4.2: ResNet-110 warms up until the training error is below 80 %."""


def learning_rate(recipe: Recipe, step: int, steps: int, steps_per_epoch: int, *, warm: bool = True) -> float:
    """Learning rate of one step.

    Args:
        step: from 0, over all epochs.
        steps: of the whole training.
        warm: he2015 with warm-up only: the train accuracy has passed WARM_ACCURACY.

    constant: the peak. step: times gamma at each milestone (a fraction of all steps). cosine: from the peak, at the end
    of the warm-up, to final_learning_rate at `steps` (Loshchilov and Hutter 2017, eq. 5). he2015: times 0.1 from 1/2
    and again from 3/4 of the steps. Warm-up: linear from a tenth of the rate; he2015: a tenth until warm.
    """
    warmup_steps = recipe.warmup_epochs * steps_per_epoch
    peak = recipe.learning_rate
    if step < warmup_steps:
        if recipe.schedule == "he2015":
            peak *= 1.0 if warm else 0.1
        else:
            peak *= 0.1 + 0.9 * step / warmup_steps
    if recipe.schedule == "step":
        assert recipe.milestones is not None
        assert recipe.gamma is not None
        return peak * recipe.gamma ** sum(step >= m * steps for m in recipe.milestones)
    if recipe.schedule == "he2015":
        return peak * (0.01 if 4 * step >= 3 * steps else 0.1 if 2 * step >= steps else 1.0)
    if recipe.schedule == "cosine" and step >= warmup_steps:
        done = (step - warmup_steps) / (steps - warmup_steps)
        low = recipe.final_learning_rate
        return low + (peak - low) * (1 + math.cos(math.pi * done)) / 2
    return peak
