"""Products of Gaussian matrices: what depth does to the singular values of a linear network at initialisation.

n = width, m = layers, N = samples; weights are Gaussian with variance 1/n unless said. What a sweep measures at epoch
0 is drawn over these. "Derived here" marks formulas without a published source; the tests check them by Monte Carlo.
"""

from __future__ import annotations

import numpy as np
from scipy.special import digamma

from skipray.curves import Array
from skipray.theory.sizes import positive

EDELMAN_CONSTANT = 1.537
"""E ln kappa - ln n of a square real Gaussian matrix as n grows (Edelman 1988, "Eigenvalues and condition numbers of
random matrices", Theorem 6.2)."""


def marchenko_pastur_edges(width: int, samples: int) -> tuple[float, float]:
    """Ends of the squared singular values of a samples x width Gaussian matrix with entries of variance 1/samples.

    (1 -+ sqrt(n/N))^2 (Marchenko & Pastur 1967). Where width > samples the lower end is that of the non-zero ones.

    Raises:
        ValueError: a size below 1.
    """
    positive(width=width, samples=samples)
    ratio = float(np.sqrt(width / samples))
    return (1 - ratio) ** 2, (1 + ratio) ** 2


def marchenko_pastur_log10_condition(width: int, samples: int) -> float:
    """log10 kappa that samples of independent Gaussian features have without any network: the null beside a measured
    one.

    log10[(sqrt N + sqrt n) / |sqrt N - sqrt n|].

    Raises:
        ValueError: a size below 1, or width equal to samples, where it grows with the size (Edelman 1988).
    """
    positive(width=width, samples=samples)
    if width == samples:
        raise ValueError(f"found width = samples = {width}; allowed: different ones, since kappa has no limit there")
    a, b = np.sqrt(samples), np.sqrt(width)
    return float(np.log10((a + b) / abs(a - b)))


def square_log10_condition(width: int) -> float:
    """Mean log10 kappa of one square Gaussian matrix: (ln n + 1.537) / ln 10, for large n (Edelman 1988, Theorem 6.2).

    A median is compared with `square_log10_condition_quantile`: the law is skewed, at n = 64 the mean is .11 above it.

    Raises:
        ValueError: a width below 1.
    """
    positive(width=width)
    return float((np.log(width) + EDELMAN_CONSTANT) / np.log(10))


def square_log10_condition_quantile(width: int, probability: float = 0.5) -> float:
    """Quantile of log10 kappa of one square Gaussian matrix, from P(kappa / n < x) = exp(-2/x - 2/x^2) for large n
    (Edelman 1988, Theorem 6.1); the median is log10(3.671 n).

    Raises:
        ValueError: a width below 1, a probability that is not between 0 and 1.
    """
    positive(width=width)
    if not 0 < probability < 1:
        raise ValueError(f"found probability {probability}; allowed: between 0 and 1")
    # With y = 1/x: 2 y^2 + 2 y + ln p = 0.
    inverse = (np.sqrt(1 - 2 * np.log(probability)) - 1) / 2
    return float(np.log10(width / inverse))


def lyapunov_exponents(width: int) -> Array:
    """(width,) growth rates of ln singular values per layer, for products of Gaussian matrices, descending.

    lambda_k = [ln(2/n) + psi((n - k + 1)/2)] / 2 (Newman 1986; Akemann, Burda & Kieburg 2014).

    Raises:
        ValueError: a width below 1.
    """
    positive(width=width)
    k = np.arange(1, width + 1)
    return np.asarray((np.log(2 / width) + digamma((width - k + 1) / 2)) / 2)


def plain_log10_condition(depth: float, width: int) -> float:
    """log10 kappa of a product of `depth` Gaussian width x width matrices, linear network, for depth well above 1.

    m [psi(n/2) - psi(1/2)] / (2 ln 10), from the first and last Lyapunov exponent; 1.17 decades per layer at n = 64.

    Raises:
        ValueError: a size below 1.
    """
    positive(width=width, depth=depth)
    exponents = lyapunov_exponents(width)
    return float(depth * (exponents[0] - exponents[-1]) / np.log(10))


def collapse_depth(width: int) -> float:
    """Layers after which one direction leads by a factor e in a plain linear network: 1 / (lambda_1 - lambda_2), about
    2n.

    Raises:
        ValueError: a width below 2.
    """
    if width < 2:
        raise ValueError(f"found width {width}; allowed: at least 2")
    exponents = lyapunov_exponents(width)
    return float(1 / (exponents[0] - exponents[1]))


def fuss_catalan_edge(depth: int) -> float:
    """Largest squared singular value of a product of `depth` wide Gaussian matrices: (m+1)^(m+1) / m^m (Fuss-Catalan
    law: Banica et al. 2011), for width far above depth.

    Raises:
        ValueError: a depth below 1.
    """
    positive(depth=depth)
    return float((depth + 1) * (1 + 1 / depth) ** depth)


def fuss_catalan_participation_ratio(depth: int, width: int) -> float:
    """Participation ratio n / (m + 1) of such a product: its squared singular values have second moment m + 1.

    Raises:
        ValueError: a size below 1.
    """
    positive(depth=depth, width=width)
    return width / (depth + 1)


def fuss_catalan_stable_rank(depth: int, width: int) -> float:
    """Stable rank n m^m / (m+1)^(m+1), which tends to n / (e (m + 1)): the mean squared singular value is 1.

    Raises:
        ValueError: a size below 1.
    """
    return width / fuss_catalan_edge(depth)


def annealed_participation_ratio(depth: float, width: int, *, residual_scale: float | None = None) -> float:
    """Participation ratio (E tr)^2 / E tr^2 of H H^T after `depth` layers W, or I + residual_scale * W, linear network.

    [(n+2)(1+2r)^m + 2(n-1)(1-r)^m] / [(n+2)(1+2r)^m - (n-1)(1-r)^m], with r = 1/n for plain layers and
    r = t / (n (1+t)), t = (1+a^2)^2 - 1 for residual ones. Good for m well below n. Derived here.

    Args:
        residual_scale: a; None for a plain network. 1/sqrt(blocks) makes it nearly independent of depth.

    Raises:
        ValueError: a size below 1, a negative residual scale.
    """
    positive(depth=depth, width=width)
    if residual_scale is None:
        r = 1.0 / width
    elif residual_scale < 0:
        raise ValueError(f"found residual_scale {residual_scale}; allowed: at least 0")
    else:
        t = (1 + residual_scale**2) ** 2 - 1
        r = t / (width * (1 + t))
    # Divided by (1+2r)^m, so that deep networks do not overflow.
    left = ((1 - r) / (1 + 2 * r)) ** depth
    return ((width + 2) + 2 * (width - 1) * left) / ((width + 2) - (width - 1) * left)


def residual_lyapunov_spread(depth: float, width: int, residual_scale: float) -> float:
    """Spread m (lambda_1 - lambda_n) of the Lyapunov exponents of I + a W, for small a: a^2 m (n-1)/n. Derived here.

    To be held against growth measured by a QR at each layer, not against ln kappa of the product, which is larger at
    finite depth.

    Raises:
        ValueError: a size below 1.
    """
    positive(depth=depth, width=width)
    return residual_scale**2 * depth * (width - 1) / width


def gaussian_singular_value_bounds(rows: int, columns: int) -> tuple[float, float]:
    """Bounds sqrt(z) - sqrt(s) <= E s_min <= E s_max <= sqrt(z) + sqrt(s) of an s x z standard Gaussian matrix, s < z
    (Rudelson & Vershynin 2010, Theorem 2.6).

    Raises:
        ValueError: a size below 1, or rows not below columns.
    """
    positive(rows=rows, columns=columns)
    if rows >= columns:
        raise ValueError(f"found {rows} rows and {columns} columns; allowed: fewer rows than columns")
    return float(np.sqrt(columns) - np.sqrt(rows)), float(np.sqrt(columns) + np.sqrt(rows))


def positive_branch_condition(depth: float, largest: float, smallest: float) -> float:
    """kappa of a product of `depth` residual layers whose symmetric branches have squared-eigenvalue ends as given:
    ((1 + s_1^2) / (1 + s_n^2))^m: it still grows exponentially with depth; what the skip keeps is sigma_min >= 1.
    Derived here, under the paper's Theorem 3.

    Raises:
        ValueError: a depth below 1, or smallest above largest.
    """
    positive(depth=depth)
    if not 0 <= smallest <= largest:
        raise ValueError(f"found smallest {smallest} and largest {largest}; allowed: 0 <= smallest <= largest")
    return float(((1 + largest**2) / (1 + smallest**2)) ** depth)
