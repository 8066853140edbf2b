"""Losses against formulas written here; mixing; a batch in pieces."""

import math

import pytest
import torch
from torch import nn

from skipray.spec import Recipe
from skipray.trial.training.losses import IGNORED, judging_loss, labelled_alike, training_loss
from skipray.trial.training.mixing import mixing_of
from skipray.trial.training.optimizers import make_optimizer
from skipray.trial.training.step import Step


def recipe(**changes):
    fields = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    return Recipe(**(fields | {"schedule": "constant", "augmentation": "none"} | changes))


SCORES = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -2.0]])
LABELS = torch.tensor([0, 2])


def test_label_smoothing_trains_and_is_not_judged():
    r = recipe(loss={"name": "cross_entropy", "label_smoothing": 0.3})
    p = SCORES.log_softmax(1)
    plain = -(p[0, 0] + p[1, 2]) / 2
    assert judging_loss(r)(SCORES, LABELS) == pytest.approx(float(plain))
    smoothed = 0.7 * plain - 0.3 * p.mean()
    assert training_loss(r)(SCORES, LABELS) == pytest.approx(float(smoothed))


def test_binary_is_each_class_against_the_others():
    expected = sum(
        math.log(1 + math.exp(-s if LABELS[i] == c else s))
        for i, row in enumerate(SCORES.tolist())
        for c, s in enumerate(row)
    )
    assert training_loss(recipe(loss="binary"))(SCORES, LABELS) == pytest.approx(expected / 6)


def test_mean_square_of_classes_and_of_values():
    loss = training_loss(recipe(loss="mse"))
    onehot = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])
    assert loss(SCORES, LABELS) == pytest.approx(float(((SCORES - onehot) ** 2).mean()))
    values = torch.randn(2, 3)
    assert loss(SCORES, values) == pytest.approx(float(((SCORES - values) ** 2).mean()))


@pytest.mark.parametrize("name", ["cross_entropy", "binary", "mse"])
def test_positions_without_a_label_count_nowhere(name):
    loss = training_loss(recipe(loss={"name": name}))
    scores = torch.randn(2, 3, 4)
    labels = torch.tensor([[1, IGNORED, 2], [IGNORED, IGNORED, 0]])
    kept = labels != IGNORED
    assert loss(scores, labels) == pytest.approx(float(loss(scores[kept], labels[kept])))


def test_a_loss_of_ones_own_with_its_arguments(tmp_path, monkeypatch):
    (tmp_path / "my_losses.py").write_text("def scaled(scores, targets, factor):\n    return factor * scores.mean()\n")
    monkeypatch.syspath_prepend(tmp_path)
    loss = training_loss(recipe(loss={"name": "my_losses:scaled", "factor": 3}))
    assert loss(SCORES, LABELS) == pytest.approx(float(3 * SCORES.mean()))


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_follows_from_its_seed_alone(kind):
    mix = mixing_of(recipe(mixing={"name": kind, "alpha": 1.0}), 3)
    images, labels = torch.rand(6, 1, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2])
    before = torch.get_rng_state()
    first, shares = mix(images, labels, 5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    again, same = mix(images, labels, 5)
    assert torch.equal(first, again)
    assert torch.equal(shares, same)
    assert not torch.equal(first, mix(images, labels, 6)[0])
    assert torch.allclose(shares.sum(1), torch.ones(6))
    if kind == "mixup":  # torchvision mixes each sample with the one before it
        own = shares[torch.arange(6), labels].double()
        expected = own[:, None, None, None] * images + (1 - own)[:, None, None, None] * images.roll(1, 0)
        assert torch.allclose(first.double(), expected, atol=1e-6)


@pytest.mark.parametrize("pieces", [2, 3, 8])
def test_a_batch_in_pieces_has_the_gradient_of_the_whole(pieces):
    torch.manual_seed(0)
    x, y = torch.randn(8, 5), torch.randint(3, (8,))
    found = []
    for count in (1, pieces):
        torch.manual_seed(1)
        net = nn.Linear(5, 3)
        r = recipe(gradient_accumulation=count)
        step = Step(net, r, make_optimizer(net, r), counts_correct=True)
        loss, correct = step.take(x, y, y, 0.1, None)
        found.append((net.weight.detach(), loss, int(correct)))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-6)
    assert torch.allclose(found[0][1], found[1][1])
    assert found[0][2] == found[1][2]


class Positions(nn.Module):
    """Scores for each position, and a count of the passes in training."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(2, 4)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += self.training
        return self.map(x)


def by_position():
    """8 samples of 3 positions; of the first six some have a label or two, the last two have none."""
    x = torch.randn(8, 3, 2, generator=torch.Generator().manual_seed(0))
    y = torch.arange(24).reshape(8, 3) % 4
    y[torch.rand(8, 3, generator=torch.Generator().manual_seed(1)) < 0.5] = IGNORED
    y[6:] = IGNORED
    return x, y


@pytest.mark.parametrize("pieces", [2, 3, 8])
@pytest.mark.parametrize("loss", [None, "binary", "mse", {"name": "cross_entropy", "label_smoothing": 0.1}])
def test_pieces_weigh_as_much_as_they_have_labels(pieces, loss):
    x, y = by_position()
    found = []
    for count in (1, pieces):
        torch.manual_seed(1)
        net = Positions()
        r = recipe(gradient_accumulation=count, loss=loss)
        step = Step(net, r, make_optimizer(net, r), counts_correct=True)
        value, correct = step.take(x, y, y, 0.1, None)
        assert int(net.passes) == count
        found.append((net.map.weight.detach(), value, int(correct)))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-6)
    assert torch.allclose(found[0][1], found[1][1])
    assert found[0][2] == found[1][2]


@pytest.mark.parametrize("optimizer", [None, "adamw", "lbfgs"])
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_batch_without_a_label_changes_nothing(optimizer, pieces):
    x, y = by_position()
    net = Positions()
    r = recipe(
        gradient_accumulation=pieces, optimizer=optimizer, momentum=None if optimizer else 0.9,
        weight_decay=0.0 if optimizer == "lbfgs" else 0.1,
    )  # fmt: skip
    made = make_optimizer(net, r)
    step = Step(net, r, made)
    step.take(x, y, y, 0.1, None)
    before = [p.detach().clone() for p in net.parameters()], {k: v.clone() for k, v in made.tensors().items()}
    passes, called = int(net.passes), []
    loss, _ = step.take(x[6:], y[6:], y[6:], 0.1, lambda: called.append(True))
    assert (float(loss), int(net.passes), called) == (0.0, passes + pieces, [True])
    assert all(torch.equal(a, b) for a, b in zip(before[0], net.parameters(), strict=True))
    assert all(torch.equal(v, before[1][k]) for k, v in made.tensors().items())


def test_samples_with_as_many_labels_each_need_no_count():
    y = by_position()[1]
    assert not labelled_alike(y)
    assert not labelled_alike(y[6:])
    assert labelled_alike(y.new_zeros(4))
    assert labelled_alike(torch.tensor([[IGNORED, 1], [2, IGNORED]]))
