"""Our SGD against torch.optim.SGD."""

import copy

import pytest
import torch
from torch import nn

from skipray.spec import Recipe
from skipray.trial.training.sgd import SGD


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


def test_channels_last_takes_the_same_steps():
    nets = [nn.Sequential(nn.Conv2d(2, 3, 3), nn.Conv2d(3, 4, 1)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    nets[1].to(memory_format=torch.channels_last)
    recipe = Recipe(
        epochs=1,
        batch_size=1,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=0.1,
        schedule="constant",
        augmentation="none",
    )
    optimizers = [SGD(net, recipe) for net in nets]
    for step in range(3):
        x = torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(step))
        for net, optimizer in zip(nets, optimizers, strict=True):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step(0.1)
    assert nets[1][0].weight.is_contiguous(memory_format=torch.channels_last)
    for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-4, atol=1e-6)


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


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_kernel_takes_the_steps_of_torchs_function_bit_for_bit(momentum, monkeypatch):
    """Where a parameter has no gradient too; and a network of two types is left to the function, which sorts them."""
    recipe = Recipe(
        epochs=1, batch_size=1, learning_rate=0.1, momentum=momentum, weight_decay=0.1, schedule="constant",
        augmentation="none", weight_decay_on="weights",
    )  # fmt: skip
    nets = [nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 2)) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    kernel = SGD(nets[0], recipe)
    with monkeypatch.context() as patch:
        patch.setattr("skipray.trial.training.sgd.fused_sgd", lambda: None)
        function = SGD(nets[1], recipe)
    x = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    for step in range(4):
        for net, optimizer in zip(nets, (kernel, function), strict=True):
            optimizer.zero_grad()
            (net(x) ** 2).mean().backward()
            if step == 2:
                net[1].bias.grad = net[2].weight.grad = None
            optimizer.step(0.1)
    assert all(torch.equal(p, q) for p, q in zip(nets[0].parameters(), nets[1].parameters(), strict=True))
    mixed = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    wanted = copy.deepcopy(mixed)
    steps = SGD(mixed, recipe)
    for p, q in zip(mixed.parameters(), wanted.parameters(), strict=True):
        p.grad = torch.ones_like(p)
        q.data -= 0.1 * (1 + (0.1 * q.data if q.ndim == 2 else 0))
    steps.step(0.1)
    assert all(torch.allclose(p, q, rtol=1e-6) for p, q in zip(mixed.parameters(), wanted.parameters(), strict=True))
