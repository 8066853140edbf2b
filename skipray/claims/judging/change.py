"""How a value changes with depth: between the two depths that lie furthest apart among those that share two seeds.

A sweep that is on its way has its deepest networks last. Where the deepest depth has not two seeds yet that a shallower
one has too, the next one is taken, and the words say so: a run more never takes a verdict away.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from skipray.claims.judging.estimates import ROUNDING, censored_mean
from skipray.claims.judging.evidence import Mean

ENOUGH = 2
"""Seeds that both ends of a change must have."""

Span = tuple[int, int]
"""A shallower depth and a deeper one."""


@dataclass(frozen=True)
class Change:
    """`value` at a deeper depth less that at a shallower one, seed by seed, mean over the strata."""

    mean: Mean | None
    """None where no two depths share two seeds, or where only bounds to both sides are known."""
    rows: pd.DataFrame
    """What it speaks of: the depths from end to end, without the networks that diverged where a change begins."""
    stratum: np.ndarray
    """(rows,)"""
    ends: str
    """`from depth 8 to 110`; in other words where strata have other ends."""
    lacks: str
    """Why there is no mean."""
    _known: pd.DataFrame = field(repr=False)
    """All that was given, with its `cell`, `censored` and whether a network did `well`."""
    _spans: Mapping[str, Span] = field(repr=False)
    """Cell -> the ends of its change."""

    @property
    def between(self) -> dict[int, Mean]:
        """The changes from where it begins to each depth before its end, by depth: they say whether a value that ends
        as it began has been elsewhere meanwhile."""
        found: dict[int, Mean] = {}
        for depth in sorted({int(d) for d in self._known["depth"]}):
            mean = _mean(self._known, {c: (low, depth) for c, (low, high) in self._spans.items() if low < depth < high})
            if mean is not None:
                found[depth] = mean
        return found

    @property
    def along_a_line(self) -> float:
        """Rise of `value` over the depths from end to end, along a line in log depth that is parallel in every
        stratum; NaN for one depth."""
        log_depth = np.log(self.rows["depth"].to_numpy(dtype=float))
        value = self.rows["value"].to_numpy(dtype=float)
        level = log_depth - pd.Series(log_depth).groupby(self.stratum).transform("mean").to_numpy()
        about = value - pd.Series(value).groupby(self.stratum).transform("mean").to_numpy()
        spread = float(np.sum(level**2))
        rise = float(np.ptp(log_depth) * (level @ about) / spread) if spread > 0 else float("nan")
        return 0.0 if abs(rise) < ROUNDING * max(1.0, float(np.abs(value).max())) else rise


def change_of(table: pd.DataFrame, stratum: np.ndarray) -> Change:
    """The change with depth.

    Args:
        table: `depth, seed, value`; `censored` where some are bounds: where both ends are bounds to the same side their
            change is not known, and the seed is left out; and `outcome` where diverged networks count as something: not
            where a change begins, or having been wholly wrong there would make the change a good one.
        stratum: (rows,) the combination of the other factors.
    """
    known = table.assign(
        cell=[str(name) for name in stratum], censored=table["censored"] if "censored" in table.columns else 0
    )
    lost = (table["outcome"] == "diverged").to_numpy(dtype=bool) if "outcome" in table.columns else False
    known["well"] = ~np.broadcast_to(lost, len(table))
    spans = {str(name): span for name, one in known.groupby("cell", sort=False) if (span := _furthest(one)) is not None}
    low, high = (known["cell"].map({name: span[i] for name, span in spans.items()}) for i in (0, 1))
    well, depth = known["well"].to_numpy(dtype=bool), known["depth"]
    # Of strata without a span all is kept that may be kept: it tells what was tried.
    inside = (low.isna() | (depth >= low)) & (high.isna() | (depth <= high)) & (well | (depth > low))
    kept = inside.to_numpy(dtype=bool)
    ends, lacks = _words(known, spans), _lacking(known)
    return Change(_mean(known, spans), table[kept], np.asarray(stratum)[kept], ends, lacks, known, spans)


def change_over_depths(table: pd.DataFrame, stratum: np.ndarray) -> Mean | None:
    """`value` at the deepest depth less that at the shallowest, seed by seed, mean over the strata. Of depths that
    share fewer than two seeds the next ones are taken.

    Args:
        table: `depth, seed, value`, and `censored` where some are bounds. Where both ends are bounds to the same side
            their change is not known, and the seed is left out.
        stratum: (rows,) the combination of the other factors.

    Returns:
        None where no two depths share two seeds.
    """
    return change_of(table, stratum).mean


def deepest_of_two(table: pd.DataFrame, cell: np.ndarray) -> int | None:
    """The deepest depth at which some cell has two seeds; None where there is none.

    Args:
        table: `depth, seed`.
        cell: (rows,) the combination of depth and factors.
    """
    seeds = table.groupby([table["depth"].to_numpy(), np.asarray(cell)])["seed"].nunique()
    enough = seeds[seeds >= ENOUGH].index.get_level_values(0)
    return int(enough.max()) if len(enough) else None


def _mean(known: pd.DataFrame, spans: Mapping[str, Span]) -> Mean | None:
    """Over the cells, of their changes over these spans; None where there is none."""
    pairs = [_paired(known[known["cell"] == name], span).assign(cell=name) for name, span in spans.items()]
    return censored_mean(pd.concat(pairs), "change") if pairs else None


def _furthest(one: pd.DataFrame) -> Span | None:
    """The two depths of a stratum that lie furthest apart among those that share two seeds, else one; of equals the
    deeper ones."""
    begins, ends = _seeds(one[one["well"]]), _seeds(one)
    if begins and min(begins) < max(ends) and len(begins[min(begins)] & ends[max(ends)]) >= ENOUGH:
        return min(begins), max(ends)  # as nearly always
    shared = {(a, b): min(len(begins[a] & ends[b]), ENOUGH) for a, b in itertools.product(begins, ends) if a < b}
    found = [span for span, count in shared.items() if count]
    return max(found, key=lambda span: (shared[span], span[1] / span[0], span[1])) if found else None


def _seeds(rows: pd.DataFrame) -> dict[int, set[int]]:
    """Depth -> the seeds that have it."""
    found: dict[int, set[int]] = {}
    for depth, seed in zip(rows["depth"].tolist(), rows["seed"].tolist(), strict=True):
        found.setdefault(int(depth), set()).add(seed)
    return found


def _paired(one: pd.DataFrame, span: Span) -> pd.DataFrame:
    """The seeds of a stratum that have both ends: `seed, change, censored`."""
    seen = ["seed", "value", "censored"]
    shallow = one.loc[(one["depth"] == span[0]) & one["well"], seen]
    both = shallow.merge(one.loc[one["depth"] == span[1], seen], on="seed", suffixes=("", "_deep"))
    blind = (both["censored"] == both["censored_deep"]) & (both["censored"] != 0)
    signs = np.sign(both["censored_deep"] - both["censored"]).astype(int)
    return both.assign(change=both["value_deep"] - both["value"], censored=signs)[~blind]


def _words(known: pd.DataFrame, spans: Mapping[str, Span]) -> str:
    if len(set(spans.values())) != 1:
        return "from the shallowest depth to the deepest of each combination of factors"
    low, high = next(iter(spans.values()))
    first, last = known.loc[known["well"], "depth"].min(), known["depth"].max()
    words = f"from depth {low} to {high}"
    return words if (low, high) == (first, last) else f"{words} (too few seeds have both {first} and {last})"


def _lacking(known: pd.DataFrame) -> str:
    bounds = int((known["censored"] != 0).sum())
    more = f", or {bounds} values of which only a bound is known" if bounds else ""
    for name in ("depth", "seed"):
        values = known[name].unique()
        if len(values) < ENOUGH:
            return f"no {name}" if not len(values) else f"one {name} alone, {values[0]}"
    return f"no two depths that share two seeds{more}"
