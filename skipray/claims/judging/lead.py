"""How much further one family trains than another, from all trials of both.

Limits need no twins: a regression of each family's trials on depth has one, and the factor between them is what is
asked for. Where depths were searched for, hardly two trials of two families share depth and seed, and what pairs alone
would say contradicts the limits that the report has of all.
"""

from dataclasses import dataclass, replace

import pandas as pd

from skipray.claims.judging.data import SweepData, combinations
from skipray.claims.judging.one_limit import no_limit
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


@dataclass(frozen=True)
class NoLead:
    """Why there is none."""

    why: str
    what_to_run: str
    """Empty where it is for the claim to say: more depths or seeds."""


def lead_of(data: SweepData, first: str, second: str) -> LeadFound | NoLead:
    """The lead of the second role or family over the first: one limit for each combination of the factors that both
    have, and one factor between the families. Combinations that one of them lacks say nothing of it. Where fewer than
    half of the trials have a twin the depths were searched for, and the lead is known less well (`SEARCHED`).

    Returns:
        Or why there is none: also where one of them has no one limit, and trains again at deeper networks.
    """
    one, other = data.of(first), data.of(second)
    trials = pd.concat([one.assign(second=False), other.assign(second=True)])
    trials = trials.assign(trained=trials["outcome"] == "trained")
    trials = trials.assign(cell=combinations(trials, data.shared_factors(first, second)))
    trials = trials[trials.groupby("cell")["second"].transform("nunique") == 2] if len(trials) else trials
    for name in ("depth", "seed"):
        if (few := trials[name].nunique()) < 2:
            why = unpaired(data, first, second, shared=()) if not few else ""
            return NoLead(f"fewer than two {name}s of both families{why}", "")
    for role, of_second in ((first, False), (second, True)):
        own = trials[trials["second"] == of_second]
        if why := no_limit(own, own["cell"].to_numpy()):
            name = data.name(role)
            look = f"Look at why deeper {name}s train where shallower ones do not; a limit says nothing of them."
            return NoLead(f"{name} has no one limit: {why}", look)
    shift = trainability_shift(
        trials["depth"], trials["trained"], trials["second"], cell=trials["cell"], seed=trials["seed"]
    )  # fmt: skip
    # A grid has twins; of searches hardly two trials of two families share depth and seed.
    twins = trials.groupby(["cell", "depth", "seed"])["second"].transform("nunique") == 2
    if twins.mean() < 0.5:
        shift = replace(shift, effect=SEARCHED * shift.effect)
    return LeadFound(shift, trials)
