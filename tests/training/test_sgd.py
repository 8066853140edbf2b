"""Our SGD against torch.optim.SGD."""

import copy

import pytest
import torch
from torch import nn

from skipray.spec import Recipe
from skipray.training.sgd import SGD


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_the_same_steps_as_torchs(momentum, nesterov, weight_decay):
    if nesterov and not momentum:
        return
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Conv1d(1, 1, 3, padding=1), nn.Flatten())
    ours[2].weight.requires_grad_(False)
    theirs = copy.deepcopy(ours)
    recipe = Recipe(
        epochs=1,
        batch_size=1,
        learning_rate=0.1,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        schedule="constant",
        augmentation="none",
    )
    reference = torch.optim.SGD(
        theirs.parameters(), lr=0.1, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay
    )
    optimizer = SGD(ours, recipe)
    for step in range(5):
        rate = 0.1 / (step + 1)
        reference.param_groups[0]["lr"] = rate
        for net, zero in ((ours, optimizer.zero_grad), (theirs, reference.zero_grad)):
            zero()
            x = torch.randn(6, 5, generator=torch.Generator().manual_seed(step))
            h = net[1](net[0](x))
            (net[2](h[:, None]).flatten(1) ** 2).mean().backward()
        optimizer.step(rate)
        reference.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-5, atol=1e-7)


def test_a_parameter_without_a_gradient_is_left_alone():
    net = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    before = net[1].weight.clone()
    recipe = Recipe(
        epochs=1,
        batch_size=1,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=0.1,
        schedule="constant",
        augmentation="none",
    )
    optimizer = SGD(net, recipe)
    net[0](torch.ones(1, 2)).sum().backward()
    optimizer.step(0.1)
    assert torch.equal(net[1].weight, before)
