"""How noise over seeds changes with depth: a floor plus a power of depth, by restricted likelihood.

Per-depth variances of 3 to 5 seeds are far too noisy to be weights themselves. The function that is most probable gives
the weights; those that the series allows besides are kept with their probabilities, since a band that took the weights
as known would be too narrow: of a whole band at 5 seeds and noise that grows forty-fold, .90 in place of .95.
"""

import numpy as np

from skipray.curves import Array
from skipray.trends.design import Design, Variances

VARIANCE_PRIOR = 3.0
"""Standard deviation of the prior on the power of depth that the variance follows. Ours: standard deviations over seeds
grow up to forty-fold from 8 layers to 110 (a power of 2.8) in real sweeps, which a narrow prior would not let the
weights follow: bands at shallow depths were then many times too wide (tests/benchmarks/bench_bands.py)."""

POWERS = np.linspace(-12, 12, 121)
FLOORS = np.array([0.0, *np.logspace(-5, -1, 9)])
"""Of the largest variance. Beyond a cliff seeds scatter, before it they do not, at whatever depth."""

LEAST_PROBABLE = 1e-3
"""Of the most probable function's probability; what is less probable is left out. Ours."""


def estimate_variances(even: Design, value: Array) -> Variances:
    """The noise of values (values,) by depth, from their design with even weights.

    As a share of the largest the variance is floor + (1 - floor) (depth / end) ** power, end the deepest depth, or the
    shallowest for a negative power (nlme's varConstPower: Pinheiro & Bates 2000, section 5.2). Its probability is the
    restricted likelihood of depths and seeds together (Patterson & Thompson 1971), times a normal prior around 0 for
    the power: seed effects are taken out with the weights that each function gives. Taken out with equal weights, the
    scatter of the deepest networks would leak into the variances of shallow ones, which are hundreds of times smaller.
    """
    freedom = np.bincount(even.depth_index) - 1.0
    residual = value - (even.means @ value)[even.depth_index]
    if even.saturated_freedom < 3 or np.sum(residual**2) <= 1e-24 * max(1.0, float(np.sum(value**2))):
        return even.variances
    shape, power = _shapes(even.depths)
    weight = (1 / shape)[:, even.depth_index]  # (functions, values)
    left, lost = np.tile(residual, (len(power), 1)), 0.0
    height = -0.5 * np.log(shape) @ freedom - 0.5 * (power / VARIANCE_PRIOR) ** 2
    if even.effective < len(value):
        seeds = np.eye(even.seed_index.max() + 1)[even.seed_index]
        share = weight @ seeds
        left -= ((weight * residual) @ seeds / share)[:, even.seed_index]
        lost = seeds.shape[1] - 1.0
        height -= 0.5 * lost * np.log(share).mean(axis=1)
    squares = np.maximum(np.sum(weight * left**2, axis=1), 1e-300)
    height -= 0.5 * (freedom.sum() - lost) * np.log(squares)
    best = int(np.argmax(height))
    kept = height >= height[best] + np.log(LEAST_PROBABLE)
    probability = np.exp(height[kept] - height[best])
    return Variances(
        relative=shape[best] / np.exp(np.log(shape[best]).mean()),
        probable=shape[kept] * squares[kept, None] / (shape[best] * squares[best]),
        probability=probability / probability.sum(),
    )


def _shapes(depths: Array) -> tuple[Array, Array]:
    """Variances (functions, depths) as shares of the largest, and the power (functions,) of each."""
    power, floor = (grid.ravel() for grid in np.meshgrid(POWERS, FLOORS, indexing="ij"))
    rising = np.exp(power[:, None] * (np.log(depths) - np.log(depths).mean()))
    return floor[:, None] + (1 - floor[:, None]) * rising / rising.max(axis=1, keepdims=True), power
