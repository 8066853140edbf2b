"""Mean field against stated values, closed forms and networks drawn at random."""

import numpy as np
import pytest

from skipray import theory
from skipray.theory.activations import NAMED, leaky_relu


@pytest.mark.parametrize(("gain", "layers"), [(1.0, 22), (1.3, 47), (2.5, 71), (4.0, 42)])
def test_six_depth_scales_of_tanh(gain: float, layers: int) -> None:
    """Schoenholz et al. 2017 with sigma_b^2 = .05; the values were computed apart from this code."""
    assert round(6 * theory.depth_scale("tanh", gain, 0.05)) == layers
    assert theory.trainable_depth("tanh", gain, 0.05) == pytest.approx(layers, abs=0.5)


def test_relu_is_critical_at_he_initialisation() -> None:
    found = theory.mean_field("relu", 2.0)
    assert found.chi_1 == pytest.approx(1, abs=1e-6)
    assert found.xi_c == np.inf
    assert theory.critical_weight_gain("relu") == pytest.approx(2, abs=1e-6)
    assert theory.mean_field("relu", 1.5).q_star == 0
    assert theory.mean_field("relu", 2.5).q_star == np.inf


def test_the_correlation_map_of_relu_is_the_arc_cosine_kernel() -> None:
    gaps = theory.correlation_gaps(50, 1.0, "relu", 2.0)
    assert gaps == pytest.approx(1 - theory.relu_correlations(50, 0.0), rel=2e-4)


def test_a_function_of_ones_own_is_as_good_as_a_name() -> None:
    named, own = theory.mean_field("tanh", 1.3, 0.05), theory.mean_field(np.tanh, 1.3, 0.05)
    assert own.xi_c == pytest.approx(named.xi_c, rel=1e-6)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_slopes_are_those_of_the_functions(name: str) -> None:
    x = np.array([-2.3, -0.7, 0.4, 1.9])
    step = 1e-6
    assert NAMED[name].slope(x) == pytest.approx(
        (NAMED[name].value(x + step) - NAMED[name].value(x - step)) / (2 * step), abs=1e-6
    )


def _network(name: str, gain: float, bias: float, *, width: int = 600, depth: int = 30) -> tuple[float, float]:
    """Measured chi_1 and the slope of ln of the correlation gap per layer, deep in one random network, float64."""
    rng = np.random.default_rng(3)
    phi = NAMED[name]
    x = rng.standard_normal((width, 2))
    h = x @ np.linalg.cholesky(np.array([[1, 0.9], [0.9, 1]])).T
    g = np.eye(width)[:, :64]
    growth, gaps = [], []
    weights = [rng.standard_normal((width, width)) * np.sqrt(gain / width) for _ in range(depth)]
    pre = []
    for weight in weights:
        h = weight @ phi.value(h) + rng.standard_normal((width, 1)) * np.sqrt(bias)
        pre.append(h)
        gaps.append(1 - h[:, 0] @ h[:, 1] / np.linalg.norm(h[:, 0]) / np.linalg.norm(h[:, 1]))
    for weight, before in zip(weights[:0:-1], pre[-2::-1], strict=True):
        new = phi.slope(before[:, :1]) * (weight.T @ g)
        growth.append((new**2).sum() / (g**2).sum())
        g = new
    half = depth // 2
    return float(np.exp(np.mean(np.log(growth[:half])))), float(np.log(gaps[-4] / gaps[half]) / (depth - 4 - half))


@pytest.mark.parametrize(
    ("name", "gain", "bias"),
    [("tanh", 1.3, 0.05), ("gelu", 1.5, 0.1), ("silu", 1.5, 0.1), ("relu", 1.6, 0.1), ("erf", 1.2, 0.05)],
)
def test_growth_and_collapse_are_those_of_a_wide_network(name: str, gain: float, bias: float) -> None:
    predicted = theory.mean_field(name, gain, bias)
    chi_1, slope = _network(name, gain, bias)
    assert chi_1 == pytest.approx(predicted.chi_1, rel=0.03)
    assert slope == pytest.approx(-1 / predicted.xi_c, rel=0.1)


@pytest.mark.parametrize("batch", [8, 32, 256])
@pytest.mark.parametrize("name", ["linear", "relu", "tanh"])
def test_batch_norm_gradient_growth_against_random_layers(batch: int, name: str) -> None:
    """Against layers drawn at random, differentiated by hand, at the symmetric fixed point."""
    rng = np.random.default_rng(batch)
    phi, width, depth = NAMED[name], 400, 12

    def normalise(h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        centred = h - h.mean(axis=0)
        deviation = centred.std(axis=0)
        return centred / deviation, deviation

    activity = rng.standard_normal((batch, width))
    tape = []
    for _ in range(depth + 12):
        weight = rng.standard_normal((width, width)) / np.sqrt(width)
        z, deviation = normalise(activity @ weight)
        tape.append((weight, z, deviation))
        activity = phi.value(z)
    gradient, norms = rng.standard_normal((batch, width)), []
    for weight, z, deviation in reversed(tape):
        d = gradient * phi.slope(z)
        d = (d - d.mean(axis=0) - z * (d * z).mean(axis=0)) / deviation
        norms.append((d**2).sum())  # at the pre-activation
        gradient = d @ weight.T
    measured = (norms[depth] / norms[2]) ** (1 / (depth - 2))
    assert measured == pytest.approx(theory.batch_norm_squared_gradient_growth(batch, name), rel=0.04)


def test_batch_norm_limits_are_the_published_ones() -> None:
    for batch in (8, 32, 256):
        assert theory.batch_norm_squared_gradient_growth(batch, "linear") == pytest.approx((batch - 2) / (batch - 3))
    many = theory.batch_norm_squared_gradient_growth(20_000, "relu")
    assert many == pytest.approx(theory.MEAN_FIELD_GRADIENT_GROWTH, rel=1e-3)
    depth = theory.batch_norm_explosion_depth(1e3, 64)
    assert theory.batch_norm_log10_gradient_growth(depth, 64) == pytest.approx(3)


def test_residual_networks_grow_slowly() -> None:
    plain = theory.correlation_gaps(64, 1.0, "relu", 2.0)[-1]
    scaled = theory.residual_field(64, "relu", 2.0, residual_scale=1 / 8)
    assert scaled.correlation_gap[-1] > 50 * plain
    assert scaled.squared_gradient[0] == pytest.approx((1 + 1 / 64) ** 64, rel=1e-6)
    assert scaled.variance[-1] == pytest.approx((1 + 1 / 64) ** 64, rel=1e-5)


def test_log_norms_scatter_as_five_layers_over_the_width() -> None:
    rng = np.random.default_rng(0)
    width, depth = 64, 40
    logs = []
    for _ in range(120):
        h = rng.standard_normal(width)
        for _ in range(depth):
            h = rng.standard_normal((width, width)) @ np.maximum(h, 0) * np.sqrt(2 / width)
        logs.append(np.log((h**2).sum()))
    assert np.var(logs) == pytest.approx(theory.log_norm_variance(width, depth), rel=0.35)
    assert theory.log_norm_variance([64] * 40) == theory.log_norm_variance(64, 40)


def test_pure_attention_falls_towards_rank_one() -> None:
    rng = np.random.default_rng(0)
    tokens, width = 16, 32
    x = rng.standard_normal((tokens, width))
    found = [theory.rank_one_distance(x)]
    for _ in range(6):
        q, k, v = (rng.standard_normal((width, width)) / np.sqrt(width) for _ in range(3))
        scores = (x @ q) @ (x @ k).T / np.sqrt(width)
        a = np.exp(scores - scores.max(axis=1, keepdims=True))
        x = a / a.sum(axis=1, keepdims=True) @ x @ v
        found.append(theory.rank_one_distance(x))
    assert found[0] > 0.9
    assert found[-1] < 1e-3
    bound = [theory.attention_log_residual_bound(n, np.log(0.3), beta=0.5, key_width=32) for n in range(4)]
    assert bound[0] == pytest.approx(np.log(0.3))
    assert bound[3] - bound[2] < 3 * (bound[2] - bound[1]) / 1.01 < 0


def test_what_is_refused_says_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="allowed: linear, relu, tanh"):
        theory.mean_field("swish", 1.0)
    with pytest.raises(ValueError, match="allowed: above 0"):
        theory.mean_field("tanh", 0.0)
    with pytest.raises(ValueError, match="at least 5"):
        theory.batch_norm_squared_gradient_growth(4)
    assert theory.mean_field(leaky_relu(0.2), 2 / 1.04).chi_1 == pytest.approx(1)
