"""The metrics of the preset `full`, against closed forms, limits and second implementations written here."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from skipray.metrics import singularity as m
from skipray.metrics.cka_consecutive import linear_cka
from skipray.metrics.computing.marchenko_pastur import edge_and_outliers
from skipray.metrics.computing.power_law import tail_exponent
from skipray.probe import measure
from skipray.probe.generalization import generalization_measures
from skipray.spec import ProbeSpec

FULL = ProbeSpec(preset="full")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("alpha", [2.0, 3.5])
def test_the_exponent_of_a_pareto_sample(alpha):
    x = (1 - np.random.default_rng(0).random(2000)) ** (-1 / (alpha - 1))
    assert tail_exponent(x) == pytest.approx(alpha, rel=0.1)
    below = np.random.default_rng(1).random(500)
    assert tail_exponent(np.concatenate([x, below])) == pytest.approx(alpha, rel=0.1), "the tail is found"
    assert tail_exponent(7 * x) == pytest.approx(tail_exponent(x))
    assert m.power_law_alpha(np.sort(np.sqrt(x))[::-1]) == pytest.approx(tail_exponent(x))


def test_the_exponent_is_the_packages():
    powerlaw = pytest.importorskip("powerlaw")
    x = np.random.default_rng(2).lognormal(0, 1.5, 200)
    assert tail_exponent(x) == pytest.approx(powerlaw.Fit(x, verbose=False).alpha, rel=1e-6)


def test_too_few_values_have_no_exponent():
    with pytest.raises(ValueError, match="fewer than 10 singular values"):
        m.power_law_alpha(np.ones(9))


@pytest.mark.parametrize(("rows", "columns"), [(400, 400), (600, 200)])
def test_a_random_matrix_ends_at_marchenko_and_pasturs_edge(rows, columns):
    noise = np.random.default_rng(0).normal(size=(rows, columns))
    s = np.linalg.svd(noise, compute_uv=False)
    edge, outliers = edge_and_outliers(s, rows, columns)
    assert edge == pytest.approx(math.sqrt(rows) + math.sqrt(columns), rel=0.01)
    assert outliers <= 2
    u, v = np.eye(rows)[:, :3], np.eye(columns)[:, :3]
    spiked = noise + 6 * edge * u @ np.diag([1, 1.2, 1.5]) @ v.T
    s = np.linalg.svd(spiked, compute_uv=False)
    found, outliers = edge_and_outliers(s, rows, columns)
    assert found == pytest.approx(edge, rel=0.02), "the spikes do not move the bulk's edge"
    assert 3 <= outliers <= 5
    assert m.mp_outliers(s, shape=(rows, columns)) == outliers
    assert m.mp_soft_rank(s, shape=(rows, columns)) == pytest.approx((found / s[0]) ** 2)
    with pytest.raises(ValueError, match="found no `shape`"):
        m.mp_outliers(s)


def test_alpha_req_of_a_power_law_is_its_exponent():
    s = np.arange(1, 80.0) ** -0.6
    assert m.alpha_req(s) == pytest.approx(1.2)
    bent = s * np.where(np.arange(1, 80) < 11, 5, 1)
    assert m.alpha_req(bent) == pytest.approx(1.2), "the first ten do not count"
    # Weighted least squares, written out as in Stringer et al. 2019.
    noisy = np.sort(s * np.random.default_rng(0).lognormal(0, 0.1, 79))[::-1]
    rank = np.arange(11, 51)
    design, weight = np.stack([-np.log(rank), np.ones(40)], 1), np.diag(1 / rank)
    slope = np.linalg.solve(design.T @ weight @ design, design.T @ weight @ np.log(noisy[10:50] ** 2))[0]
    assert m.alpha_req(noisy) == pytest.approx(slope)
    with pytest.raises(ValueError, match="fewer than 20"):
        m.alpha_req(s[:15])


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_intrinsic_dimension_of_a_cube_in_a_larger_space(dimension):
    generator = torch.Generator().manual_seed(0)
    inner = torch.rand(800, dimension, generator=generator, dtype=torch.float64)
    turned = inner @ torch.linalg.qr(torch.randn(12, 12, generator=generator, dtype=torch.float64))[0][:dimension]
    # A cube's sides take neighbours away, so that a few samples in many dimensions see fewer of them.
    assert m.twonn_dimension(turned) == pytest.approx(dimension, rel=0.15)
    x = turned.numpy()
    distance = np.sort(np.linalg.norm(x[:, None] - x, axis=2), 1)
    ratio = np.sort(np.log(distance[:, 2] / distance[:, 1]))[: int(0.9 * len(x))]
    share = -np.log(1 - np.arange(1, len(ratio) + 1) / len(x))
    assert m.twonn_dimension(turned) == pytest.approx(np.linalg.lstsq(ratio[:, None], share, rcond=None)[0][0])
    assert m.twonn_dimension(turned) == pytest.approx(m.twonn_dimension(100 * turned))
    with pytest.raises(ValueError, match="fewer than 20 samples"):
        m.twonn_dimension(torch.zeros(50, 3))


def test_batch_entropy_of_units_of_known_variance():
    x = torch.stack([torch.tensor([0.0, 2.0]), torch.tensor([5.0, 5.0])], 1)
    assert m.batch_entropy(x) == pytest.approx(0.5 * math.log(2 * math.pi * math.e + 1) / 2)
    assert m.batch_entropy(torch.ones(4, 3)) == 0


def test_tokens_that_are_alike_and_at_right_angles():
    alike = torch.ones(4, 5, 3) * torch.arange(1.0, 6.0)[None, :, None]
    assert m.token_similarity(alike) == pytest.approx(1)
    assert m.token_similarity(torch.eye(3).expand(4, 3, 3)) == pytest.approx(0)
    x = torch.randn(3, 6, 4)
    pairs = [nn.functional.cosine_similarity(s[i], s[j], dim=0) for s in x for i in range(6) for j in range(i)]
    assert m.token_similarity(x) == pytest.approx(float(torch.stack(pairs).mean()), rel=1e-5)


def test_distance_from_rank_one():
    row = torch.randn(1, 1, 4)
    assert m.rank_one_distance(row.expand(3, 6, 4)) == pytest.approx(0, abs=1e-12)
    x = torch.randn(2, 6, 4, dtype=torch.float64)

    def norm(matrix: np.ndarray) -> float:
        return math.sqrt(np.linalg.norm(matrix, 1) * np.linalg.norm(matrix, np.inf))

    expected = np.mean([norm(s - s.mean(0)) / norm(s) for s in x.numpy()])
    assert m.rank_one_distance(x) == pytest.approx(expected)
    assert m.rank_one_distance(3 * x) == pytest.approx(expected)


def test_attention_alone_makes_tokens_one_direction():
    """Dong et al. 2021: without skips attention takes tokens nearer to rank one, layer by layer; with them not."""

    class Attention(nn.Module):
        def __init__(self, skip: float) -> None:
            super().__init__()
            self.inner, self.skip = nn.MultiheadAttention(16, 2, batch_first=True), skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.skip * x + self.inner(x, x, x, need_weights=False)[0]

    class Pooled(nn.Module):
        def __init__(self, skip: float) -> None:
            super().__init__()
            self.blocks, self.head = nn.Sequential(*[Attention(skip) for _ in range(6)]), nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.blocks(x).mean(1))

    x, labels = torch.randn(20, 8, 16), torch.randint(3, (20,))
    ends = {}
    for skip in (0.0, 1.0):
        found = measure(Pooled(skip), x, labels, FULL, epoch=1)
        rows = found.layers[found.layers["statistic"] == "rank_one_distance"]
        assert list(rows["layer"]) == [f"blocks.{i}" for i in range(6)]
        ends[skip] = rows["value"].iloc[-1]
        assert found.metrics["hidden.rank_one_distance.last"] == ends[skip]
        assert "hidden.token_similarity.last" in found.metrics
    assert ends[0.0] < 0.01 < 0.5 < ends[1.0]


def test_linear_cka_is_one_up_to_turns_and_scales_and_symmetric():
    x, y = torch.randn(30, 8), torch.randn(30, 5)
    turn = torch.linalg.qr(torch.randn(8, 8))[0]
    assert linear_cka(x, 3 * x @ turn + 1) == pytest.approx(1, abs=1e-6)
    xc, yc = (t.double().numpy() - t.double().numpy().mean(0) for t in (x, y))
    expected = np.linalg.norm(yc.T @ xc) ** 2 / np.linalg.norm(xc.T @ xc) / np.linalg.norm(yc.T @ yc)
    assert linear_cka(x, y) == pytest.approx(expected, rel=1e-6)
    assert linear_cka(x, y) == pytest.approx(linear_cka(y, x))


def collapsed(scale: float) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A network whose features are the corners of a simplex, with noise, and whose classifier are its corners."""
    classes = 4
    corners = torch.eye(classes) - 1 / classes
    labels = torch.arange(80) % classes
    features = corners[labels] + scale * torch.randn(80, classes)
    model = nn.Sequential(nn.Linear(classes, classes), nn.Identity(), nn.Linear(classes, classes))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(classes))
        model[0].bias.zero_()
        model[2].weight.copy_(corners)
        model[2].bias.zero_()
    return model, features, labels


def test_neural_collapse_of_a_simplex_is_none():
    found = generalization_measures(*collapsed(1e-6), spec=FULL).values
    for key in ("nc1", "nc2.lengths", "nc2.angles", "nc3", "nc4"):
        assert found[key] == pytest.approx(0, abs=1e-4), key


def test_neural_collapse_by_its_definitions():
    model, x, y = collapsed(0.3)
    with torch.no_grad():
        model[2].weight.add_(0.5 * torch.randn(4, 4))
        model[2].bias.add_(0.3 * torch.randn(4))
    found = generalization_measures(model, x, y, spec=FULL).values
    h, w, b = x.double().numpy(), model[2].weight.detach().double().numpy(), model[2].bias.detach().double().numpy()
    means = np.stack([h[y.numpy() == c].mean(0) for c in range(4)])
    within = np.mean([np.outer(v - means[c], v - means[c]) for v, c in zip(h, y.numpy(), strict=True)], 0)
    centred = means - means.mean(0)
    between = np.mean([np.outer(v, v) for v in centred], 0)
    assert found["nc1"] == pytest.approx(np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / 4, rel=1e-4)
    lengths = np.linalg.norm(centred, axis=1)
    assert found["nc2.lengths"] == pytest.approx(lengths.std() / lengths.mean(), rel=1e-4)
    unit = centred / lengths[:, None]
    cosines = [unit[i] @ unit[j] for i in range(4) for j in range(4) if i != j]
    assert found["nc2.angles"] == pytest.approx(np.mean(np.abs(np.array(cosines) + 1 / 3)), rel=1e-4)
    assert found["nc3"] == pytest.approx(
        np.linalg.norm(w / np.linalg.norm(w) - centred / np.linalg.norm(centred)), rel=1e-4
    )
    nearest = np.linalg.norm(h[:, None] - means, axis=2).argmin(1)
    assert found["nc4"] == pytest.approx(np.mean((h @ w.T + b).argmax(1) != nearest))
