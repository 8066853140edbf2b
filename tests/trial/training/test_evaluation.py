import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from skipray.metrics.computing.modes import evaluation_mode
from skipray.trial.training.evaluation import evaluate, subset_size


def splits(samples, features=4):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(samples, 1, 1, features, generator=generator)
    y = torch.randint(0, 3, (samples,), generator=generator)
    return SimpleNamespace(train_x=x, train_y=y, normalise=lambda images: images)


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


def test_mean_over_all_samples_whatever_the_batches(monkeypatch):
    data, net = splits(1000), network()
    with evaluation_mode(net):
        logits = net(data.train_x).double()
        expected = -logits.log_softmax(1)[torch.arange(1000), data.train_y].mean().item()
        accuracy = (logits.argmax(1) == data.train_y).double().mean().item()
        for inputs_per_batch in (4 * 1000, 4 * 300, 1):
            monkeypatch.setattr("skipray.trial.training.evaluation.INPUTS_PER_BATCH", inputs_per_batch)
            found = evaluate(net, data, "train", whole=True)
            assert found.loss == pytest.approx(expected, rel=1e-6)
            assert found.accuracy == accuracy


def test_a_part_is_the_same_part_every_time_and_of_the_stated_size():
    data = splits(2 * 500)
    assert subset_size(1000) == 256
    seen = []
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    net.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    for _ in range(2):
        evaluate(net, data, "train", whole=False)
    first, second = torch.cat(seen).chunk(2)
    assert len(first) == 256
    assert torch.equal(first, second)
    seen.clear()
    evaluate(net, data, "train", whole=True)
    assert sum(map(len, seen)) == 1000


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_the_network_is_left_as_found(batch_statistics):
    data, net = splits(300), network()
    net[3].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with evaluation_mode(net, batch_statistics=batch_statistics):
        assert net[2].training == batch_statistics
        assert not net[3].training
        evaluate(net, data, "train", whole=True)
    assert [m.training for m in net] == [True, True, True, False, True]
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


def test_batch_statistics_normalise_where_running_ones_are_the_identity():
    data = splits(300)
    data.train_x = data.train_x * 1000
    net = network()
    with evaluation_mode(net, batch_statistics=True):
        found = evaluate(net, data, "train", whole=True)
    assert found.loss < 3
    with evaluation_mode(net):
        assert evaluate(net, data, "train", whole=True).loss > 10


def test_overflow_is_reported_not_hidden():
    data, net = splits(10), nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    nn.init.constant_(net[1].weight, 3e38)
    assert not math.isfinite(evaluate(net, data, "train", whole=True).loss)


@pytest.mark.parametrize(("train_samples", "size"), [(100, 256), (1286, 256), (5000, 500), (45_000, 2500)])
def test_the_size_of_the_part(train_samples, size):
    assert subset_size(train_samples) == size


def test_one_value_a_channel_is_taken_as_it_is_where_batch_statistics_are_asked_for():
    net = nn.Sequential(nn.BatchNorm1d(3))
    with evaluation_mode(net, batch_statistics=True):
        one = torch.randn(1, 3)
        assert torch.allclose(net(one), one, rtol=1e-4)
        assert torch.allclose(net(torch.randn(50, 3)).mean(0), torch.zeros(3), atol=1e-6), "several have a mean"
    assert not net[0]._forward_pre_hooks
    assert net[0].training
