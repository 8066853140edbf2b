"""Predictions at initialisation against stated values and small Monte Carlo."""

import numpy as np
import pytest

from skipray import theory


def _products(width: int, depth: int, count: int, residual_scale: float | None = None) -> list[np.ndarray]:
    """Random products of Gaussian layers, float64."""
    rng = np.random.default_rng(0)
    out = []
    for _ in range(count):
        product = np.eye(width)
        for _ in range(depth):
            layer = rng.standard_normal((width, width)) / np.sqrt(width)
            product = (layer if residual_scale is None else np.eye(width) + residual_scale * layer) @ product
        out.append(product)
    return out


def _lyapunov(width: int, depth: int, residual_scale: float | None = None) -> np.ndarray:
    """Growth rates by a QR at each layer."""
    rng = np.random.default_rng(1)
    basis, rates = np.eye(width), np.zeros(width)
    for _ in range(depth):
        layer = rng.standard_normal((width, width)) / np.sqrt(width)
        layer = layer if residual_scale is None else np.eye(width) + residual_scale * layer
        basis, triangle = np.linalg.qr(layer @ basis)
        rates += np.log(np.abs(np.diag(triangle)))
    return rates / depth


def test_marchenko_pastur() -> None:
    low, high = theory.marchenko_pastur_edges(64, 1024)
    spectrum = np.linalg.svd(np.random.default_rng(0).standard_normal((1024, 64)) / 32, compute_uv=False) ** 2
    assert (low, high) == (0.5625, 1.5625)
    assert spectrum[-1] == pytest.approx(low, rel=0.1)
    assert spectrum[0] == pytest.approx(high, rel=0.1)
    kappa = theory.marchenko_pastur_log10_condition(64, 1024)
    assert kappa == pytest.approx(np.log10((32 + 8) / (32 - 8)))
    assert kappa == pytest.approx(0.5 * np.log10(spectrum[0] / spectrum[-1]), abs=0.05)
    with pytest.raises(ValueError, match="width = samples = 8"):
        theory.marchenko_pastur_log10_condition(8, 8)


def test_plain_condition_is_the_stated_one() -> None:
    # 173.2 at m = 64, n = 64; 2.7 per layer, in natural logarithms.
    assert theory.plain_log10_condition(64, 64) * np.log(10) == pytest.approx(173.2, abs=0.05)
    assert theory.plain_log10_condition(1, 64) * np.log(10) == pytest.approx(2.7, abs=0.01)


def test_square_condition_against_matrices() -> None:
    rng = np.random.default_rng(0)
    kappas = [np.linalg.cond(rng.standard_normal((64, 64))) for _ in range(400)]
    assert theory.square_log10_condition(64) == pytest.approx(np.mean(np.log10(kappas)), abs=0.08)


def test_lyapunov_exponents_against_qr() -> None:
    measured = _lyapunov(8, 20_000)
    assert theory.lyapunov_exponents(8) == pytest.approx(measured, abs=0.03)


def test_collapse_depth_is_about_twice_the_width() -> None:
    assert theory.collapse_depth(1000) == pytest.approx(2000, rel=0.01)
    with pytest.raises(ValueError, match="width 1"):
        theory.collapse_depth(1)


def test_fuss_catalan_against_products() -> None:
    width, depth = 200, 3
    squares = [np.linalg.svd(p, compute_uv=False) ** 2 for p in _products(width, depth, 10)]
    ratio = np.mean([s.sum() ** 2 / (s**2).sum() for s in squares])
    assert theory.fuss_catalan_edge(3) == pytest.approx(256 / 27)
    assert np.mean([s[0] for s in squares]) == pytest.approx(theory.fuss_catalan_edge(depth), rel=0.1)
    assert ratio == pytest.approx(theory.fuss_catalan_participation_ratio(depth, width), rel=0.06)
    assert np.mean([s.sum() / s[0] for s in squares]) == pytest.approx(
        theory.fuss_catalan_stable_rank(depth, width), rel=0.1
    )
    assert theory.fuss_catalan_stable_rank(1000, 64) == pytest.approx(64 / (np.e * 1001), rel=1e-3)


@pytest.mark.parametrize(("scale", "depth"), [(None, 6), (0.25, 16)])
def test_annealed_participation_ratio_against_products(scale: float | None, depth: int) -> None:
    width = 64
    gram = [p @ p.T for p in _products(width, depth, 200, scale)]
    annealed = np.mean([np.trace(g) for g in gram]) ** 2, np.mean([np.trace(g @ g) for g in gram])
    predicted = theory.annealed_participation_ratio(depth, width, residual_scale=scale)
    assert annealed[0] / annealed[1] == pytest.approx(predicted, rel=0.1)


def test_annealed_participation_ratio_stated_values() -> None:
    # With branches scaled by 1/sqrt(depth): about 21, whatever the depth.
    for depth in (16, 64, 256, 1024):
        ratio = theory.annealed_participation_ratio(depth, 64, residual_scale=depth**-0.5)
        assert ratio == pytest.approx(21, abs=1.3)
    assert theory.annealed_participation_ratio(100_000, 64) == pytest.approx(1.0)


def test_residual_lyapunov_spread_against_qr() -> None:
    width, depth, scale = 16, 4000, 0.1
    measured = _lyapunov(width, depth, scale)
    predicted = theory.residual_lyapunov_spread(depth, width, scale)
    assert depth * (measured.max() - measured.min()) == pytest.approx(predicted, rel=0.15)
    assert theory.residual_lyapunov_spread(64, 64, 0.25) == pytest.approx(3.94, abs=0.005)


def test_relu_correlation_against_wide_layer() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((200_000, 2))
    for c in (-0.5, 0.0, 0.3, 0.9):
        a, b = np.maximum(weight @ [1.0, 0.0], 0), np.maximum(weight @ [c, np.sqrt(1 - c * c)], 0)
        assert theory.relu_correlation(c) == pytest.approx(2 * np.mean(a * b), abs=0.02)
    assert theory.relu_correlation(0.0) == pytest.approx(1 / np.pi)
    assert theory.relu_correlation(1.0) == 1.0
    assert theory.relu_correlation(0.5, residual_scale=0.0) == 0.5
    with pytest.raises(ValueError, match=r"correlation 1\.5"):
        theory.relu_correlation(1.5)


def test_relu_correlation_runs_into_its_power_law() -> None:
    path = theory.relu_correlations(3000, 0.0)
    assert len(path) == 3001
    assert 1 - path[-1] == pytest.approx(theory.relu_correlation_gap(3000), rel=0.02)


def test_batch_norm_gradient_growth() -> None:
    assert pytest.approx(1.467, abs=5e-4) == theory.MEAN_FIELD_GRADIENT_GROWTH
    assert 10 ** theory.batch_norm_log10_gradient_growth(1) == pytest.approx(1.2112, abs=1e-4)
    # Depth 164: the first-to-last ratio is above 1e12.
    assert theory.batch_norm_log10_gradient_growth(163) > 12


def test_gaussian_bounds_hold() -> None:
    low, high = theory.gaussian_singular_value_bounds(20, 50)
    rng = np.random.default_rng(0)
    spectra = np.array([np.linalg.svd(rng.standard_normal((20, 50)), compute_uv=False) for _ in range(200)])
    assert low <= spectra[:, -1].mean() <= spectra[:, 0].mean() <= high
    with pytest.raises(ValueError, match="50 rows and 20 columns"):
        theory.gaussian_singular_value_bounds(50, 20)


def test_positive_branches_grow_exponentially() -> None:
    rng = np.random.default_rng(0)
    half = np.diag(rng.uniform(0.2, 0.8, 12))
    layer = np.eye(12) + half.T @ half
    spectrum = np.linalg.svd(np.linalg.matrix_power(layer, 9), compute_uv=False)
    ends = np.diag(half).max(), np.diag(half).min()
    assert theory.positive_branch_condition(9, *ends) == pytest.approx(spectrum[0] / spectrum[-1])
    assert spectrum[-1] >= 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.lyapunov_exponents(0),
        lambda: theory.plain_log10_condition(0, 8),
        lambda: theory.fuss_catalan_edge(0),
        lambda: theory.annealed_participation_ratio(4, 8, residual_scale=-1.0),
        lambda: theory.relu_correlations(-1, 0.5),
        lambda: theory.positive_branch_condition(4, 0.1, 0.2),
    ],
)
def test_impossible_arguments_say_what_was_found(call) -> None:
    with pytest.raises(ValueError, match=r"found .* allowed"):
        call()
