"""The report's tables as plain values: claims, coverage, fits, rank correlations, caveats, provenance."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from skipray.analysis.series import finite
from skipray.report.chart import Table
from skipray.report.groups import Layout, plain
from skipray.report.methods import data_words
from skipray.report.numbers import number
from skipray.report.preliminary import preliminary
from skipray.spec.cell import value_text
from skipray.trends.limit_words import limit_words

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.analysis.series import Series
    from skipray.trends import DepthTrend

FINISHED = ("trained", "untrained", "exploded", "diverged")
SQUARE_STATES = (*FINISHED, "failed", "running", "missing")
"""What can have become of a trial, as the coverage map shows it."""

MAX_SQUARES = 3000
"""A map of more trials than these shows counts alone: squares would make the page heavy and say no more."""

MAX_FITS = 240
"""Rows of the fits' table on the page; trends.parquet has all."""


@dataclass(frozen=True)
class CoverageCell:
    counts: dict[str, int]
    """State -> seeds, those above 0."""
    text: str
    """`3/3`: seeds finished, of all."""
    words: str
    """`2 trained, 1 untrained`"""
    squares: tuple[str, ...]
    """A state per seed, or nothing where there are too many."""

    @property
    def state(self) -> str:
        """The worst thing in it, which colours it."""
        return next((s for s in reversed(SQUARE_STATES) if s in self.counts), "missing")


@dataclass(frozen=True)
class CoverageMap:
    depths: tuple[int, ...]
    rows: tuple[tuple[str, tuple[CoverageCell | None, ...]], ...]
    """Name of the group, and a cell per depth; None where the sweep has no such cell."""
    totals: dict[str, int]
    """State -> trials."""


def coverage_map(aggregate: "Aggregate", layout: Layout) -> CoverageMap:
    frame = aggregate.coverage
    depths = tuple(sorted({int(d) for d in frame["depth"]}))
    trials = int(frame["seeds"].sum()) if len(frame) else 0
    rows: dict[str, dict[int, CoverageCell]] = {}
    totals: Counter[str] = Counter()
    for record in frame.to_dict("records"):
        counts = {state: int(record[state]) for state in SQUARE_STATES if state != "trained"}
        counts = {"trained": int(record["finished"]) - sum(counts[s] for s in FINISHED[1:]), **counts}
        counts = {state: n for state, n in counts.items() if n > 0}
        totals.update(counts)
        cell = CoverageCell(
            counts,
            f"{int(record['finished'])}/{int(record['seeds'])}",
            ", ".join(f"{n} {state}" for state, n in counts.items()),
            tuple(state for state, n in counts.items() for _ in range(n)) if trials <= MAX_SQUARES else (),
        )
        rows.setdefault(layout.name(record["group"]), {})[int(record["depth"])] = cell
    return CoverageMap(
        depths,
        tuple((label, tuple(cells.get(d) for d in depths)) for label, cells in rows.items()),
        {state: totals[state] for state in SQUARE_STATES if totals[state]},
    )


def interval(low: float | None, high: float | None) -> str:
    left = "−∞" if low is not None and low == float("-inf") else number(low, 2)
    right = "∞" if high is not None and high == float("inf") else number(high, 2)
    return f"{left} to {right}"


def probability(p: float) -> str:
    """`0.032`, `< 0.001`"""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def span(word: str, values: Iterable[int]) -> str:
    rising = sorted(values)
    if len(rising) <= 3:
        return f"{word}{'' if len(rising) == 1 else 's'} {', '.join(map(str, rising)) or '–'}"
    return f"{len(rising)} {word}s {rising[0]} to {rising[-1]}"


@dataclass(frozen=True)
class FitRow:
    metric: str
    group: str
    verdict: str
    parameters: tuple[tuple[str, str, str], ...]
    """Name, estimate, interval."""
    weights: tuple[str, ...]
    """A curve and its AICc weight, the heaviest first."""
    error: str
    p: str
    notes: str


def fit_rows(aggregate: "Aggregate", layout: Layout) -> list[FitRow]:
    return [_fit_row(s, layout) for s in aggregate.series[:MAX_FITS]]


def _fit_row(series: "Series", layout: Layout) -> FitRow:
    t: DepthTrend = series.trend
    heaviest = sorted(t.weights.items(), key=lambda item: -item[1])[:3]
    error = t.left_out_error.get(t.curve) if t.curve is not None else None
    verdict = t.verdict if t.curve in (None, t.verdict) else f"{t.verdict} (best: {t.curve})"
    return FitRow(
        series.metric,
        layout.name(series.group),
        verdict.replace("_", " "),
        tuple((n.replace("_", " "), number(v), interval(low, high)) for n, (v, low, high) in t.parameters.items()),
        tuple(f"{c.replace('_', ' ')} {w:.2f}" for c, w in heaviest if w >= 0.005),
        number(error),
        "" if t.lack_of_fit is None else probability(t.lack_of_fit),
        "; ".join(plain(n).replace("_", " ") for n in t.notes),
    )


MAX_LIMITS = 60
"""Rows of a table of limits on the page; claims.json has all."""

MAX_FAILURES = 20
"""Failed trials that the page names; `skipray status` has all."""


def failure_table(aggregate: "Aggregate") -> Table | None:
    """Trials whose last attempt failed, with the cause."""
    failed = aggregate.failures
    if failed.empty:
        return None
    rows = tuple((plain(t), plain(c)[:400]) for t, c in failed[["trial", "cause"]].head(MAX_FAILURES).to_numpy())
    more = f"; {len(failed) - MAX_FAILURES} more in `skipray status`" if len(failed) > MAX_FAILURES else ""
    return Table(f"Trials that failed, and why{more}. The next launch tries them again.", ("Trial", "Cause"), rows)


def more_limits(aggregate: "Aggregate", layout: Layout) -> list[Table]:
    """The limits beside the headline's, each with its definition."""
    return [
        Table(
            f"{preliminary(aggregate)}{limits.definition.sentence}. The {layout.depth_words} at which half of the "
            "seeds no longer do.",
            ("Cells", "Limit"),
            tuple((layout.name(g), limit_words(x, layout.at)) for g, x in limits.of_groups[:MAX_LIMITS]),
        )
        for limits in aggregate.limit_tables[1:]
        if limits.of_groups
    ]


def frontier_table(aggregate: "Aggregate", layout: Layout) -> Table | None:
    """Of an adaptive sweep: where the search for each group's limit stands."""
    if not aggregate.frontiers:
        return None
    words = {
        "found": "found: the interval is as narrow as was asked",
        "beyond": "beyond the deepest depth of the range",
        "below": "below the shallowest depth of the range",
        "open": "open: needs more trials",
    }
    rows = tuple(
        (layout.name(g), "–" if f.limit is None else f"{f.limit:.0f}",
         _ends_words(f.low, f.high), str(f.trials), words[f.verdict])
        for g, f in aggregate.frontiers
    )  # fmt: skip
    return Table(
        "The search for the limit: depths were chosen while the sweep ran, where a trial tells most. It ends when the "
        "limit's 95\u00a0% interval is as narrow as was asked.",
        ("Cells", "Limit", "95\u00a0% interval", "Trials", "State"),
        rows,
        frozenset({1, 2, 3}),
    )


def _ends_words(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return "–"
    if low is None or high is None:
        return f"below {high:.0f}" if low is None else f"above {low:.0f}"
    return f"{low:.0f} to {high:.0f}"


def fixed_settings(aggregate: "Aggregate") -> list[tuple[str, str]]:
    """What every trial of the sweep has in common: the results hold for these values."""
    cells = aggregate.sweep.cells
    if not cells:
        return []
    flats = [cell.flat() for cell in cells]
    if aggregate.sweep.of_table:  # how and with what they were run its own source says
        flats = [{k: v for k, v in f.items() if not k.startswith(("probe.", "resources."))} for f in flats]
    skipped = ("seed", "dataset.fingerprint", "resources.max_failures", "resources.checkpoint_seconds")
    common = {k: v for k, v in flats[0].items() if all(f.get(k, v) == v for f in flats) and k not in skipped}
    return [(k, plain(v)) for k, v in sorted(common.items())]


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
        f"Singularity is measured on {aggregate.sweep.probe.samples} probe images, which cap every rank; float32 "
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
            "All final seeds of a cell share the setting that tuning chose for it. Its luck is in none of the "
            "intervals: where it moves a cell by as much as one seed moves a run, verdicts at 3 to 5 seeds are wrong "
            "in 16 to 32 % of cases, not in 5 %. Tune again, with other seeds, what matters."
        )
    if aggregate.frontiers:
        found.append(
            "Depths were chosen by earlier results, and the search ended when its interval was narrow. The interval is "
            "that of the finished trials alone, which covers under this rule too; the share of trials that train at a "
            "depth near the limit is not an unbiased estimate."
        )
    return found


def provenance_rows(aggregate: "Aggregate") -> list[tuple[str, str]]:
    """What made these results: the report's own versions, and what the workers recorded."""
    rows = [(plain(k), plain(v)) for k, v in aggregate.provenance.items() if not k.startswith("trials: ")]
    trials, sweep = aggregate.trials, aggregate.sweep
    for column in sorted(str(c) for c in trials.columns if str(c).startswith("environment.")):
        counts = trials[column].dropna().astype(str).value_counts()
        if counts.empty:
            continue
        shown = [f"{plain(v)}" if len(counts) == 1 else f"{plain(v)} ({n} trials)" for v, n in counts.head(8).items()]
        more = f", and {len(counts) - 8} more" if len(counts) > 8 else ""
        name = column.partition(".")[2]
        rows.append((name.replace("_", " ") if sweep.of_table else f"workers: {name}", ", ".join(shown) + more))
    rows.append(("seeds", ", ".join(map(str, sweep.seeds))))
    rows += [("data set", data_words(cell, table=sweep.of_table)) for cell in sweep.data_cells]
    if sweep.overrides:
        rows.append(("overrides", plain(", ".join(sweep.overrides))))
    return rows


def trends_frame(aggregate: "Aggregate") -> pd.DataFrame:
    """trends.parquet: a row per depth trend; parameters and weights as JSON texts, limits as numbers."""
    limits: dict[Any, Any] = dict(aggregate.limits)
    names = aggregate.sweep.factor_names
    rows = []
    for s in aggregate.series:
        t, limit = s.trend, limits.get(s.group)
        rows.append(
            {
                "metric": s.metric,
                **s.group.row(names),
                "curve": t.curve,
                "verdict": t.verdict,
                "parameters": json.dumps({k: [finite(x) for x in v] for k, v in t.parameters.items()}),
                "weights": json.dumps(dict(t.weights)),
                "tied": json.dumps(list(t.tied)),
                "left_out_error": t.left_out_error.get(t.curve) if t.curve else None,
                "lack_of_fit_p": t.lack_of_fit,
                "values": len(s.value),
                "censored_values": sum(c != 0 for c in s.censored),
                "depths": len(set(s.depth)),
                "seeds": len(set(s.seed)),
                "limit_depth": None if limit is None else limit.depth,
                "limit_low": None if limit is None else limit.low,
                "limit_high": None if limit is None else limit.high,
                "limit_censored": None if limit is None else limit.censored,
                "notes": "; ".join(t.notes),
            }
        )
    columns = ["metric", "architecture", "curve", "verdict", "parameters", "weights"]
    frame = pd.DataFrame(rows, columns=None if rows else columns)
    numbers = ["left_out_error", "lack_of_fit_p", "limit_depth", "limit_low", "limit_high"]
    # A column of Parquet has one type: a factor of numbers and words is text.
    mixed = [n for n in names if n in frame and {type(v) for v in frame[n].dropna()} - {int, float}]
    frame = frame.astype({c: float for c in numbers if c in frame})
    return frame.assign(**{n: frame[n].map(value_text, na_action="ignore") for n in mixed})
