"""C10: deleting one block leaves the output of a network with skips near what it was; a plain one's not (Veit et al.
2016).

Metric: `deletion.output_change.median`, the relative change of the logits when one block is deleted, median over
blocks. Parts: the skip network's below NEAR; the plain one's above it, paired. A diverged skip network's output
counts as wholly changed; diverged plain ones are left out.
"""

from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, finding, untested
from skipray.claims.judging.data import DivergedValue, SweepData, diverged_remark
from skipray.claims.judging.either_way import either_way, spread, ways
from skipray.claims.judging.estimates import level_within, mean_of
from skipray.claims.judging.unpaired import unpaired

ID = "C10"
SOURCE = PAPER_SOURCE
ROLES = ("plain", "skip")
NEEDS = ("deletion.output_change.median",)
TRAINS = True
NEAR = 0.5
"""Relative change of the logits below which an output counts as near what it was: closer to itself than to zero;
ours."""
WHOLLY = 1.0
"""As far from itself as zero is: an output that changes more is not near what it was by anybody's reading."""
WHOLLY_CHANGED = DivergedValue(WHOLLY)


def judge(data: SweepData) -> Finding:
    plain, skip = (data.name(role) for role in ROLES)
    statement = f"Deleting one block leaves a {skip}'s output near what it was; a {plain}'s not"
    counted = ways(data, WHOLLY_CHANGED, "plain", "skip", "skip")
    compared = [data.pairs(NEEDS[0], "plain", "skip", diverged=way) for way in counted]
    pairs = compared[0]
    own = data.measured(NEEDS[0], data.of("skip"), diverged=WHOLLY_CHANGED)
    change = mean_of(own.assign(cell=data.cells(own)), "value")
    more, *others = (mean_of(one, "difference") for one in compared)
    plains = mean_of(pairs, "value_first")
    if change is None or more is None or plains is None:
        names = f"{plain.lower()} and {skip.lower()}"
        return untested(
            statement,
            f"Run {names} at the same depths and seeds with `probe: {{preset: full}}`, which deletes blocks.",
            f"no pairs with {NEEDS[0]} and two seeds{unpaired(data, 'plain', 'skip')}",
        )
    lead = either_way(more, others, "above")
    parts = [
        Comparison(
            f"{skip}'s change", level_within(change, NEEDS[0]), "relative change", f"a {skip} stays near what it was",
            f"a {skip} does not stay near what it was", NEAR, "below", WHOLLY, f"a {skip} changes by more than half",
        ),
        Comparison(
            f"{plain}'s change above {skip}'s", lead, "relative change", f"a {plain} changes more than a {skip}",
            f"a {plain} does not change more than a {skip}",
        ),
    ]  # fmt: skip
    words = f"{skip}'s logits change by {change.effect:.2g}, {plain}'s by {plains.effect:.2g}{spread(lead)}"
    return finding(
        statement, parts, pairs["seed"], pairs["depth"],
        supported=f"A {skip} hardly notices a deleted block, a {plain} does: {words}.",
        refuted=f"Deleting a block does not tell the families apart as claimed: {words}.",
        open=f"Whether a deleted block tells the families apart is open: {words}.",
        facts=words,
        remark=diverged_remark(
            data.of(*ROLES), f"a {skip}'s output counts as wholly changed, {plain}s are left out"
        ),
    )  # fmt: skip
