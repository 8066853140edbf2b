"""What may be passed to the probe, what is refused, and what it leaves behind."""

import numpy as np
import pytest
import torch
from torch import nn

from skipray.probe import probe


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.head = nn.Linear(4, 6), nn.Linear(3, 6), nn.Linear(6, 5)

    def forward(self, a: torch.Tensor, b: torch.Tensor, scale: float = 1.0) -> torch.Tensor:
        return self.head(self.left(a) + scale * self.right(b))


def test_several_and_named_inputs_are_measured_alike():
    model, a, b = Two(), torch.randn(12, 4), torch.randn(12, 3)
    labels = torch.randint(5, (12,))
    named = probe(model, ({"b": b, "a": a}, labels))
    assert named.equals(probe(model, ((a, b), labels)))
    assert probe(model, {"a": a, "b": b}).equals(probe(model, ((a, b), None)))
    with pytest.raises(ValueError, match="with c, which Two's forward does not take; allowed: a, b, scale"):
        probe(model, {"a": a, "c": b})


class Several(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(4, 6), nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.body(x).relu()
        return {"features": features, "logits": self.head(features)}


def test_the_scores_among_several_outputs_are_asked_for():
    model, x, labels = Several(), torch.randn(12, 4), torch.randint(5, (12,))
    with pytest.raises(
        ValueError, match=r"outputs features \(12, 6\), logits \(12, 5\), of which 2 could be the sc.*loss"
    ):
        probe(model, (x, labels))
    table = probe(model, (x, labels), loss=lambda out, y: nn.functional.cross_entropy(out["logits"], y))
    nn.functional.cross_entropy(model(x)["logits"], labels).backward()
    rows = table[(table["tensor"] == "weight_gradient") & (table["statistic"] == "gradient_norm")]
    found = rows.set_index("layer")["value"]
    assert found["head"] == pytest.approx(float(model.head.weight.grad.norm()), rel=1e-6)
    assert found["body"] == pytest.approx(float(model.body.weight.grad.norm()), rel=1e-6)


def test_regression_binary_and_tokens_have_their_losses():
    x, model = torch.randn(12, 4), nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))
    for target, loss in (
        (torch.randn(12, 1), nn.functional.mse_loss),
        (torch.rand(12, 1), nn.functional.binary_cross_entropy_with_logits),
    ):
        table = probe(model, (x, target), loss=loss)
        gradient = torch.autograd.grad(loss(model(x), target), model[0].weight)[0]
        rows = table[(table["tensor"] == "weight_gradient") & (table["statistic"] == "gradient_norm")]
        assert rows.set_index("layer")["value"]["0"] == pytest.approx(float(gradient.norm()), rel=1e-5)
    with pytest.raises(ValueError, match="found a loss and no labels"):
        probe(model, x, loss=nn.functional.mse_loss)
    with pytest.raises(ValueError, match=r"found a loss of shape \(12, 1\)"):
        probe(model, (x, torch.randn(12, 1)), loss=lambda out, y: out - y)


class Axes(nn.Module):
    """Sequence first, states of a recurrent layer, rows that are windows."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.lstm, self.windows = nn.Linear(4, 5), nn.LSTM(5, 3, num_layers=2), nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(self.embed(x.movedim(0, 1)))
        return self.windows(states.reshape(-1, 3)).reshape(7, len(x), 3)[-1]


def test_the_samples_are_the_axis_that_is_as_long_as_the_batch():
    model, x = Axes(), torch.randn(11, 7, 4)
    table, spectra = probe(model, x, spectra=True)
    hidden = table[table["tensor"] == "hidden"]
    embedded = model.embed(x.movedim(0, 1)).detach().double().numpy().swapaxes(0, 1).reshape(11, -1)
    assert spectra["embed/hidden/samples/raw"] == pytest.approx(np.linalg.svd(embedded, compute_uv=False), rel=1e-5)
    states = hidden[hidden["layer"] == "lstm[1][0]"]
    assert set(states["unfolding"]) == {"samples", "axis1", "axis2"}, "the states of two layers, for 11 samples"
    windows = hidden[hidden["layer"] == "windows"]
    assert set(windows["unfolding"]) == {"axis0"}
    assert not windows["centred"].any()
    cosine = windows[windows["statistic"] == "mean_cosine"]
    assert cosine["value"].isna().all()
    assert "no axis is as long as the batch" in table.attrs["reasons"][cosine.index[0]]


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        (lambda: nn.LazyLinear(3), torch.ones(3, 6), "LazyLinear.*whose shape is not known yet"),
        (lambda: nn.Linear(6, 3, dtype=torch.complex64), torch.ones(3, 6), "the parameter weight, which is complex"),
        (lambda: nn.Linear(6, 3, device="meta"), torch.ones(3, 6), "on the meta device, without values"),
        (lambda: nn.Linear(6, 3), torch.ones(3, 6, dtype=torch.complex64), "inputs of torch.complex64"),
        (lambda: nn.Linear(6, 3), torch.ones(3, 6, device="meta"), "on meta"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_line(model, inputs, words):
    network = model()
    with pytest.raises(ValueError, match=words) as told:
        probe(network, inputs)
    assert "\n" not in str(told.value)
    assert type(network) is type(model()), "a lazy layer is left as it was"


@pytest.mark.filterwarnings("ignore")
def test_quantised_weights_are_refused():
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(6, 3)), {nn.Linear})
    with pytest.raises(ValueError, match="which is quantised"):
        probe(model, torch.ones(3, 6))


def test_what_a_forward_sets_is_put_back():
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.calls, self.seen, self.kept = nn.Linear(3, 3), 0, [], {"a": 1}

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            self.seen.append(float(x.detach().sum()))
            self.kept["b"] = 2
            self.attention = x
            return self.layer(x)

    model = Counting()
    seen = model.seen
    probe(model, torch.randn(5, 3))
    assert (model.calls, model.seen, model.kept) == (0, [], {"a": 1})
    assert model.seen is seen
    assert not hasattr(model, "attention")
