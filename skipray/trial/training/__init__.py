"""The training loop: one function to read. It knows neither trials nor probes.

Batches: an epoch's order is cut into ceil(samples / batch_size) batches whose sizes differ by at most one sample. A
remainder batch of a few samples would upset batch statistics just before the epoch is judged.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from skipray.datasets import Images, Splits, batches
from skipray.spec import Recipe
from skipray.trial.channels_last import memory_format
from skipray.trial.training.losses import labelled_alike
from skipray.trial.training.mixing import mixing_of
from skipray.trial.training.optimizers import Optimizer, make_optimizer
from skipray.trial.training.precision import autocast
from skipray.trial.training.schedule import WARM_ACCURACY, learning_rate
from skipray.trial.training.seeds import derived_seed, generator
from skipray.trial.training.step import Forward, Step

__all__ = [
    "EpochEnd",
    "TrainingProgress",
    "autocast",
    "derived_seed",
    "generator",
    "make_optimizer",
    "to_device",
    "train",
]

CUDA_CHECK_STEPS = 50
"""How often the loss is looked at on a GPU, which has to be waited for. A CPU's is looked at every step."""
NORMALISED_AT_ONCE = 2**22
"""Numbers in a training split's inputs, at most, that are standardised once for a training and not batch by batch."""


@dataclass
class TrainingProgress:
    """Where training stands, at the boundary between two steps. With the weights and momenta, all there is to save."""

    epoch: int = 1
    """The one that is being trained, from 1."""
    step: int = 0
    """Steps done in it."""
    warm: bool = False
    """he2015: the train accuracy of an epoch has passed WARM_ACCURACY."""
    loss: torch.Tensor = field(default_factory=lambda: torch.zeros(()))
    """Sum of the epoch's batch losses so far, on the device."""
    correct: torch.Tensor = field(default_factory=lambda: torch.zeros((), dtype=torch.int64))
    """Training labels of the epoch that were named rightly so far; counted during a he2015 warm-up only."""


@dataclass(frozen=True)
class EpochEnd:
    epoch: int
    learning_rate: float
    """Of the last step."""
    weight_updates: dict[str, torch.Tensor] | None
    """Name of a weight -> its change by the last step, where they were asked for."""


def to_device(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on a device, in its memory format.

    Before SGD is made: momenta lie in memory as their parameters do.
    """
    return network.to(device).to(memory_format=memory_format(network))


def train(
    network: nn.Module,
    splits: Splits,
    recipe: Recipe,
    seed: int,
    *,
    optimizer: Optimizer,
    progress: TrainingProgress,
    on_step: Callable[[], None],
    on_epoch: Callable[[EpochEnd], None],
    keep_updates: Callable[[int], bool] = lambda epoch: False,
    weights_of: Callable[[nn.Module], dict[str, torch.Tensor]] = lambda network: {},
    workers: int = 1,
    forward: Forward | None = None,
) -> bool:
    """Train to the recipe's last epoch, from wherever `progress` stands.

    The order of samples, and what augmentation does to each, follow from seed, epoch and sample, so that going on from
    a saved state gives the same bits as never having stopped.

    Args:
        network: from `to_device`; the splits on the same device.
        on_step: called between two steps of an epoch; may save the state, and may raise.
        on_epoch: called after each epoch, before `progress` enters the next.
        keep_updates: whether an epoch's last weight update is wanted.
        weights_of: copies of the weights that updates are of, by name; leaves the network as found. None when left out.
        workers: processes that decode images which are read while they are used.
        forward: what gives the network's scores in a step, such as its compiled form; the network itself when left out.

    Returns:
        False if the loss became infinite or NaN, at which training stops (the epoch has then no end); else True.
    """
    samples = len(splits.train_y)
    device = splits.train_y.device
    steps_per_epoch = -(-samples // recipe.batch_size)
    steps = recipe.epochs * steps_per_epoch
    check_steps = CUDA_CHECK_STEPS if device.type == "cuda" else 1
    counts_correct = recipe.schedule == "he2015" and recipe.warmup_epochs > 0
    image_format = memory_format(network)
    alike = labelled_alike(splits.train_y)
    taking = Step(network, recipe, optimizer, counts_correct=counts_correct, alike=alike, forward=forward)
    mix = mixing_of(recipe, splits.classes)
    progress.loss, progress.correct = progress.loss.to(device), progress.correct.to(device)
    augment = recipe.augmentation == "standard"
    images, normalise = (splits.train_x, splits.normalise) if augment else _normalised(splits)
    network.train()

    while progress.epoch <= recipe.epochs:
        order = torch.randperm(samples, generator=generator(seed, f"order/{progress.epoch}")).to(device)
        chosen = order.tensor_split(steps_per_epoch)[progress.step :]
        augmentation_seed = derived_seed(seed, f"augmentation/{progress.epoch}") if augment else None
        updates = None
        for x, y in batches(
            images,
            splits.train_y,
            chosen,
            augmentation_seed=augmentation_seed,
            flip=splits.flip,
            workers=workers,
        ):
            step = (progress.epoch - 1) * steps_per_epoch + progress.step
            rate = learning_rate(recipe, step, steps, steps_per_epoch, warm=progress.warm)
            inputs = normalise(x).contiguous(memory_format=image_format)
            targets = y
            if mix is not None:
                inputs, targets = mix(inputs, y, derived_seed(seed, f"mixing/{step}"))
            progress.step += 1
            is_last = progress.step == steps_per_epoch
            before: dict[str, torch.Tensor] = {}
            kept = is_last and keep_updates(progress.epoch)
            keep = partial(_keep, network, before, weights_of) if kept else None
            loss, correct = taking.take(inputs, targets, y, rate, keep)
            progress.loss += loss
            if correct is not None:
                progress.correct += correct
            updates = before if keep else None
            if (is_last or progress.step % check_steps == 0) and not math.isfinite(float(progress.loss)):
                return False
            if not is_last:
                on_step()
        if updates is not None:
            updates = {name: weight - updates[name] for name, weight in weights_of(network).items() if name in updates}
        if counts_correct:
            progress.warm = progress.warm or int(progress.correct) > WARM_ACCURACY * splits.labelled
        on_epoch(EpochEnd(progress.epoch, rate, updates))
        progress.epoch, progress.step = progress.epoch + 1, 0
        progress.loss.zero_()
        progress.correct.zero_()
    return True


def _normalised(splits: Splits) -> tuple[Images, Callable[[torch.Tensor], torch.Tensor]]:
    """The training split's inputs, and what is still to be done to a batch of them."""
    if not isinstance(splits.train_x, torch.Tensor) or splits.train_x.numel() > NORMALISED_AT_ONCE:
        return splits.train_x, splits.normalise
    return splits.normalise(splits.train_x), lambda batch: batch


def _keep(
    network: nn.Module, kept: dict[str, torch.Tensor], weights_of: Callable[[nn.Module], dict[str, torch.Tensor]]
) -> None:
    kept.update(weights_of(network))
