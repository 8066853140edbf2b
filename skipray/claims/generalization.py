"""Claims about generalization and redundancy: C8 to C10."""

import pandas as pd

from skipray.association import granulated_tau
from skipray.claims.data import NOTHING_RIGHT, PLAIN, Outcome, SweepData, diverged_remark
from skipray.claims.estimates import mean_over_cells
from skipray.claims.verdict import Claim, Part, decided, untested

ENOUGH_SEEDS = 5
"""Seeds that C8 needs: the paper's differences (0.36 to 1.16 points) are as small as the spread between seeds."""


def c8(data: SweepData) -> Claim:
    """Test accuracy: ResNeXt above ResNet.

    Effect: percentage points, paired by depth, seed and factors. Margin 0; the paper reports 0.36, 0.92 and 1.16
    points. A diverged ResNeXt has a test accuracy of 0; pairs with a diverged ResNet are left out.
    """
    statement = "Test accuracy: ResNeXt above ResNet"
    pairs = data.pairs("test.accuracy", "resnext", "resnet", diverged={"resnext": NOTHING_RIGHT})
    seeds = pairs["seed"].nunique() if len(pairs) else 0
    if seeds < ENOUGH_SEEDS:
        return untested(
            "C8", statement, f"Run resnet and resnext at the same depths with at least {ENOUGH_SEEDS} seeds.",
            f"{seeds} shared seeds",
        )  # fmt: skip
    points = 100.0 * pairs["difference"].to_numpy(dtype=float)
    estimate = mean_over_cells(points, pairs["cell"].to_numpy(), pairs["seed"].to_numpy())
    assert estimate is not None
    words = f"{estimate.mean:+.2g} points"
    return decided(
        "C8", statement, [estimate.part("resnext above resnet", "points", 0.0)], pairs["seed"], pairs["depth"],
        {
            "supported": f"ResNeXt generalizes better than ResNet ({words}).",
            "refuted": f"ResNeXt does not generalize better than ResNet ({words}).",
            "inconclusive": f"ResNeXt and ResNet cannot be told apart in test accuracy ({words}).",
        },
        remark=diverged_remark(data.of("resnet", "resnext"), "resnexts count as all wrong, resnets are left out"),
    )  # fmt: skip


_TAU = "Kendall's tau "


def c9(data: SweepData) -> Claim:
    """Lower kappa goes with a smaller generalization gap.

    Parts: Kendall's tau of the median layer's log10 kappa with the accuracy gap, over all runs and within depth (where
    depth cannot be the common cause). Margin 0. Untrained and diverged runs have no gap and are left out.
    """
    statement = "Lower kappa goes with a smaller generalization gap"
    table = data.measured("hidden.log10_condition.median")
    if "gap.accuracy" in table.columns:
        table = table[pd.to_numeric(table["gap.accuracy"], errors="coerce").notna() & (table["outcome"] == "trained")]
    else:
        table = table.iloc[:0]
    what = "Run two or more families with two or more seeds and the probe on, at depths where they train."
    if len(table) < 6 or table["seed"].nunique() < 2:
        return untested("C9", statement, what, f"{len(table)} trained runs with both kappa and a gap")
    kappa, gap = table["value"].to_numpy(dtype=float), table["gap.accuracy"].to_numpy(dtype=float)
    parts: list[Part] = []
    for label, strata in (("over all runs", None), ("within depth", table["depth"].to_numpy())):
        tau = granulated_tau(kappa, gap, strata=strata, cluster=table["seed"].to_numpy())
        if tau is not None:
            parts.append(Part(f"{_TAU}{label}", tau.tau, "tau", tau.low, tau.high, tau.p, 0.0))
    if len(parts) < 2:
        return untested("C9", statement, what, "no depth with two trained runs that differ")
    words = ", ".join(f"{q.effect:.2f} {q.label.removeprefix(_TAU)}" for q in parts)
    return decided(
        "C9", statement, parts, table["seed"], table["depth"],
        {
            "supported": f"Better conditioned runs have smaller gaps (tau {words}).",
            "refuted": f"Better conditioned runs do not have smaller gaps (tau {words}).",
            "inconclusive": f"No clear link between condition number and gap (tau {words}).",
        },
        remark=diverged_remark(data.trials, "they have no gap and are left out"),
    )  # fmt: skip


NEAR_CHANGE = 0.5
"""Relative change of the logits below which an output counts as near what it was: closer to itself than to zero;
ours."""

WHOLLY_CHANGED = Outcome(1.0)
"""Relative change of a diverged network's output: as far from itself as zero is."""


def c10(data: SweepData) -> Claim:
    """Deleting one block leaves a ResNet's output near what it was; a PlainNet's not (Veit et al. 2016).

    Metric: `deletion.output_change.median`, the relative change of the logits when one block is deleted, median over
    blocks. Parts: ResNet's below NEAR_CHANGE; PlainNet's above ResNet's, paired. A diverged ResNet's output counts as
    wholly changed; diverged PlainNets are left out.
    """
    statement = "Deleting one block leaves a ResNet's output near what it was; a PlainNet's not"
    metric = "deletion.output_change.median"
    what = "Run plainnet and resnet at the same depths and seeds with `probe: {preset: full}`, which deletes blocks."
    pairs = data.pairs(metric, PLAIN, "resnet", diverged={"resnet": WHOLLY_CHANGED})
    own = data.measured(metric, data.of("resnet"), diverged=WHOLLY_CHANGED)
    change = mean_over_cells(own["value"].to_numpy(), data.cells(own), own["seed"].to_numpy()) if len(own) else None
    more = (
        mean_over_cells(pairs["difference"].to_numpy(), pairs["cell"].to_numpy(), pairs["seed"].to_numpy())
        if len(pairs)
        else None
    )
    if change is None or more is None:
        return untested("C10", statement, what, f"no pairs with {metric} and two seeds")
    parts = [
        change.part("resnet's change", "relative change", NEAR_CHANGE, "below"),
        more.part("plainnet's change above resnet's", "relative change", 0.0),
    ]
    words = f"resnet's logits change by {change.mean:.2g}, plainnet's by {change.mean + more.mean:.2g}"
    return decided(
        "C10", statement, parts, pairs["seed"], pairs["depth"],
        {
            "supported": f"A ResNet hardly notices a deleted block, a PlainNet does: {words}.",
            "refuted": f"Deleting a block does not tell the families apart as claimed: {words}.",
            "inconclusive": f"Whether a deleted block tells the families apart is open: {words}.",
        },
        remark=diverged_remark(
            data.of(PLAIN, "resnet"), "a resnet's output counts as wholly changed, plainnets are left out"
        ),
    )  # fmt: skip
