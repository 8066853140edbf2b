"""Statistics of entries against definitions written out."""

import numpy as np
import pytest
import torch

from skipray.metrics import singularity as m


def test_mean_cosine_over_all_pairs():
    x = torch.randn(40, 3, 5, generator=torch.Generator().manual_seed(0)) + 0.3
    x[7] = 0
    flat = x.flatten(1).double().numpy()
    flat = flat[np.linalg.norm(flat, axis=1) > 0]
    pairs = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for i, a in enumerate(flat) for b in flat[:i]]
    assert m.mean_cosine(x) == pytest.approx(np.mean(pairs), rel=1e-10)
    assert m.mean_cosine(x.numpy()) == m.mean_cosine(x)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_mean_cosine_far_from_one(scale):
    x = torch.eye(3, dtype=torch.float64) + torch.ones(3, 3, dtype=torch.float64)
    assert m.mean_cosine(x * scale) == pytest.approx(5 / 6)


def test_mean_cosine_of_aligned_and_opposite_samples():
    assert m.mean_cosine(torch.tensor([[1.0, 2.0], [2.0, 4.0]])) == pytest.approx(1)
    assert m.mean_cosine(torch.tensor([[1.0, 2.0], [-2.0, -4.0]])) == pytest.approx(-1)


def test_mean_cosine_needs_a_pair():
    with pytest.raises(ValueError, match="fewer than two samples"):
        m.mean_cosine(torch.tensor([[1.0], [0.0]]))


def test_dead_units_are_features_or_channels():
    h = torch.ones(4, 6)
    h[:, :2] = 0
    h[0, 3] = 0
    assert m.dead_fraction(h) == pytest.approx(2 / 6)
    maps = torch.ones(4, 5, 3, 3)
    maps[:, 1] = 0
    maps[:, 2, 0, 0] = 0
    assert m.dead_fraction(maps) == pytest.approx(1 / 5)
    tokens = torch.ones(4, 3, 8)
    tokens[:, :, :2] = 0
    tokens[:, 1] = 0
    assert m.dead_fraction(tokens) == pytest.approx(2 / 8)
    assert m.dead_fraction(tokens.movedim(2, 1)[..., None]) == pytest.approx(2 / 8), "the same as channels"


def test_the_rest():
    x = torch.tensor([[3.0, -4.0], [0.0, 0.0]])
    assert m.range(x) == 7
    assert m.gradient_norm(x) == 5
    assert m.rms(x) == 2.5
    assert m.nonfinite(torch.tensor([1.0, float("nan"), float("inf"), -float("inf")])) == 3
    assert m.gradient_norm(torch.full((4,), 1e200, dtype=torch.float64)) == pytest.approx(2e200)
    assert m.rms(torch.full((3,), 3e38)) == pytest.approx(3e38)
