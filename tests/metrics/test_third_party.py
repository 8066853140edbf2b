"""Numbers of other implementations, on inputs that are drawn here; infra/decisions/2026-11-28-third-party.md has the
versions and commands, and why some differ.

RandomState's streams are frozen, so the inputs are the same under every version of numpy.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from skipray import metrics
from skipray.metrics import singularity as m
from skipray.metrics.cka_consecutive import linear_cka
from skipray.metrics.computing.classes import Classes
from skipray.metrics.computing.marchenko_pastur import edge_and_outliers

Array = NDArray[np.float64]


def weights() -> dict[str, Array]:
    """Noise; heavy tails; noise with three directions that stand out."""
    draw = np.random.RandomState(0)
    gaussian = draw.standard_normal((200, 100)) / 10
    heavy = draw.standard_t(2.5, (160, 120))
    spiked = draw.standard_normal((300, 150))
    spiked[[0, 1, 2], [0, 1, 2]] += (60, 80, 100)
    return {"gaussian": gaussian, "heavy": heavy, "spiked": spiked}


def singular_values(name: str) -> tuple[Array, tuple[int, int]]:
    weight = weights()[name]
    return np.linalg.svd(weight, compute_uv=False), weight.shape


@pytest.mark.parametrize(
    ("name", "weightwatcher", "powerlaw"),
    [
        ("gaussian", 9.866512722902783, 9.866512715457196),
        ("heavy", 4.124627481890263, 4.124627503679952),
        ("spiked", 2.5902911100532666, 2.5902910949108495),
    ],
)
def test_alpha(name: str, weightwatcher: float, powerlaw: float) -> None:
    """weightwatcher takes singular values in float32; powerlaw where it may look for exponents above 3."""
    found = m.power_law_alpha(singular_values(name)[0])
    assert found == pytest.approx(powerlaw, rel=1e-11)
    assert found == pytest.approx(weightwatcher, rel=1e-7)


def test_marchenko_pasturs_edge() -> None:
    """Of pure noise the edge is weightwatcher's formula of the entries' deviation to the last digits, and its fit to a
    density within .02 %."""
    s, shape = singular_values("gaussian")
    edge, outliers = edge_and_outliers(s, *shape)
    assert edge**2 == pytest.approx(5.7173551184848295, rel=1e-12), "calc_lambda_plus"
    assert edge**2 == pytest.approx(5.717868853111994, rel=2e-4), "analyze(mp_fit=True)"
    assert m.mp_soft_rank(s, shape=shape) == pytest.approx(1.0307495412381336, rel=2e-4)
    assert outliers == 0, "num_spikes"


def test_directions_that_stand_out_of_the_bulk() -> None:
    """Both count the three. The fit to a density puts the edge 7.5 % above that of the noise that was drawn; ours, of
    the bulk's mean square, 1.5 % below."""
    s, shape = singular_values("spiked")
    edge, outliers = edge_and_outliers(s, *shape)
    assert outliers == 3, "num_spikes"
    drawn = (math.sqrt(300) + math.sqrt(150)) ** 2
    assert edge**2 == pytest.approx(drawn, rel=0.02)
    assert pytest.approx(drawn, rel=0.08) == 939.9883671957739, "weightwatcher's bulk_max"


def test_heavy_tails_have_more_directions_beyond_our_edge() -> None:
    """weightwatcher's fit to a density has a higher edge: 3 of these 7 are beyond it."""
    s, shape = singular_values("heavy")
    edge, outliers = edge_and_outliers(s, *shape)
    assert outliers == 7
    theirs = 2515.3041336074557
    assert edge**2 < theirs
    assert int(np.count_nonzero(s**2 > theirs)) == 3, "num_spikes"


def test_linear_cka() -> None:
    """ckatorch, by the Frobenius norm and by HSIC."""
    draw = np.random.RandomState(1)
    common = draw.standard_normal((60, 12))
    x, y = common @ draw.standard_normal((12, 30)) + 0.5, np.tanh(common @ draw.standard_normal((12, 20)))
    assert linear_cka(torch.from_numpy(x), torch.from_numpy(y)) == pytest.approx(0.6379438948892868, rel=1e-12)


@pytest.mark.parametrize(("name", "expected"), [("cube", 3.030605405119123), ("torus", 2.0119102503677633)])
def test_intrinsic_dimension(name: str, expected: float) -> None:
    """scikit-dimension's TwoNN, of a cube in 40 dimensions and of a torus."""
    draw = np.random.RandomState(2)
    cube = draw.random_sample((400, 3)) @ draw.standard_normal((3, 40))
    a, b = 2 * np.pi * draw.random_sample((2, 400))
    torus = np.stack([(2 + np.cos(b)) * np.cos(a), (2 + np.cos(b)) * np.sin(a), np.sin(b)], 1)
    points = {"cube": cube, "torus": torus}[name]
    assert m.twonn_dimension(torch.from_numpy(points)) == pytest.approx(expected, rel=1e-10)


def test_neural_collapse() -> None:
    """What the notebook of Papyan, Han and Donoho computes. It leaves out the paper's division of NC1 by the classes,
    takes the deviation of lengths over classes less one, and squares NC3's norm."""
    draw = np.random.RandomState(3)
    count = 5
    centres, labels = draw.standard_normal((count, 12)), np.arange(100) % count
    features = centres[labels] + 0.6 * draw.standard_normal((100, 12))
    weight = centres - centres.mean(0) + 0.5 * draw.standard_normal((count, 12))
    bias = 0.3 * draw.standard_normal(count)
    classes = Classes(*map(torch.from_numpy, (features, labels, weight, bias)))

    def found(key: str) -> dict[str, float]:
        value = metrics.find(key).measure(SimpleNamespace(classes=classes))
        return value if isinstance(value, dict) else {"": value}

    theirs = {"Sw_invSb": 0.6265416678098129, "norm_M_CoV": 0.11150097025732804, "cos_M": 0.24496292223691052,
              "W_M_dist": 0.26947771090729583, "NCC_mismatch": 0.05}  # fmt: skip
    assert found("nc1")[""] == pytest.approx(theirs["Sw_invSb"] / count, rel=1e-10)
    assert found("nc2")["lengths"] == pytest.approx(theirs["norm_M_CoV"] * math.sqrt((count - 1) / count), rel=1e-10)
    assert found("nc2")["angles"] == pytest.approx(theirs["cos_M"], rel=1e-7)
    assert found("nc3")[""] == pytest.approx(math.sqrt(theirs["W_M_dist"]), rel=1e-10)
    assert found("nc4")[""] == pytest.approx(theirs["NCC_mismatch"])
