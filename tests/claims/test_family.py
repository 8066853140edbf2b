"""p adjusted over parts of claims: the shortcut is closed testing with Simes' test, and errs as seldom as it says."""

import itertools

import numpy as np
import pytest
from scipy.special import ndtr

from skipray.claims.judging.evidence import LEVEL
from skipray.claims.judging.family import adjust


def simes(p: list[float]) -> float:
    return min(len(p) / rank * one for rank, one in enumerate(sorted(p), 1))


def closed(p: list[list[float]]) -> list[list[float]]:
    """Adjusted p by the definition: the largest that any joint hypothesis with the part has."""
    parts = [(c, i) for c, row in enumerate(p) for i in range(len(row))]
    found = [[0.0] * len(row) for row in p]
    for size in range(1, len(parts) + 1):
        for joint in itertools.combinations(parts, size):
            claims = {c for c, _ in joint}
            worst = simes([simes([p[d][i] for d, i in joint if d == c]) for c in claims])
            for c, i in joint:
                found[c][i] = max(found[c][i], worst)
    return found


def tables(seed: int) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    return [list(10 ** rng.uniform(-4, 0, rng.integers(1, 4))) for _ in range(rng.integers(1, 4))]


@pytest.mark.parametrize("seed", range(20))
def test_adjusted_p_is_that_of_every_joint_hypothesis(seed: int) -> None:
    p = tables(seed)
    for row, expected in zip(adjust(p), closed(p), strict=True):
        assert [one.p for one in row] == pytest.approx(expected)


def test_a_part_is_decided_exactly_where_its_own_p_is_within_its_share() -> None:
    rng = np.random.default_rng(0)
    for seed in range(200):
        p = [list(10 ** rng.uniform(-4, 0, rng.integers(1, 4))) for _ in range(rng.integers(1, 6))]
        for parts, adjusted in zip(p, adjust(p), strict=True):
            for one, a in zip(parts, adjusted, strict=True):
                assert (a.p <= LEVEL) == (one <= a.tail * (1 + 1e-9)), seed
                assert a.p >= one
                assert a.tail <= LEVEL


def test_whatever_holms_procedure_decides_is_decided() -> None:
    rng = np.random.default_rng(1)
    more = 0
    for _ in range(200):
        p = 10 ** rng.uniform(-4, 0, rng.integers(1, 8))
        order = np.argsort(p)
        holm = np.empty(len(p))
        holm[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
        found = np.array([row[0].p for row in adjust([[one] for one in p])])
        assert (found <= holm * (1 + 1e-12)).all()
        more += int(((found <= LEVEL) & (holm > LEVEL)).sum())
    assert more > 0


def test_a_claim_counts_once_however_many_parts_it_has() -> None:
    assert adjust([[0.01], [0.5] * 10])[0][0].p == pytest.approx(0.02)


@pytest.mark.parametrize("shared", [0.0, 0.8, -1.0])
@pytest.mark.parametrize("false", [0, 3])
def test_true_hypotheses_are_rejected_in_at_most_the_level_of_sweeps(shared: float, false: int) -> None:
    """Six claims of two parts; the claims' tests are independent, agree, or pull in opposite directions."""
    rng = np.random.default_rng(2)
    repetitions, wrong = 1000, 0
    for _ in range(repetitions):
        own, common = rng.standard_normal((6, 2)), rng.standard_normal()
        signs = np.array([1, -1] * 3 if shared < 0 else [1] * 6)[:, None]
        p = ndtr(np.sqrt(1 - min(abs(shared), 0.8)) * own + signs * np.sqrt(min(abs(shared), 0.8)) * common)
        p[:false] = 1e-6
        wrong += min(a.p for row in adjust([list(row) for row in p])[false:] for a in row) <= LEVEL
    assert wrong / repetitions <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / repetitions)
