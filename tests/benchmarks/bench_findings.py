"""Every finding of the statistical review of 81fe7fb: what was printed then, and what is now, as one table.

    python tests/benchmarks/bench_findings.py [--store FOLDER]

Findings about tables and claims are made of small tables here, in seconds. Those about the quickstart's own report are
read from a finished store of it (`--store`, the folder with skipray.db; left out without one). Coverage over
repetitions is the work of bench_limits.py, bench_bands.py, bench_frontier.py, bench_looks.py and bench_claims.py, whose
figures some rows repeat.
`then` is what the review printed, on the quickstart of 81fe7fb.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

from _planted_claims import grid, layer_table

from skipray.analysis.aggregation import Aggregate, aggregate
from skipray.analysis.series import Series
from skipray.claims import Claim
from skipray.claims.judging.data import SweepData
from skipray.claims.judging.evidence import Share, excluded_rate
from skipray.claims.judging.verdict import Stated, judged
from skipray.extension import catalog
from skipray.report.limit_sentences import limit_sentence
from skipray.spec import load_sweep
from skipray.trends import Limit, trainability_limit

DEPTHS = (8, 20, 38, 56, 74, 110)
TAIL = 0.025
Row = tuple[str, str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, help="folder with the skipray.db of a finished quickstart")
    chosen = parser.parse_args()
    result = None
    if chosen.store is not None:
        try:
            result = quickstart_of(chosen.store)
        except ValueError as error:
            parser.exit(2, f"{error}\n")
    print("| finding | then | now |\n|---|---|---|")
    for row in (*of_limits(), *of_claims(), *(of_quickstart(result) if result is not None else ())):
        print(f"| {' | '.join(text.replace('|', '/') for text in row)} |", flush=True)
    return 0


def quickstart_of(store: Path) -> Aggregate:
    """The results of the quickstart in a store.

    Raises:
        ValueError: there are none, or not all of them.
    """
    path = store.resolve() / "skipray.db"
    if not path.is_file():
        raise ValueError(f"--store: found no {path}; allowed: the folder of a finished quickstart")
    result = aggregate(load_sweep("quickstart"), f"sqlite:///{path}")
    finished, total = len(result.trials), len(result.sweep.cells) * len(result.sweep.seeds)
    if finished < total:
        raise ValueError(
            f"--store: found {finished} of the quickstart's {total} trials finished in {path}; allowed: all of them"
        )
    return result


def limit_of(wins: tuple[int, ...], seeds: int = 3) -> Limit:
    """Of a table in which the first `wins[i]` seeds trained at the i-th depth."""
    trained = np.array([[s < w for s in range(seeds)] for w in wins]).ravel()
    return trainability_limit(np.repeat(DEPTHS, seeds), trained, seed=np.tile(np.arange(seeds), len(DEPTHS)))


def shown(limit: Limit) -> str:
    """Depth and interval; a dash where there is no number."""
    depth, low, high = (f"{x:.0f}" if x is not None else "-" for x in (limit.depth, limit.low, limit.high))
    return f"{depth} [{low}, {high}]"


def of_limits() -> Iterator[Row]:
    late, few = limit_of((2, 3, 3, 3, 3, 0)), limit_of((1, 1, 0, 0, 0, 0))
    yield "A1: 2,3,3,3,3,0 of 3 seeds", "still trains at 110, the deepest tried", limit_sentence([("a", late)])
    yield "A1: 1,1,0,0,0,0 of 3 seeds", "does not train at any depth tried", limit_sentence([("a", few)])
    all_trained, one_failed = limit_of((3,) * 6), limit_of((3, 2, 3, 3, 3, 3))
    yield "A2: all trained; one failed at 20", "above 110; above 147", f"{shown(all_trained)}; {shown(one_failed)}"
    rising = limit_sentence([("a", limit_of((0, 0, 1, 2, 3, 3)))])
    yield "A2: 0,0,1,2,3,3 rises", "36, no word of it", rising
    gaps = "; ".join(f"{n}: {shown(limit_of((n,) * 4 + (0, 0), n))}" for n in (3, 5, 10, 20, 50))
    yield (
        "A3: all at 56, none at 74, by seeds",
        "3: [48, 85]; 5: [56, 74]; 10: [59, 71]; 20: [60, 69]; 50: [61, 69]",
        gaps,
    )
    yield "A3: coverage", ".60 for steps at 10 seeds", "1.000 (bench_limits.py)"
    yield "A4: 3 of 3 at every depth", "95 %: above 110 (exactly: 87.5 %)", f"above {all_trained.low:.0f}, 6 of 6"
    yield "B8: adaptive search, coverage", ".60 with seed effects, .74 at steepness 2.5", ".95, .90 (bench_frontier.py)"


def of_claims() -> Iterator[Row]:
    bends = one_claim("C2", *bent())
    yield "A5: profiles u^0.3 at 20 and u^3.5 at 38", "C2 supported, close to a line", f"C2 {bends.verdict}"
    share = Share(2, 2)
    yield "B4: 2 of 2 networks", "share 1 [1, 1], p 0", f"1 [{share.low(0.025):.2f}, 1], p {share.p_above(0.5):.2f}"
    excluded = f"excluded are rates above {excluded_rate(3):.0%} by 3 good runs, {excluded_rate(6):.0%} by 6"
    yield "B5: no network of C1b collapsed", "a rise of 1 point is excluded", excluded
    yield (
        "B1, B2: whole-sweep null, a wrong verdict",
        ".375 of sweeps (5 seeds)",
        ".025 (bench_claims.py 40 whole seeds=5)",
    )
    yield (
        "B7: looks at 2 and 3 seeds; a tuned setting's luck of 1 sd",
        ".088; .163, not said",
        "the same, said (bench_looks.py)",
    )


def bent() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two depths whose profiles bend to opposite sides, so that the mean of the bends is none."""
    rng = np.random.default_rng(0)
    trials = grid(5, ("plainnet",), (20, 38))

    def profile(trial: pd.Series) -> np.ndarray:
        way = np.linspace(0, 1, int(trial["depth"]))
        return 5 * way ** (0.3 if trial["depth"] == 20 else 3.5) + 0.02 * rng.standard_normal(len(way))

    return trials, layer_table(trials, profile)


def one_claim(name: str, trials: pd.DataFrame, layers: pd.DataFrame) -> Claim:
    found = catalog.find("claims", name.lower()).judge(SweepData.read(trials, layers, None, None))
    return judged([Stated(name, "", found)])[0]


def of_quickstart(result: Aggregate) -> Iterator[Row]:
    fitted = [one for one in result.series if one.trend.curve is not None]
    outside = sum(leaves(one) for one in fitted)
    yield (
        "A6: bands that leave a metric's bounds",
        "to accuracy 1.08, rank -1.9, log kappa -.48",
        f"{outside} of {len(fitted)}",
    )
    kappa = series(fitted, "plainnet", "hidden.log10_condition.median").trend
    _, low, high = kappa.simultaneous(np.array(DEPTHS, dtype=float))
    yield "A7: plainnet's log kappa at 8 (data 1.59 ± .02)", "[-.48, 2.98]", f"[{low[0]:.2f}, {high[0]:.2f}]"
    _, low, high = series(fitted, "plainnet", "train.accuracy").trend.predict(np.array([30.0, 34, 36, 44]))
    spikes = ", ".join(f"{b - a:.2f}" for a, b in zip(low, high, strict=True))
    yield "A8: width of plainnet's band of train accuracy at 30, 34, 36, 44", ".31, .39, .14, .03", spikes
    rise = claim(result, "C1b").parts[0]
    yield (
        "A9: C1b, where resnet's mean falls by 7.0 points",
        "4.4 points",
        f"{rise.effect:.1f} {rise.unit} ({rise.label})",
    )
    contradict = [c.id for c in result.claims if c.verdict == "supported" and not (c.p_adjusted or 0) <= TAIL]
    yield "B1: supported beside an adjusted p above .025", "C2 (.13), C7 (.14)", ", ".join(contradict) or "none"
    split = "; ".join(f"{name} {claim(result, name).verdict}" for name in ("C4", "C6"))
    yield "B3: C4 and C6, of several parts", "refuted, by one part", split
    yield "B6: networks that C9 compares", "49, from train accuracy .13", claim(result, "C9").reason
    limits = [
        f"{table.definition.name} {shown(limit)}"
        for table in result.limit_tables
        for group, limit in table.of_groups
        if group.family == "plainnet"
    ]
    yield "C1: PlainNet's limit", "71 [51, 110], defined nowhere", "; ".join(limits)
    yield "C2: exploded networks", "not counted", f"{int(result.coverage['exploded'].sum())} counted"


def leaves(one: Series) -> bool:
    """Whether a band is somewhere outside of its metric's natural bounds."""
    least, most = one.trend.bounds
    _, low, high = one.trend.simultaneous(np.linspace(DEPTHS[0], DEPTHS[-1], 52))
    return bool((low < least).any() or (high > most).any())


def series(fitted: list[Series], family: str, metric: str) -> Series:
    return next(one for one in fitted if one.metric == metric and one.group.family == family)


def claim(result: Aggregate, name: str) -> Claim:
    return next(c for c in result.claims if c.id == name)


if __name__ == "__main__":
    sys.exit(main())
