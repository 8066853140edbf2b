"""A trial's first step on made-up samples, before any data are read: what cannot train is refused with its reason."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from skipray import architectures
from skipray.errors import SkiprayError
from skipray.extension import as_launched, own_code
from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.modes import evaluation_mode, parameters_kept
from skipray.probe import layers_of
from skipray.probe.batch import Batch
from skipray.probe.weights import left_out
from skipray.spec import TrialSpec
from skipray.spec.samples import Task
from skipray.spec.shapes import TokenShape
from skipray.torch_private import BATCH_NORMS
from skipray.trial import own_network
from skipray.trial.counted_blocks import blocks_of_depth
from skipray.trial.numerics import numerics, random_state
from skipray.trial.training import make_optimizer
from skipray.trial.training.losses import training_loss
from skipray.trial.training.rest import Rest
from skipray.trial.training.schedule import FACTOR, learning_rate
from skipray.trial.training.step import Step

SCHEDULE_STEPS = 2000
"""At so many steps a schedule of the user's own is tried: of a longer training evenly, from the first to the last."""
ROUTED = 64
"""At most so many made-up samples are passed to see what a pass uses."""
PROBED = 256
"""At most so many made-up samples are measured where a metric is the user's own: as many as a probe has, since such a
metric may need more than two."""


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal has found that a user should know."""

    left: tuple[str, ...]
    """Names of the parameters that the initialisation has left as they were built."""
    layers: str
    """Which layers are measured and by which rule they were found; empty where the network names them."""
    unmeasured: tuple[str, ...] = ()
    """Names of parameters that could be matrices, and are not measured as such for their names."""


class Untrainable(SkiprayError, ValueError):
    """A trial that cannot be trained as it is specified. `key`: the recipe's field to blame, or another section's with
    its dot, or empty."""

    def __init__(self, message: str, key: str = ""):
        super().__init__(message)
        self.key = key


def rehearse(
    trial: TrialSpec, input_shape: tuple[int, ...], outputs: int, samples: int, task: Task = "classes"
) -> Rehearsed:
    """Build the trial's network and take one step with two samples, or as few as its smallest batch has.

    Args:
        outputs: scores (or values) that the network has to give a sample.
        samples: of the training split.
        task: what the labels are.

    Raises:
        Untrainable: with what was found and what is allowed.
        Exception: whatever the user's own code raises.
    """
    with numerics(trial):
        random = random_state()
        network, left = architectures.build_and_say(trial.model, input_shape, outputs, seed=trial.seed)
        who = trial.model.architecture
        own, built = ":" in who, [name for name, _ in network.named_parameters()]
        rest = Rest(network, modules=as_launched.modules_of(trial.source_hashes), watched=True) if own else None
        if own:
            own_network.check_open(network, who)
            own_network.check_repeatable(trial, network, input_shape, outputs, random=random)
        check_scores(network, made_up_samples(input_shape), outputs, who, task)
        counted = blocks_of_depth(trial, network, made_up_samples(input_shape), input_shape, outputs)
        if own:
            own_network.check_made(network, built, who)
        rule = layers_rule(network, input_shape, trial.probe.layers, counted)
        found = Rehearsed(left, rule, tuple(left_out(network)))
        if trial.recipe.epochs:
            _train(trial, network, input_shape, outputs, samples, task, rest)
        if own or trial.probe.has_own_metrics:
            count = min(samples, trial.probe.samples, PROBED) if trial.probe.has_own_metrics else 2
            x, y = made_up_samples(input_shape, count), made_up_labels(input_shape, outputs, task, count)
            check_measured(trial, network.eval(), x, y, counted)
    return found


def _train(
    trial: TrialSpec,
    network: nn.Module,
    input_shape: tuple[int, ...],
    outputs: int,
    samples: int,
    task: Task,
    rest: Rest | None,
) -> None:
    """Take the step; `rest` is of a family of the user's own."""
    who = trial.model.architecture
    check_schedule(trial, samples)
    check_trainable(network, who)
    optimizer = make_optimizer(network, trial.recipe)
    x = made_up_samples(input_shape)
    y = made_up_labels(input_shape, outputs, task)
    if rest is not None:
        own_network.check_kept(network, optimizer, who)
    if trial.recipe.smallest_piece(samples) == 1:
        x, y = x[:1], y[:1]
    network.train()
    with batch_statistics_checked(network, trial):
        check_output_of_training(network, x, who)
        check_loss(network, x, y, trial)
        Step(network, trial.recipe, optimizer).take(x, y, y, trial.recipe.learning_rate, None)
    if rest is not None:
        own_network.check_remembered(rest, who)
        own_network.check_known_weights(network, made_up_samples(input_shape), who)


def made_up_samples(input_shape: tuple[int, ...], count: int = 2) -> torch.Tensor:
    """Samples of this shape, two where nothing needs more."""
    if isinstance(input_shape, TokenShape):
        return torch.arange(count * math.prod(input_shape)).reshape(count, *input_shape) % input_shape.vocabulary
    return torch.randn(count, *input_shape, generator=torch.Generator().manual_seed(0))


def made_up_labels(input_shape: tuple[int, ...], outputs: int, task: Task, count: int = 2) -> torch.Tensor:
    """Labels of as many samples."""
    if task == "values":
        return torch.arange(float(count)).reshape(count, 1).expand(count, outputs)
    if task == "positions":
        return torch.arange(count * input_shape[0]).reshape(count, -1) % outputs
    return torch.arange(count) % outputs


def check_measured(
    trial: TrialSpec, network: nn.Module, samples: torch.Tensor, labels: torch.Tensor, counted: Sequence[str]
) -> None:
    """Measure as at a trial's end; of what raises with a network of skipray's the user's metrics are to blame."""
    try:
        own_network.check_measured(trial, network, samples, labels, counted)
    except Exception as error:
        if ":" in trial.model.architecture:
            raise
        plain = isinstance(error, ValueError) and own_code.place_of(error) is None
        raise Untrainable(str(error) if plain else own_code.said(error), "probe.metrics") from error


def layers_rule(
    network: nn.Module, input_shape: tuple[int, ...], patterns: Sequence[str] | None, counted: Sequence[str] = ()
) -> str:
    """Which layers are measured, and by which rule. What two samples do not use, such as an expert that neither is sent
    to, is asked of more."""
    try:
        for count in (2, ROUTED):
            samples = made_up_samples(input_shape, count)
            found = layers_of(network, Batch((samples,), samples=count), patterns, counted)
            if not found.unused:
                break
    except ValueError as error:
        raise Untrainable(str(error), "probe.layers" if patterns else "") from error
    return "" if found.declared else found.rule


def check_scores(network: nn.Module, samples: torch.Tensor, outputs: int, who: str, task: Task = "classes") -> None:
    """Refuse a network that does not give scores of the right shape."""
    with torch.no_grad(), evaluation_mode(network):
        found = network(samples)
    count = len(samples)
    by_position = task == "positions"
    wanted = (count, samples.shape[1], outputs) if by_position else (count, outputs)
    what = {"classes": "a score for each class", "values": "the values", "positions": "scores for each position"}
    allowed = f"{wanted}, {what[task]}"
    if not isinstance(found, torch.Tensor):
        raise Untrainable(f"{who}: found an output that is a {type(found).__name__}; allowed: one tensor of {allowed}")
    shape = tuple(found.shape)
    if shape != wanted:
        raise Untrainable(f"{who}: found an output of {shape} for {count} samples; allowed: {allowed}")
    if not found.is_floating_point():
        raise Untrainable(f"{who}: found an output of {found.dtype} values; allowed: floating-point numbers")


def check_output_of_training(network: nn.Module, samples: torch.Tensor, who: str) -> None:
    """Refuse a network that gives something else in training mode, as one with heads for training alone, or scores that
    nothing can be trained by."""
    with as_found(network), parameters_kept(network):
        found = network(samples)
    if not isinstance(found, torch.Tensor):
        raise Untrainable(
            f"{who}: found an output in training mode that is a {type(found).__name__}; allowed: one tensor, as in "
            "evaluation mode"
        )
    if not found.requires_grad:
        raise Untrainable(f"{who}: found scores that no gradient comes from; allowed: scores made with gradients on")


def check_loss(network: nn.Module, samples: torch.Tensor, labels: torch.Tensor, trial: TrialSpec) -> None:
    """Refuse a loss of the user's own that gives no number to lower."""
    name = trial.recipe.loss["name"] if trial.recipe.loss else ""
    if ":" not in name:
        return
    with as_found(network):
        scores = network(samples).detach().requires_grad_()
        found = training_loss(trial.recipe)(scores.clone(), labels)  # which it may write into
    if isinstance(found, torch.Tensor) and (own := own_network.leaves(found, scores)):
        shapes = ", ".join(str(tuple(leaf.shape)) for leaf in own)
        raise Untrainable(
            f"{name}: found weights of its own ({shapes}), which nothing trains; allowed: weights of the network",
            "loss",
        )
    if not isinstance(found, torch.Tensor) or found.ndim or not found.requires_grad:
        kind = type(found).__name__
        if isinstance(found, torch.Tensor):
            kind = f"tensor of {tuple(found.shape)}" if found.ndim else "number that no gradient comes from"
        raise Untrainable(f"{name}: found a {kind}; allowed: a tensor of one number, the batch's mean loss", "loss")


def check_schedule(trial: TrialSpec, samples: int) -> None:
    """Refuse a schedule of the user's own that raises, or gives no finite rate of 0 or more, at a step of the trial."""
    recipe, name = trial.recipe, trial.recipe.schedule
    if ":" not in name:
        return
    steps_per_epoch = -(-samples // recipe.batch_size)
    steps = recipe.epochs * steps_per_epoch
    last, count = steps - 1, min(steps, SCHEDULE_STEPS)
    step = 0
    try:
        for i in range(count):
            step = i * last // max(1, count - 1)
            learning_rate(recipe, step, steps, steps_per_epoch)
    except Exception as error:
        said = str(error)
        if own_code.place_of(error) is not None or not isinstance(error, ValueError):
            said = f"{name}: found {own_code.said(error)} at step {step} of {steps}; allowed: {FACTOR}"
        raise Untrainable(said, "schedule") from error


def check_trainable(network: nn.Module, who: str) -> None:
    """Refuse a network that has nothing to train."""
    if not any(p.requires_grad for p in network.parameters()):
        total = sum(1 for _ in network.parameters())
        raise Untrainable(
            f"{who}: found {total} parameters, none of which is trained (requires_grad); allowed: at least one, "
            "or recipe.epochs of 0"
        )


@contextmanager
def batch_statistics_checked(network: nn.Module, trial: TrialSpec) -> Iterator[None]:
    """Refuse batch normalization of one value per channel, which has no deviation, for the passes inside."""

    def check(module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        x = arguments[0]
        if module.training and x.numel() == x.shape[1]:
            raise Untrainable(
                f"found batches of one sample ({_why(trial)}) with batch normalization, which needs two values a "
                "channel; allowed: larger batches, layer normalization, or none",
                "batch_size",
            )

    norms = [m for m in network.modules() if isinstance(m, BATCH_NORMS)]
    handles = [norm.register_forward_pre_hook(check) for norm in norms]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _why(trial: TrialSpec) -> str:
    pieces = trial.recipe.gradient_accumulation
    more = f" in {pieces} pieces" if pieces > 1 else ""
    return f"batch_size {trial.recipe.batch_size}{more}"
