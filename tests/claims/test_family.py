"""p adjusted over parts of claims: Holm's procedure, and what parts of one claim share."""

import numpy as np
import pytest

from skipray.claims._evidence import LEVEL
from skipray.claims._family import adjust


def test_claims_of_one_part_are_adjusted_as_holm_does() -> None:
    found = adjust([[0.001], [0.012], [0.009], [0.3]])
    assert [one[0].p for one in found] == [pytest.approx(p) for p in (0.004, 0.027, 0.027, 0.3)]
    # What is decided was held against its step's share, the others against what was left when it ended.
    assert [one[0].tail for one in found] == [pytest.approx(LEVEL / k) for k in (4, 3, 3, 3)]


def test_parts_share_what_their_claim_has_and_pass_it_on_together() -> None:
    """Both parts below the claim's share: decided together. One alone: against half of it, and nothing is passed on."""
    together = adjust([[0.012, 0.011], [0.02]])
    assert [a.p for a in together[0]] == [pytest.approx(0.024)] * 2
    assert together[1][0].p == pytest.approx(0.024)
    alone = adjust([[0.001, 0.4], [0.02]])
    assert alone[0][0].p == pytest.approx(0.004)
    assert alone[1][0].p == pytest.approx(0.04)
    assert alone[1][0].tail == pytest.approx(LEVEL / 2)


def test_a_part_is_decided_exactly_where_its_own_p_is_within_its_share() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        p = [list(10 ** rng.uniform(-4, 0, rng.integers(1, 4))) for _ in range(rng.integers(1, 6))]
        for parts, adjusted in zip(p, adjust(p), strict=True):
            for one, a in zip(parts, adjusted, strict=True):
                assert (a.p <= LEVEL) == (one <= a.tail * (1 + 1e-9))
                assert a.p >= one


def test_true_hypotheses_are_rejected_in_at_most_the_level_of_sweeps() -> None:
    """Six claims of two parts whose p are uniform and correlated; 4,000 sweeps. Half of them with parts that are
    false."""
    rng = np.random.default_rng(1)
    for false in (0, 1):
        wrong = 0
        for _ in range(2000):
            p = rng.random((6, 2))
            p[:, 1] = np.where(rng.random(6) < 0.5, p[:, 0], p[:, 1])
            if false:
                p[:3] = 1e-6
                p[3, 0] = 1e-6
            adjusted = adjust([list(row) for row in p])
            true = [a.p for c, row in enumerate(adjusted) for i, a in enumerate(row) if p[c, i] > 1e-6]
            wrong += min(true) <= LEVEL
        assert wrong / 2000 <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / 2000)
