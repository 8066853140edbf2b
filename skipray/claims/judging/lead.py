"""How much further one family trains than another, from all trials of both.

Limits need no twins: a regression of each family's trials on depth has one, and the factor between them is what is
asked for. Where depths were searched for, hardly two trials of two families share depth and seed, and what pairs alone
would say contradicts the limits that the report has of all.
"""

from dataclasses import dataclass, replace

import pandas as pd

from skipray.claims.judging.data import SweepData, combinations
from skipray.claims.judging.unpaired import unpaired
from skipray.trends import Shift, trainability_shift

SEARCHED = 1.5
"""How much larger the variance of a lead is taken where depths were searched for: where trials are follows from results
then, and of nulls 5 to 12 % were told from 0, with it at most 4 % (tests/benchmarks/bench_leads.py)."""


@dataclass(frozen=True)
class LeadFound:
    shift: Shift
    """Doublings of depth that the second family trains further."""
    trials: pd.DataFrame
    """Of both families, with `trained` and whether it is of the `second`."""


def lead_of(data: SweepData, first: str, second: str) -> LeadFound | str:
    """The lead of the second role or family over the first: one limit for each combination of the factors that both
    have, and one factor between the families. Combinations that one of them lacks say nothing of it. Where fewer than
    half of the trials have a twin the depths were searched for, and the lead is known less well (`SEARCHED`).

    Returns:
        Or why there is none.
    """
    one, other = data.of(first), data.of(second)
    trials = pd.concat([one.assign(second=False), other.assign(second=True)])
    trials = trials.assign(trained=trials["outcome"] == "trained")
    trials = trials.assign(cell=combinations(trials, data.shared_factors(first, second)))
    trials = trials[trials.groupby("cell")["second"].transform("nunique") == 2] if len(trials) else trials
    for name in ("depth", "seed"):
        if (few := trials[name].nunique()) < 2:
            why = unpaired(data, first, second, shared=()) if not few else ""
            return f"fewer than two {name}s of both families{why}"
    shift = trainability_shift(
        trials["depth"], trials["trained"], trials["second"], cell=trials["cell"], seed=trials["seed"]
    )  # fmt: skip
    # A grid has twins; of searches hardly two trials of two families share depth and seed.
    twins = trials.groupby(["cell", "depth", "seed"])["second"].transform("nunique") == 2
    if twins.mean() < 0.5:
        shift = replace(shift, effect=SEARCHED * shift.effect)
    return LeadFound(shift, trials)
