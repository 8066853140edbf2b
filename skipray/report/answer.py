"""The answer in one or two plain sentences, from the trainability limits and the claims."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skipray.analysis.followed_metrics import trains
from skipray.claims import Claim, asks_of
from skipray.report.groups import Layout, family
from skipray.report.limit_sentences import limit_sentence
from skipray.trends.limit_words import listed

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate

MOST_GROUPS = 6
"""Groups that a sentence can name one by one."""
NAMED = 3
"""Groups that stand in brackets behind their number."""


def answer(aggregate: "Aggregate", layout: Layout, predicted: str) -> list[str]:
    """One to four sentences; what is not known yet is said.

    Args:
        predicted: how far closed forms hold, in a sentence: the answer of a sweep that trains nothing.
    """
    total = int(aggregate.coverage["seeds"].sum()) if len(aggregate.coverage) else 0
    done = len(aggregate.trials)
    if not done:
        states = {s: int(aggregate.coverage[s].sum()) for s in ("running", "failed")} if total else {}
        more = " and ".join(f"{n} {s}" for s, n in states.items() if n)
        return [f"Nothing is known yet: none of the {total} trials has finished{f' ({more})' if more else ''}."]
    sentences = []
    if done < total:
        sentences.append(f"Preliminary, from {done} of {total} trials.")
    if trains(aggregate.sweep):
        sentences += _limits(aggregate, layout)
    else:
        sentences += ["Networks were measured at initialisation; nothing was trained.", predicted]
    still = [layout.name(g) for g, f in aggregate.frontiers if f.verdict == "open"]
    if still:
        sentences.append(f"The search for the limit of {listed(still)} is not finished.")
    sentences += _claims(aggregate)
    return [s for s in sentences if s]


def _limits(aggregate: "Aggregate", layout: Layout) -> list[str]:
    several = len(aggregate.limits) > len({family(g) for g, _ in aggregate.limits})
    if len(aggregate.limits) > MOST_GROUPS:
        return [*_many_limits(aggregate, layout), layout.depth_sentence]
    means = aggregate.limit_tables[0].definition.sentence if aggregate.limits else ""
    said = limit_sentence(
        [(layout.name(g) if several else family(g), x) for g, x in aggregate.limits], means, layout.at
    )
    return [said, layout.depth_sentence] if said else []


def _many_limits(aggregate: "Aggregate", layout: Layout) -> list[str]:
    """For many combinations of factors: the range of limits of each family; of many families, of all together."""
    families = dict.fromkeys(family(g) for g, _ in aggregate.limits)
    if len(families) > MOST_GROUPS:
        return _of_many_families(aggregate, layout, "families" if len(families) == len(aggregate.limits) else "")
    parts = []
    for label in families:
        members = [limit for g, limit in aggregate.limits if family(g) == label]
        known = sorted(limit.depth for limit in members if limit.depth is not None and limit.censored == "none")
        beyond = sum(limit.censored == "above" for limit in members)
        below = sum(limit.censored == "below" for limit in members)
        words = []
        if known:
            span = known if len(known) == 1 else (known[0], known[-1])
            words.append(f"at {layout.at(*span)} in {len(known)} of {len(members)} combinations of factors")
        if beyond:
            words.append(f"beyond the deepest tried in {beyond}" + ("" if known else f" of {len(members)}"))
        if below:
            words.append(f"below the shallowest tried in {below}" + ("" if known or beyond else f" of {len(members)}"))
        without = sum(not limit.monotone for limit in members)
        if without:
            words.append(f"nowhere in {without}, where training is not rarer with depth")
        if words:
            parts.append(f"the trainability limit of {label} lies {listed(words)}")
    text = "; ".join(parts)
    return [f"{text[0].upper()}{text[1:]}. {aggregate.limit_tables[0].definition.sentence}."] if parts else []


def _of_many_families(aggregate: "Aggregate", layout: Layout, what: str) -> list[str]:
    """The least and the greatest limit, and how many lie beyond the depths tried."""
    total = f"{len(aggregate.limits)} {what or 'combinations of families and factors'}"
    known = sorted(
        ((limit.depth, layout.name(g)) for g, limit in aggregate.limits if limit.depth is not None), key=lambda k: k[0]
    )
    parts = []
    if known:
        (least, first), (greatest, last) = known[0], known[-1]
        ends = f"{layout.at(least)} ({first}) to {layout.at(greatest)} ({last})" if len(known) > 1 else layout.at(least)
        parts.append(f"at {ends} in {len(known)}")
    for where, members in (
        ("beyond the deepest tried", [g for g, x in aggregate.limits if x.censored == "above"]),
        ("below the shallowest tried", [g for g, x in aggregate.limits if x.censored == "below"]),
        ("nowhere, since training is not rarer with depth,", [g for g, x in aggregate.limits if not x.monotone]),
    ):
        if members:
            named = f" ({', '.join(map(layout.name, members))})" if len(members) <= NAMED else ""
            parts.append(f"{where} in {len(members)}{named}")
    lies = f"Of {total}, the trainability limit lies {listed(parts)}; the table of limits has each with its interval."
    return [f"{lies} {aggregate.limit_tables[0].definition.sentence}."] if parts else []


def _claims(aggregate: "Aggregate") -> list[str]:
    """What was found of the claims: the sweep's own, then the paper's where it has a family that they speak of."""
    families = {cell.model.architecture for cell in aggregate.sweep.cells}
    own = [c for c in aggregate.claims if c.own]
    paper = [c for c in aggregate.claims if not c.own]
    said = _found(own, "{} of this sweep's own that could be tested", "this sweep's own claims")
    if paper and (asks_of(families, aggregate.sweep.claims.roles) or any(c.verdict != "not tested" for c in paper)):
        said += _found(paper, "{} of the paper that could be tested", "the paper's claims")
    return said


def _found(claims: Sequence[Claim], which: str, whose: str) -> list[str]:
    """How many of the claims have each verdict.

    Args:
        which: names those that were tested, with a place for the word `claims`.
        whose: names all of them.
    """
    by: dict[str, list[str]] = {}
    for claim in claims:
        by.setdefault(claim.verdict, []).append(claim.id)
    parts = []
    for verdict, one, many in (
        ("supported", "is supported", "are supported"),
        ("in part", "holds in part", "hold in part"),
        ("refuted", "is refuted", "are refuted"),
        ("leaning", "only leans", "only lean"),
        ("inconclusive", "stays open", "stay open"),
    ):
        if verdict in by:
            ids = by[verdict]
            parts.append(f"{len(ids)} {one if len(ids) == 1 else many} ({', '.join(ids)})")
    if not parts:
        return [f"None of {whose} could be tested with these data."] if claims else []
    tested = sum(len(ids) for verdict, ids in by.items() if verdict != "not tested")
    if tested == 1:
        return [f"The one {which.format('claim')} {parts[0].removeprefix('1 ')}."]
    return [f"Of the {tested} {which.format('claims')}, {listed(parts)}."]
