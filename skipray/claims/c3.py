"""C3: a plain network's effective rank goes to 1 and its mean cosine to 1 with depth.

Parts, of each at the last hidden layer: it changes in that direction from the shallowest depth to the deepest, seed by
seed; and it is near 1 at the deepest depth: an effective rank below RANK, a mean cosine above COSINE. Being near is
refuted where it is surely less than half-way there, counted from the shallowest depth.
"""

import pandas as pd

from skipray.claims.judging.change import change_of, deepest_of_two
from skipray.claims.judging.claim import PAPER_SOURCE, Comparison, Finding, Side, finding, untested
from skipray.claims.judging.data import LEFT_OUT, SweepData, diverged_remark, exploded_remark
from skipray.claims.judging.estimates import difference_within, level_within, mean_of
from skipray.claims.judging.evidence import Mean

ID = "C3"
SOURCE = PAPER_SOURCE
ROLES = ("plain",)
NEEDS = ("hidden.effective_rank.last", "hidden.mean_cosine.last")
TRAINS = False
RANK = 2.0
"""Effective rank below which a representation is closer to one direction than to two equal ones; ours."""
COSINE = 0.9
"""Mean cosine above which samples are taken as lined up; ours, the collapsed networks of the source have above 0.99."""


def judge(data: SweepData) -> Finding:
    name = data.name("plain")
    statement = f"{name}'s effective rank goes to 1 and mean cosine to 1 with depth"
    parts: list[Comparison] = []
    used: list[pd.DataFrame] = []
    words: list[str] = []
    for key, margin in (("effective_rank", RANK), ("mean_cosine", COSINE)):
        table = data.measured(f"hidden.{key}.last", data.of("plain"))
        moved = change_of(table, data.strata(table))
        deepest = deepest_of_two(table, data.cells(table))
        if moved.mean is None or deepest is None:
            continue
        shallow, deep = (table[table["depth"] == end] for end in (table["depth"].min(), deepest))
        near = mean_of(deep.assign(cell=data.cells(deep)), "value")
        assert near is not None
        metric = f"hidden.{key}.last"
        near, change = level_within(near, metric), difference_within(moved.mean, metric)
        half_way = 0.5 * (1 + float(shallow["value"].mean()))
        parts += _both(key.replace("_", " "), near, change, margin, half_way, f"at depth {deepest}", moved.ends)
        used.append(table)
        words.append(f"{key.replace('_', ' ')} {near.effect:.3g} at depth {deepest} ({change.effect:+.3g})")
    if len(parts) < 4:
        return untested(
            statement,
            f"Run {data.family('plain') or 'a plain family'} at two or more depths and two or more seeds, with the "
            "probe on.",
            f"no effective rank and mean cosine of {name} at two depths and two seeds",
        )
    rows, told = pd.concat(used), ", ".join(words)
    return finding(
        statement, parts, rows["seed"], rows["depth"],
        supported=f"{name}'s representations collapse to one direction with depth: {told}.",
        refuted=f"{name}'s representations do not collapse to one direction here: {told}.",
        open=f"Whether {name}'s representations collapse is open: {told}.",
        facts=told,
        remark=diverged_remark(data.of("plain"), LEFT_OUT) + exploded_remark(data.of("plain")),
    )  # fmt: skip


def _both(label: str, near: Mean, change: Mean, margin: float, half_way: float, at: str, ends: str) -> list[Comparison]:
    """The two parts of one measure."""
    falls = label == "effective rank"
    side: Side = "below" if falls else "above"
    verb = "fall" if falls else "rise"
    furthest = max(margin, half_way) if falls else min(margin, half_way)
    return [
        Comparison(
            f"change of {label} {ends}", change, "",
            f"{label} {verb}s with depth", f"{label} does not {verb} with depth", 0.0, side,
        ),
        Comparison(
            f"{label} {at}", near, "", f"{label} is near 1 {at}", f"{label} is not near 1 {at}", margin,
            side, furthest, f"{label} is on its way to 1, not near it {at}",
        ),
    ]  # fmt: skip
