"""What a network of one's own has to be so that its numbers are the trial's.

It is the same each time it is built, all of its weights are known, its state can be saved, and it can be measured.
Tried before anything is trained.
"""

from collections.abc import Sequence, Set
from typing import Any

import torch
from torch import Tensor, nn

from skipray import architectures
from skipray.errors import SkiprayError
from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.graph_leaves import graph_leaves
from skipray.metrics.computing.remembered import is_plain
from skipray.probe import measure
from skipray.probe.generalization import generalization_measures, initial_weights
from skipray.spec import TrialSpec
from skipray.trial.numerics import set_random_state
from skipray.trial.training.evaluation import gaps, judge
from skipray.trial.training.losses import judging_loss, probing_loss
from skipray.trial.training.optimizers import Optimizer
from skipray.trial.training.rest import Rest
from skipray.trial.training.state import network_tensors, pack, restore_network

MEASURED_PARAMETERS = 2_000_000
"""Larger networks are not measured on trial: their weights' spectra would take `plan` longer than a step."""
NAMED = 3


class UnfitNetwork(SkiprayError, ValueError):
    """A network whose numbers would not be the trial's."""


def check_open(network: nn.Module, who: str) -> None:
    """Refuse scripted modules: no hook can be put on them, so that nothing inside can be measured."""
    scripted = [name or "the network" for name, m in network.named_modules() if isinstance(m, torch.jit.ScriptModule)]
    if scripted:
        raise UnfitNetwork(
            f"{who}: found modules of torch.jit ({_few(scripted)}), which cannot be measured inside; allowed: the "
            "modules that they were made from"
        )


def check_repeatable(
    trial: TrialSpec, network: nn.Module, input_shape: tuple[int, ...], outputs: int, *, random: dict[str, Any]
) -> None:
    """Refuse what is built anew with other values, or with weights of the network that was built before: a trial of a
    worker that has run others would go on from theirs.

    Args:
        network: as it was built.
        random: `random_state` before that.
    """
    who = trial.model.architecture
    with as_found(network):
        set_random_state(random)
        again = architectures.build(trial.model, input_shape, outputs, seed=trial.seed)
    trained = {id(p): name for name, p in network.named_parameters() if p.requires_grad}
    shared = [trained[id(p)] for p in again.parameters() if id(p) in trained]
    if shared:
        raise UnfitNetwork(
            f"{who}: found weights that two calls of build share ({_few(shared)}); allowed: new ones in each call, "
            "so that no trial goes on from another one's"
        )
    first, second = (dict([*n.named_parameters(), *n.named_buffers()]) for n in (network, again))
    odd = [name for name in first.keys() | second.keys() if not _same(first.get(name), second.get(name))]
    if odd:
        raise UnfitNetwork(
            f"{who}: found other values in two calls of build with one seed ({_few(sorted(odd))}); allowed: random "
            "numbers of torch's, numpy's and Python's generators, which follow from the trial's seed"
        )


def check_made(network: nn.Module, built: Sequence[str], who: str) -> None:
    """Refuse a network that made weights in its first pass.

    Args:
        built: names of the parameters that `build` has made.
        who: the family.
    """
    late = [name for name, _ in network.named_parameters() if name not in built]
    if late:
        raise UnfitNetwork(
            f"{who}: found weights that are made in the first pass ({_few(late)}), which the initialisation does not "
            "reach; allowed: made in build, or torch's lazy layers"
        )


def check_known_weights(network: nn.Module, samples: Tensor, who: str) -> None:
    """Refuse weights that the scores follow from and that are no parameters of the network: nothing trains them."""
    known = {id(p) for p in network.parameters()}
    with as_found(network), torch.enable_grad():
        scores = network.train()(samples)
        unknown = {id(leaf): tuple(leaf.shape) for leaf in graph_leaves(scores) if id(leaf) not in known}
    if unknown:
        raise UnfitNetwork(
            f"{who}: found {len(unknown)} weights that are no parameters of the network, so that nothing trains them, "
            f"of the shapes {_few(list(map(str, unknown.values())))}; allowed: layers in torch.nn.ModuleList or "
            "ModuleDict, not in a list or a dictionary"
        )


def check_kept(network: nn.Module, optimizer: Optimizer, who: str) -> None:
    """Refuse a network whose state cannot be saved and taken up again."""
    rest = Rest(network)
    tensors = network_tensors(network, optimizer)
    lost = [name for name, _ in network.named_parameters() if f"network/{name}" not in tensors]
    if lost:
        raise UnfitNetwork(
            f"{who}: found a state_dict without {_few(lost)}; allowed: every parameter by its name, so that an "
            "interrupted trial can go on"
        )
    pack("", tensors | rest.tensors(), {})
    restore_network(network, optimizer, tensors)


def check_trained(network: nn.Module, optimizer: Optimizer, who: str, *, from_the_start: Set[int]) -> None:
    """Refuse what has begun to need gradients in training, and that the optimizer was not given.

    Args:
        from_the_start: ids of the parameters that needed gradients when it was made: an optimizer of the user's may
            leave some of them alone.
    """
    given = optimizer.given() | from_the_start
    late = [name for name, p in network.named_parameters() if p.requires_grad and id(p) not in given]
    if late:
        raise UnfitNetwork(
            f"{who}: found parameters that no optimizer trains ({_few(late)}): they were made, or began to need "
            "gradients, in training; allowed: parameters that build makes, and for an optimizer of your own those that "
            "need gradients then"
        )


def check_remembered(rest: Rest, who: str) -> None:
    """Refuse what a step of training has changed and no checkpoint can hold.

    Args:
        rest: of the network, from when it was built, `watched`.
    """
    lost = rest.lost()
    if lost:
        name, kind = next(iter(lost.items()))
        more = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
        raise UnfitNetwork(
            f"{who}: found that a pass changes {name}, a {kind}, which cannot be saved{more}; allowed: numbers, texts, "
            "tensors, arrays, generators of random numbers, collections of them, objects made in build that hold them"
        )


def check_measured(
    trial: TrialSpec, network: nn.Module, samples: Tensor, labels: Tensor, counted: Sequence[str]
) -> None:
    """Evaluate and measure the network as at a trial's end: what raises there would do so after the training, three
    times. Refuse one whose passes in evaluation mode change its parameters: how often it was measured, which is no part
    of what a trial is, would change its training."""
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    objective, names = judging_loss(trial.recipe), trial.probe.metrics
    with torch.no_grad():
        judged = judge(network(samples), labels, objective, names)
    gaps(judged, judged, names)
    _measure(trial, network, samples, labels, counted)
    moved = [name for name, parameter in network.named_parameters() if not _same(before.get(name), parameter.detach())]
    if moved:
        raise UnfitNetwork(
            f"{trial.model.architecture}: found parameters that a pass in evaluation mode changes ({_few(moved)}); "
            "allowed: a forward that leaves them as they are where `self.training` is false"
        )


def _measure(trial: TrialSpec, network: nn.Module, samples: Tensor, labels: Tensor, counted: Sequence[str]) -> None:
    if sum(p.numel() for p in network.parameters()) > MEASURED_PARAMETERS or trial.probe.preset == "none":
        return
    loss = probing_loss(trial.recipe, labels)
    trained = trial.recipe.epochs > 0
    measure(network, samples, labels, trial.probe, epoch=int(trained), loss=loss, counted=counted)
    generalization_measures(
        network, samples, labels, initial=initial_weights(network), spec=trial.probe,
        loss=judging_loss(trial.recipe), seed=trial.seed, counted=counted, trained=trained,
    )  # fmt: skip


def leaves(found: Tensor, beside: Tensor) -> list[Tensor]:
    """The tensors that a backward pass from a number would give gradients to, but for one."""
    return list({id(leaf): leaf for leaf in graph_leaves(found) if leaf is not beside}.values())


def _same(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return False
    one, other = (tensor if is_plain(tensor) else tensor.to_dense() for tensor in (one, other))
    return one.shape == other.shape and bool(
        torch.equal(one, other) or torch.allclose(one, other, 0, 0, equal_nan=True)
    )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
