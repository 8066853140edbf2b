"""Statistics of spectra against closed forms."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from skipray.metrics import LayerMetric, entries
from skipray.metrics import singularity as m
from skipray.metrics.computing.spectra import Spectra

FLOOR = 2.0**-23
SPECTRAL = {e.name: e for e in entries() if isinstance(e.metric, LayerMetric) and e.metric.reads == "spectrum"}
TABLED = [name for name, e in SPECTRAL.items() if e.metric.asked == "always"]
NEEDED = {name: SPECTRAL[name].metric.values_needed for name in TABLED}


@pytest.mark.parametrize("n", [1, 2, 17])
def test_orthogonal(n):
    s = np.full(n, 3.0)
    assert m.effective_rank(s) == pytest.approx(n)
    assert m.effective_rank_energy(s) == m.participation_ratio(s) == m.stable_rank(s) == pytest.approx(n)
    assert m.log10_condition(s) == 0
    assert m.log10_sigma_min(s) == pytest.approx(np.log10(3))
    assert m.spectral_norm(s) == 3
    assert m.log_volume(s) == pytest.approx(n * np.log(3))
    assert m.numerical_rank(s) == m.rank_1e3(s) == n


def test_rank_one():
    s = np.array([5.0, 0, 0, 0])
    assert m.effective_rank(s) == m.effective_rank_energy(s) == m.participation_ratio(s) == m.stable_rank(s) == 1
    assert m.numerical_rank(s) == 1
    assert m.with_bound("log10_condition", s) == (pytest.approx(-np.log10(FLOOR)), 1)
    assert m.with_bound("log10_condition", s, structural_rank=1) == (0, 0)
    assert m.log10_sigma_min(s) == pytest.approx(np.log10(5 * FLOOR))
    assert m.log_volume(s) == pytest.approx(np.log(5))


def test_two_values():
    s = np.array([4.0, 1.0])
    assert m.stable_rank(s) == pytest.approx(17 / 16)
    assert m.participation_ratio(s) == pytest.approx(17**2 / 257)
    assert m.effective_rank(s) == pytest.approx(np.exp(-(0.8 * np.log(0.8) + 0.2 * np.log(0.2))))
    assert m.log10_condition(s) == pytest.approx(np.log10(4))


def test_geometric_spectrum_in_the_limit():
    r = 0.5
    s = r ** np.arange(60)
    assert m.stable_rank(s) == pytest.approx(1 / (1 - r**2))
    assert m.participation_ratio(s) == pytest.approx((1 + r**2) / (1 - r**2))
    assert m.effective_rank(s) == pytest.approx(4)  # the entropy of 1/2, 1/4, ... is 2 bits
    assert m.rank_1e3(s) == 10
    assert m.numerical_rank(s) == 23


def test_marchenko_pastur():
    """Square Gaussian: E s^4 / (E s^2)^2 = 2, so the participation ratio is n / 2; edges at 4 times the mean square."""
    values = torch.linalg.svdvals(torch.randn(1000, 1000, generator=torch.Generator().manual_seed(0)).double()).numpy()
    assert m.participation_ratio(values) == pytest.approx(500, rel=0.01)
    assert m.stable_rank(values) == pytest.approx(250, rel=0.03)
    assert m.spectral_norm(values) == pytest.approx(2 * np.sqrt(1000), rel=0.02)


@pytest.mark.parametrize("scale", [1e-30, 1, 1e30])
def test_scale_changes_only_what_has_a_unit(scale):
    s = np.array([3.0, 2.0, 0.5])
    for name in ("effective_rank", "effective_rank_energy", "participation_ratio", "stable_rank", "log10_condition",
                 "numerical_rank", "rank_1e3"):  # fmt: skip
        assert getattr(m, name)(s * scale) == pytest.approx(getattr(m, name)(s))
    assert m.log10_sigma_min(s * scale) == pytest.approx(np.log10(0.5 * scale))


def test_the_floor_is_the_number_formats():
    s = np.array([1.0, 1e-5])
    assert m.with_bound("log10_condition", s, eps=2.0**-10) == (pytest.approx(10 * np.log10(2)), 1)
    assert m.with_bound("log10_condition", s) == (pytest.approx(5), 0)
    assert m.with_bound("log10_condition", [1.0, 1e-12], eps=2.0**-52) == (pytest.approx(12), 0)


@pytest.mark.parametrize("name", sorted(TABLED))
def test_bad_spectra(name):
    for bad in ([], [[1.0]], [np.nan], [np.inf, 1], [-1.0]):
        with pytest.raises(ValueError, match="singular values"):
            getattr(m, name)(bad)


@pytest.mark.catalog
def test_zero_spectra_have_a_norm_and_a_rank_alone():
    assert m.spectral_norm([0.0, 0.0]) == m.numerical_rank([0.0]) == m.rank_1e3([0.0]) == 0
    assert {"spectral_norm", "numerical_rank", "rank_1e3"} <= {name for name in TABLED if not NEEDED[name]}
    for name in TABLED:
        if NEEDED[name]:
            with pytest.raises(ValueError, match="all zero"):
                getattr(m, name)([0.0, 0.0])


def test_structural_rank_is_checked():
    with pytest.raises(ValueError, match="allowed: 1 to 2"):
        m.log10_condition([1.0, 0.5], structural_rank=3)


@pytest.mark.catalog
def test_many_at_once_are_each_alone():
    generator = np.random.default_rng(0)
    spectra = [np.sort(generator.lognormal(0, spread, size))[::-1] for size in (1, 4, 30) for spread in (0.1, 2, 9)]
    spectra += [np.array([2.0, 1.0, 0.0]), np.zeros(5)]
    ranks = [max(1, len(s) - i % 2) for i, s in enumerate(spectra)]
    eps = [FLOOR if i % 3 else 2.0**-52 for i in range(len(spectra))]
    many = Spectra(spectra, ranks, eps)
    for name in TABLED:
        found = SPECTRAL[name].measure(many)
        value, censored = found if isinstance(found, tuple) else (found, np.zeros(len(many)))
        for i, s in enumerate(spectra):
            options = {"structural_rank": ranks[i], "eps": eps[i]}
            if np.count_nonzero(s > eps[i] * s[0]) < NEEDED[name]:
                assert np.isnan(value[i]), (name, "has a value where its declaration says that there is none")
                with pytest.raises(ValueError, match=f"{name} has no value"):
                    m.with_bound(name, s, **options)
                continue
            alone, bound = m.with_bound(name, s, **options)
            assert value[i] == pytest.approx(alone, rel=1e-12, abs=1e-12), name
            assert censored[i] == bound


def test_needs_no_torch():
    code = "import sys; from skipray.metrics.singularity import effective_rank; effective_rank([1.0]); "
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_stable_rank_of_a_centred_representation_is_nesum():
    """He and Ozay 2022: the eigenvalues of the features' covariance, added, over the largest."""
    points = np.random.RandomState(0).standard_normal((60, 12)) @ np.diag(np.arange(1.0, 13.0)) + 3
    eigenvalues = np.linalg.eigvalsh(np.cov(points, rowvar=False))
    s = np.linalg.svd(points - points.mean(0), compute_uv=False)
    assert m.stable_rank(s) == pytest.approx(eigenvalues.sum() / eigenvalues.max(), rel=1e-12)
