"""The loop against one that is written out here; divergence; clipping; what twins share."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from skipray.datasets import gaussian, open_dataset
from skipray.datasets.preparing.augmentation import draw, standard
from skipray.probe.generalization import learned_weights
from skipray.spec import DatasetSpec, Recipe
from skipray.trial.training import TrainingProgress, derived_seed, generator, train
from skipray.trial.training.schedule import learning_rate
from skipray.trial.training.sgd import SGD

DATA = DatasetSpec(name="gaussian", options={"features": 16, "samples": 230, "classes": 4, "separation": 4.0})


@pytest.fixture
def splits(tmp_path, monkeypatch):
    monkeypatch.setenv("SKIPRAY_CACHE", str(tmp_path))
    return open_dataset(DATA, gaussian.FINGERPRINT)


def recipe(**changes):
    fields = {
        "epochs": 3,
        "batch_size": 50,
        "learning_rate": 0.05,
        "momentum": 0.9,
        "weight_decay": 1e-3,
        "schedule": "cosine",
        "augmentation": "none",
    }
    return Recipe(**(fields | changes))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 4))


def run(splits, r, seed=0, net=None, **hooks):
    net = net or network()
    ends = []
    finite = train(
        net,
        splits,
        r,
        seed,
        optimizer=SGD(net, r),
        progress=TrainingProgress(),
        on_step=hooks.pop("on_step", lambda: None),
        on_epoch=ends.append,
        **hooks,
    )
    return net, ends, finite


@pytest.mark.parametrize("augmentation", ["none", "standard"])
def test_against_a_loop_written_out(splits, augmentation):
    r = recipe(augmentation=augmentation)
    found, ends, finite = run(splits, r, seed=7)
    net = network()
    momenta = [torch.zeros_like(p) for p in net.parameters()]
    samples, step = len(splits.train_y), 0
    assert samples == 207  # 5 batches of 41 or 42
    for epoch in (1, 2, 3):
        order = torch.randperm(samples, generator=generator(7, f"order/{epoch}"))
        images = splits.train_x
        if augmentation == "standard":
            drawn = draw(torch.Generator().manual_seed(derived_seed(7, f"augmentation/{epoch}")), samples, False)
            images = standard(images, drawn)
        for index in (order[:42], order[42:84], order[84:125], order[125:166], order[166:]):
            loss = cross_entropy(net((images[index] - splits.mean) / splits.std), splits.train_y[index])
            gradients = torch.autograd.grad(loss, list(net.parameters()))
            with torch.no_grad():
                for p, g, momentum in zip(net.parameters(), gradients, momenta, strict=True):
                    momentum.mul_(0.9).add_(g + 1e-3 * p)
                    p -= learning_rate(r, step, 15, 5) * momentum
            step += 1
    assert finite
    assert [end.epoch for end in ends] == [1, 2, 3]
    assert ends[-1].learning_rate == learning_rate(r, 14, 15, 5)
    for (name, a), b in zip(found.state_dict().items(), net.state_dict().values(), strict=True):
        assert torch.allclose(a.float(), b.float(), rtol=1e-4, atol=1e-6), name


def test_the_seed_changes_the_order_and_nothing_outside_does(splits):
    one, _, _ = run(splits, recipe(), seed=1)
    torch.manual_seed(99)
    net = network()
    torch.rand(17)
    again, _, _ = run(splits, recipe(), seed=1, net=net)
    other, _, _ = run(splits, recipe(), seed=2)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one[1].weight, other[1].weight)


def test_divergence_stops_at_once(splits):
    steps = []
    _, ends, finite = run(
        splits, recipe(learning_rate=1e30, schedule="constant"), on_step=lambda: steps.append(1), net=network()
    )
    assert not finite
    assert ends == []
    assert len(steps) <= 3


def test_a_clipped_step_is_as_long_as_the_norm(splits):
    r = recipe(momentum=0.0, weight_decay=0.0, schedule="constant", epochs=1, batch_size=1000, gradient_clip_norm=1e-2)
    before = torch.cat([p.flatten() for p in network().parameters()])
    net, _, _ = run(splits, r)
    moved = torch.cat([p.detach().flatten() for p in net.parameters()]) - before
    assert moved.norm().item() == pytest.approx(0.05 * 1e-2, rel=1e-3)


def test_the_last_update_is_kept_where_it_is_wanted(splits):
    seen = {}
    net = network()
    r = recipe(epochs=2)
    steps = []

    def note():
        steps.append(1)
        if len(steps) == 8:  # after the fourth of five steps of the second epoch
            seen["before"] = net[1].weight.detach().clone()

    wanted = {"keep_updates": lambda epoch: epoch == 2, "weights_of": learned_weights}
    _, ends, _ = run(splits, r, net=net, on_step=note, **wanted)
    assert ends[0].weight_updates is None
    assert set(ends[1].weight_updates) == {"1.weight", "4.weight"}
    assert torch.equal(ends[1].weight_updates["1.weight"], net[1].weight.detach() - seen["before"])


def test_he_2015_is_warm_once_an_epoch_is_above_a_fifth(splits):
    progress = TrainingProgress()
    net = network()
    r = recipe(schedule="he2015", epochs=4, warmup_epochs=3.0, learning_rate=0.5)
    rates = []
    train(
        net,
        splits,
        r,
        0,
        optimizer=SGD(net, r),
        progress=progress,
        on_step=lambda: None,
        on_epoch=lambda end: rates.append((end.learning_rate, progress.warm)),
    )
    # Four classes: even chance is above a fifth, so that the first epoch suffices. Then half of the steps are over.
    assert rates[0] == (pytest.approx(0.05), True)
    assert rates[1][0] == pytest.approx(0.5)
    assert rates[2][0] == pytest.approx(0.05)


def test_bfloat16_trains_with_float32_weights(splits):
    net, _, finite = run(splits, recipe(precision="bfloat16", epochs=8))
    exact, _, _ = run(splits, recipe(epochs=8))
    assert finite
    assert {p.dtype for p in net.parameters()} == {torch.float32}
    assert not torch.equal(net[1].weight, exact[1].weight)
    net.eval()
    with torch.no_grad():
        accuracy = (net(splits.normalise(splits.train_x)).argmax(1) == splits.train_y).float().mean().item()
    assert accuracy > 0.8


def test_derived_seeds_differ_by_seed_and_name():
    seeds = {derived_seed(s, n) for s in range(50) for n in ("order/1", "order/2", "augmentation/1")}
    assert len(seeds) == 150
    assert all(0 <= s < 2**63 for s in seeds)
    assert math.log2(max(seeds)) > 60
