"""The learning rate of every step, as a closed form of the step's number."""

import math

from skipray.extension import catalog
from skipray.spec import Recipe

WARM_ACCURACY = 0.2
"""He et al. 2015, section 4.2: ResNet-110 warms up until the training error is below 80 %."""
ONE_CYCLE_RISE, ONE_CYCLE_FACTOR = 0.3, 25.0
"""Share of the steps that one_cycle rises for, and the peak over its first rate: fastai's, and torch's, choice."""
FACTOR = "a number at least 0 that gives a finite rate"
"""What a schedule of the user's own may give."""


def learning_rate(recipe: Recipe, step: int, steps: int, steps_per_epoch: int, *, warm: bool = True) -> float:
    """Learning rate of one step.

    Args:
        step: from 0, over all epochs.
        steps: of the whole training.
        warm: he2015 with warm-up only: the train accuracy has passed WARM_ACCURACY.

    constant: the peak. step: times gamma at each milestone (a fraction of all steps). cosine: from the peak, at the end
    of the warm-up, to final_learning_rate at `steps` (Loshchilov and Hutter 2017, eq. 5). he2015: times 0.1 from 1/2
    and again from 3/4 of the steps. linear: from the peak, at the end of the warm-up, to final_learning_rate at
    `steps`. one_cycle: from peak / 25 along a cosine to the peak at 30 % of the steps, and along another to
    final_learning_rate (Smith and Topin 2018, as torch's OneCycleLR has it). inverse_sqrt: the peak times
    sqrt(warm-up's steps / step) (Vaswani et al. 2017, eq. 3). module:name: the peak times its value of (step, steps).
    Warm-up: linear from a tenth of the rate; he2015: a tenth until warm.

    Raises:
        ValueError: a user's own schedule gives no finite rate of 0 or more.
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
        return _cosine(peak, recipe.final_learning_rate, (step - warmup_steps) / (steps - warmup_steps))
    if recipe.schedule == "linear" and step >= warmup_steps:
        return peak + (recipe.final_learning_rate - peak) * (step - warmup_steps) / (steps - warmup_steps)
    if recipe.schedule == "one_cycle":
        top = ONE_CYCLE_RISE * steps - 1
        if step <= top:
            return _cosine(peak / ONE_CYCLE_FACTOR, peak, step / top)
        return _cosine(peak, recipe.final_learning_rate, (step - top) / (steps - 1 - top))
    if recipe.schedule == "inverse_sqrt" and step >= warmup_steps:
        return peak * math.sqrt(warmup_steps / step)
    if ":" in recipe.schedule:
        return _own(recipe.schedule, peak, step, steps)
    return peak


def _cosine(start: float, end: float, done: float) -> float:
    """Half a cosine from start to end."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def _own(name: str, peak: float, step: int, steps: int) -> float:
    factor = catalog.find("schedule", name)(step, steps)
    is_number = isinstance(factor, int | float) and not isinstance(factor, bool)
    if not (is_number and 0 <= factor < math.inf and peak * float(factor) < math.inf):
        raise ValueError(f"{name}: found {factor!r} at step {step} of {steps}; allowed: {FACTOR}")
    return peak * float(factor)
