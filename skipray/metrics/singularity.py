"""How close to singular a matrix is, read from its singular values.

Plain functions of a 1-D array of singular values (descending, zeros included). `eps` is that of the numbers the matrix
itself was stored in: its rounding hides everything below the floor `eps * s_1`, whatever the spectrum was computed in.
"""

import numpy as np
from numpy.typing import ArrayLike

from skipray.metrics.entries import dead_fraction, gradient_norm, mean_cosine, nonfinite, range, rms

__all__ = [
    "EPS_FLOAT32",
    "VERSIONS",
    "dead_fraction",
    "effective_rank",
    "effective_rank_energy",
    "gradient_norm",
    "log10_condition",
    "log10_condition_censored",
    "log10_sigma_min",
    "log_volume",
    "mean_cosine",
    "nonfinite",
    "numerical_rank",
    "participation_ratio",
    "range",
    "rank_1e3",
    "rms",
    "spectral_norm",
    "stable_rank",
]

EPS_FLOAT32 = float(np.finfo(np.float32).eps)

VERSIONS = {
    "log10_condition": 1,
    "log10_sigma_min": 1,
    "spectral_norm": 1,
    "numerical_rank": 1,
    "rank_1e3": 1,
    "stable_rank": 1,
    "effective_rank": 1,
    "effective_rank_energy": 1,
    "participation_ratio": 1,
    "log_volume": 1,
}
"""The statistics of a spectrum and the version of each definition, as it stands in layers.parquet."""


def log10_condition(
    singular_values: ArrayLike, *, structural_rank: int | None = None, eps: float = EPS_FLOAT32
) -> float:
    """log10(s_1 / s_k), k the structural rank; log10(1 / eps) where s_k is at the floor or below: never inf.

    Args:
        singular_values: descending.
        structural_rank: the rank that the matrix can have (rows and columns that are all zero, and a removed mean,
            take from it); all of the values when left out.
        eps: of the matrix's own number format.

    Raises:
        ValueError: no values, or all are zero.
    """
    return log10_condition_censored(singular_values, structural_rank=structural_rank, eps=eps)[0]


def log10_condition_censored(
    singular_values: ArrayLike, *, structural_rank: int | None = None, eps: float = EPS_FLOAT32
) -> tuple[float, int]:
    """`log10_condition` and 1 where it is only a lower bound, else 0."""
    s = _checked(singular_values)
    smallest = s[_index(s, structural_rank)]
    if smallest <= eps * s[0]:
        return float(-np.log10(eps)), 1
    return float(np.log10(s[0]) - np.log10(smallest)), 0


def log10_sigma_min(
    singular_values: ArrayLike, *, structural_rank: int | None = None, eps: float = EPS_FLOAT32
) -> float:
    """log10 s_k; log10(eps s_1) where s_k is at the floor or below."""
    s = _checked(singular_values)
    return float(np.log10(max(s[_index(s, structural_rank)], eps * s[0])))


def spectral_norm(singular_values: ArrayLike) -> float:
    """s_1."""
    return float(_spectrum(singular_values)[0])


def numerical_rank(singular_values: ArrayLike, *, eps: float = EPS_FLOAT32) -> float:
    """How many values lie above eps s_1."""
    s = _spectrum(singular_values)
    return float(np.count_nonzero(s > eps * s[0]))


def rank_1e3(singular_values: ArrayLike) -> float:
    """How many values lie above s_1 / 1000."""
    return numerical_rank(singular_values, eps=1e-3)


def stable_rank(singular_values: ArrayLike) -> float:
    """sum s^2 / s_1^2 (Rudelson and Vershynin 2007)."""
    p = _shares(singular_values)
    return float(np.sum(p**2))


def effective_rank(singular_values: ArrayLike) -> float:
    """exp of the entropy of s / sum s (Roy and Vetterli 2007; RankMe, Garrido et al. 2023)."""
    return _entropy_rank(_shares(singular_values))


def effective_rank_energy(singular_values: ArrayLike) -> float:
    """exp of the entropy of s^2 / sum s^2."""
    return _entropy_rank(_shares(singular_values) ** 2)


def participation_ratio(singular_values: ArrayLike) -> float:
    """(sum s^2)^2 / sum s^4."""
    energy = _shares(singular_values) ** 2
    return float(energy.sum() ** 2 / np.sum(energy**2))


def log_volume(singular_values: ArrayLike, *, eps: float = EPS_FLOAT32) -> float:
    """Sum of ln s over the values above eps s_1."""
    s = _checked(singular_values)
    return float(np.sum(np.log(s[s > eps * s[0]])))


def _spectrum(singular_values: ArrayLike) -> np.ndarray:
    s = np.asarray(singular_values, dtype=np.float64)
    if s.ndim != 1 or not s.size or not np.isfinite(s).all() or (s < 0).any():
        raise ValueError(f"found an array of shape {s.shape}; allowed: a row of finite singular values, at least one")
    return np.sort(s)[::-1]


def _checked(singular_values: ArrayLike) -> np.ndarray:
    s = _spectrum(singular_values)
    if s[0] == 0:
        raise ValueError("found singular values that are all zero: this statistic has no value for a zero matrix")
    return s


def _shares(singular_values: ArrayLike) -> np.ndarray:
    s = _checked(singular_values)
    return s / s[0]


def _index(s: np.ndarray, structural_rank: int | None) -> int:
    k = len(s) if structural_rank is None else structural_rank
    if not 1 <= k <= len(s):
        raise ValueError(f"found structural rank {k}; allowed: 1 to {len(s)}, the number of singular values")
    return k - 1


def _entropy_rank(weights: np.ndarray) -> float:
    p = weights[weights > 0] / weights.sum()
    return float(np.exp(-np.sum(p * np.log(p))))
