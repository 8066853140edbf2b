import pytest
import torch
from torch import nn

from skipray.spec import Recipe
from skipray.trial.training.sgd import SGD
from skipray.trial.training.state import CheckpointRefused, network_tensors, pack, restore_network, unpack

RECIPE = Recipe(
    epochs=1, batch_size=1, learning_rate=0.1, momentum=0.9, weight_decay=0.0, schedule="constant", augmentation="none"
)


def test_round_trip_keeps_every_bit():
    odd = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45, 1 / 3])
    tensors = {"a": odd, "b": torch.arange(5), "c": torch.ones(4, 3).t(), "e": torch.zeros(0)}
    values = {"loss": 0.1 + 0.2, "records": [[0, 17, {"x": 1e-300}]]}
    found, found_values = unpack("me", pack("me", tensors, values))
    assert found_values == values
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].numpy().tobytes() == tensor.contiguous().numpy().tobytes()


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, 0.5, -1])
def test_a_truncated_state_is_refused(kept):
    blob = pack("me", {"a": torch.ones(100)}, {})
    with pytest.raises(CheckpointRefused, match="no whole state"):
        unpack("me", blob[: int(kept * len(blob)) if 0 < kept < 1 else kept])


def test_a_foreign_file_is_refused():
    from safetensors.torch import save

    with pytest.raises(CheckpointRefused, match="no whole state"):
        unpack("me", save({"a": torch.ones(2)}))


def test_a_state_of_another_trial_or_version_is_refused(monkeypatch):
    blob = pack("other", {}, {})
    with pytest.raises(CheckpointRefused, match="trial_id 'other'; allowed: 'me'"):
        unpack("me", blob)
    monkeypatch.setattr("skipray.trial.training.state.STATE_VERSION", 99)
    with pytest.raises(CheckpointRefused, match="state_version 1; allowed: 99"):
        unpack("other", blob)
    monkeypatch.undo()
    monkeypatch.setattr(torch, "__version__", "0.0")
    with pytest.raises(CheckpointRefused, match=r"allowed: '0\.0'"):
        unpack("other", blob)


def test_a_state_of_another_network_changes_nothing():
    small, large = nn.Linear(2, 3), nn.Linear(2, 4)
    before = large.weight.clone()
    with pytest.raises(CheckpointRefused, match="another network: it differs in bias, weight"):
        restore_network(large, SGD(large, RECIPE), network_tensors(small, SGD(small, RECIPE)))
    assert torch.equal(large.weight, before)


def test_weights_buffers_and_momenta_come_back_in_place():
    nets = [nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)) for _ in range(2)]
    nets[1].to(memory_format=torch.channels_last)
    optimizers = [SGD(net, RECIPE) for net in nets]
    nets[0](torch.randn(4, 1, 5, 5)).square().sum().backward()
    optimizers[0].step(0.1)
    tensors, _ = unpack("x", pack("x", network_tensors(nets[0], optimizers[0]), {}))
    weight = nets[1][0].weight
    restore_network(nets[1], optimizers[1], tensors)
    assert weight is nets[1][0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    for (n, a), b in zip(nets[0].state_dict().items(), nets[1].state_dict().values(), strict=True):
        assert torch.equal(a, b), n
    for name, momentum in optimizers[0].momenta.items():
        assert torch.equal(momentum, optimizers[1].momenta[name])
        assert momentum.any()


class Remembers(nn.Module):
    """Keeps what it has seen; one buffer is made late, one is dropped, one changes its kind."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(2, 2)
        self.register_buffer("seen", torch.zeros(0, 2))
        self.register_buffer("late", None)
        self.register_buffer("dropped", torch.ones(3))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.seen = torch.cat([self.seen, x])
        self.late, self.dropped, self.count = x.sum(), None, self.count + 0.5
        return self.map(x)


def test_buffers_come_back_as_they_have_become():
    first, again = Remembers(), Remembers()
    first(torch.randn(3, 2))
    tensors, _ = unpack("x", pack("x", network_tensors(first, SGD(first, RECIPE)), {}))
    restore_network(again, SGD(again, RECIPE), tensors)
    found, expected = again.state_dict(), first.state_dict()
    assert found.keys() == expected.keys() == {"map.weight", "map.bias", "seen", "late", "count"}
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
