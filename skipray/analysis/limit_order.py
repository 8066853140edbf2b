"""Do networks for which theory predicts a deeper limit train deeper? The order of the limits as one number.

What a prediction does not know (the learning rate, the data) is held fixed: pairs of groups are compared within a
stratum that shares all of it, never across. Limits that lie beyond the depths tried are known to be deeper than those
that do not, no more; such pairs count only where that settles their order (as in Harrell's concordance index). The
p-value permutes the predictions over the networks, with all their strata at once, since strata share their networks.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skipray.analysis.limit_rules import PredictedLimit
from skipray.spec import Group, ModelSpec
from skipray.spec.cell import Scalar, bare_name
from skipray.trends import Limit

EXACT_NETWORKS = 7
"""Up to so many all permutations are counted (5,040); of more a random sample of as many."""
SAMPLED, SEED = 5040, 2017
READ_BY_RULES = frozenset({*ModelSpec.model_fields, "batch_size", "gradient_accumulation"})
"""Fields that a prediction follows from; an option of a family is one of the model's too."""
Bounds = tuple[float, float]
Network = tuple[tuple[str, Scalar], ...]


@dataclass(frozen=True)
class LimitOrder:
    """Agreement of the measured limits' order with the predicted one."""

    tau: float
    """(pairs in the predicted order - pairs against it) / both: 1 the same order, -1 the opposite one."""
    p: float
    """One-sided: the share of permutations of the predictions with at least this tau."""
    with_it: int
    against: int
    tied: int
    """Pairs that both predictions order and the measured limits do not: equal, or both beyond the depths tried."""
    networks: int
    strata: int
    exact: bool
    """Whether all permutations were counted."""


def order_of_limits(measured: Mapping[Group, Limit], predicted: Mapping[Group, PredictedLimit]) -> LimitOrder | None:
    """The agreement over all groups that have both; None where no pair of predictions differs within a stratum or no
    pair of measured limits is ordered."""
    strata: dict[Network, dict[Network, Bounds]] = {}
    depths: dict[Network, float] = {}
    for group, limit in predicted.items():
        bounds = _bounds(measured[group]) if group in measured else None
        if limit.depth is None or bounds is None:
            continue
        network, rest = _split(group)
        depths[network] = limit.depth
        strata.setdefault(rest, {})[network] = bounds
    networks = tuple(depths)
    pairs = list(_pairs(list(strata.values()), {network: i for i, network in enumerate(networks)}))
    values = np.array([depths[network] for network in networks])
    with_it, against, tied = _count(pairs, values)
    if not with_it + against:
        return None
    tau = (with_it - against) / (with_it + against)
    exact = len(networks) <= EXACT_NETWORKS
    found = [_tau(pairs, values[list(order)]) for order in _orders(len(networks), exact=exact)]
    p = float(np.mean([t >= tau - 1e-12 for t in found]))
    used = sum(len(members) > 1 for members in strata.values())
    return LimitOrder(tau, p, with_it, against, tied, len(networks), used, exact)


def _split(group: Group) -> tuple[Network, Network]:
    """What a prediction follows from, and the rest."""
    parts: tuple[list[tuple[str, Scalar]], list[tuple[str, Scalar]]] = ([], [])
    for name, value in group.values.items():
        parts[bare_name(name) not in READ_BY_RULES and not name.startswith("options.")].append((name, value))
    return tuple(parts[0]), tuple(parts[1])


def _bounds(limit: Limit) -> Bounds | None:
    """Between which depths a measured limit is known to lie: one depth twice where it was found."""
    tried = [c.depth for c in limit.counts if c.trials]
    if not limit.monotone or not tried:
        return None
    if limit.censored == "above":
        return float(tried[-1]), math.inf
    if limit.censored == "below":
        return 0.0, float(tried[0])
    return None if limit.depth is None else (float(limit.depth), float(limit.depth))


def _pairs(strata: Sequence[Mapping[Network, Bounds]], index: Mapping[Network, int]) -> list[tuple[int, int, int]]:
    """(network, network, which of them was measured to go deeper: 1 the first, -1 the second, 0 not known)."""
    out = []
    for members in strata:
        for (a, of_a), (b, of_b) in itertools.combinations(members.items(), 2):
            deeper = int(of_a[0] >= of_b[1]) - int(of_b[0] >= of_a[1])
            out.append((index[a], index[b], deeper))
    return out


def _count(pairs: Sequence[tuple[int, int, int]], values: np.ndarray) -> tuple[int, int, int]:
    with_it = against = tied = 0
    for a, b, deeper in pairs:
        if values[a] == values[b]:
            continue
        expected = 1 if values[a] > values[b] else -1
        with_it += deeper == expected
        against += deeper == -expected
        tied += deeper == 0
    return with_it, against, tied


def _tau(pairs: Sequence[tuple[int, int, int]], values: np.ndarray) -> float:
    with_it, against, _ = _count(pairs, values)
    return (with_it - against) / (with_it + against) if with_it + against else 0.0


def _orders(count: int, *, exact: bool) -> list[tuple[int, ...]]:
    if exact:
        return list(itertools.permutations(range(count)))
    random = np.random.default_rng(SEED)
    # The order that was found is one of them, so that p is never 0.
    return [tuple(range(count)), *(tuple(random.permutation(count).tolist()) for _ in range(SAMPLED - 1))]


def words(order: LimitOrder) -> str:
    """One sentence for the report."""
    how = "all permutations" if order.exact else f"{SAMPLED:,} permutations"
    tied = f", {order.tied} not told apart" if order.tied else ""
    within = f", compared within {order.strata} settings of the rest" if order.strata > 1 else ""
    return (
        f"Order of the limits: {order.with_it} of {order.with_it + order.against} pairs as predicted{tied} "
        f"(tau {order.tau:+.2f}, one-sided p {order.p:.2g} by {how} of the predictions over {order.networks} "
        f"networks{within})."
    )
