"""What limits a report's answer, in sentences."""

from typing import TYPE_CHECKING

from skipray.report.coverage import CoverageMap
from skipray.wording import counted

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate


def caveats(aggregate: "Aggregate", covered: CoverageMap) -> list[str]:
    """What limits the answer, in sentences."""
    found = []
    total = sum(covered.totals.values())
    left = sum(covered.totals.get(s, 0) for s in ("failed", "running", "missing"))
    if left:
        what = ", ".join(f"{covered.totals[s]} {s}" for s in ("failed", "running", "missing") if s in covered.totals)
        found.append(f"{left} of {total} trials are not in these results ({what}).")
    elsewhere = aggregate.sweep.of_table
    if elsewhere:
        found.append(
            "The results were obtained elsewhere and imported as a table: how the networks were built, tuned and "
            "judged is for its source to say, and what the table does not name may differ between its rows."
        )
    elif aggregate.sweep.tune is None and "learning_rate" not in aggregate.sweep.factor_names:
        found.append(
            "One recipe for all depths, not tuned by depth: a cell that did not train may be untuned rather than "
            "untrainable."
        )
    exploded = covered.totals.get("exploded", 0)
    if exploded:
        ratio = aggregate.sweep.trained.explodes.loss_ratio
        found.append(
            f"{exploded} of {total} networks exploded: they do not fit, and their training loss ended above {ratio:g} "
            "times that of the best constant answer. What is said of their singularity may be about the explosion."
        )
    seeds = len(aggregate.sweep.seeds)
    if seeds < 5:
        found.append(f"{counted(seeds, 'seed')} per cell: intervals are wide, and small effects stay inconclusive.")
    if elsewhere:
        return found + _of_looks(aggregate)
    found.append(
        f"Singularity is measured on {aggregate.sweep.probe.samples} probe samples, which cap every rank; float32 "
        "tensors cannot show a condition number above about 10⁷ (values at that floor are marked as bounds)."
    )
    found += _of_looks(aggregate)
    found.append("The results hold for the fixed settings below; nothing here says what another value would do.")
    return found


def _of_looks(aggregate: "Aggregate") -> list[str]:
    """What looking and searching does to intervals and verdicts (figures: tests/benchmarks/bench_looks.py)."""
    found = [
        "Intervals and verdicts hold for one look at a number of seeds that was fixed beforehand. Whoever adds seeds "
        "until something is decided finds a decision where there is nothing to find in 9 to 23 % of sweeps, not in 5 %."
    ]
    if aggregate.sweep.tune is not None:
        found.append(
            "All final seeds of a cell share the setting that tuning chose for it. No interval includes the luck of "
            "that choice: where it moves a cell by as much as one seed moves a run, verdicts at 3 to 5 seeds are wrong "
            "in 16 to 32 % of cases, not in 5 %. Cells that matter are worth tuning again with other seeds."
        )
    if aggregate.frontiers:
        found.append(
            "Depths were chosen by earlier results, and the search ended when its interval was narrow. The interval is "
            "that of the finished trials alone, which covers under this rule too; the share of trials that train at a "
            "depth near the limit is not an unbiased estimate."
        )
    return found
