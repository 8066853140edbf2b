"""The answer of a sweep for the page of its run in MLflow: sentences, limits, verdicts and counts."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from skipray.report import result_tables
from skipray.report.answer import MOST_GROUPS, answer
from skipray.report.groups import Layout, lay_out, plain
from skipray.report.preliminary import finished_words, preliminary
from skipray.tracking import Address, Answer
from skipray.trends.limit_words import limit_words

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate

MOST_LIMITS = 24
FIGURES = {"Accuracy": "report/figures/accuracy-by-depth.svg", "Loss": "report/figures/loss-by-depth.svg"}
"""The figure that the page shows: the first that was logged."""
_NO_KEY = re.compile(r"[^\w\-. /]+")


def sweep_answer(aggregate: "Aggregate", address: Address, figures: frozenset[str] = frozenset()) -> Answer:
    """What the sweep has shown.

    Args:
        figures: files that were logged on the sweep's run.
    """
    layout = lay_out(aggregate)
    question = f"**{_escaped(plain(aggregate.sweep.question))}**"
    sentences = " ".join(answer(aggregate, layout, ""))
    parts = [question, sentences, _accuracies(aggregate, layout)]
    shown = next(((what, path) for what, path in FIGURES.items() if path in figures), None)
    if shown is not None:
        what, path = shown
        parts.append(f"![{what} by depth](get-artifact?path={quote(path, '')}&run_uuid={address.parent_run_id})")
    parts.append("The whole report: **Artifacts**, `report/report.html`.")
    parts.append(_verdicts(aggregate))
    states = _states(aggregate)
    return Answer(
        headline=f"{question} {_headline(aggregate, layout) or sentences}",
        note="\n\n".join(part for part in parts if part),
        finished=int(states["trials.finished"]),
        metrics=states | _limits(aggregate, layout) | _counts(aggregate),
        tags=_limit_tags(aggregate, layout) | _verdict_tags(aggregate),
    )


def _headline(aggregate: "Aggregate", layout: Layout) -> str:
    """The limits, shortly: MLflow shows the first words alone. Empty where a sentence says more."""
    if not 0 < len(aggregate.limits) <= MOST_GROUPS:
        return ""
    limits = "; ".join(f"{layout.name(group)}: {limit_words(limit, layout.at)}" for group, limit in aggregate.limits)
    return f"{preliminary(aggregate)}{limits}."


def _states(aggregate: "Aggregate") -> dict[str, float]:
    covered = aggregate.coverage
    total = {s: float(covered[s].sum()) if len(covered) else 0.0 for s in ("finished", "failed", "seeds")}
    return {
        "trials.total": total["seeds"],
        "trials.finished": float(len(aggregate.trials)),
        "trials.failed": total["failed"],
    }


def _limits(aggregate: "Aggregate", layout: Layout) -> dict[str, float]:
    found = {}
    for group, limit in aggregate.limits[:MOST_LIMITS]:
        key = f"limit.{_key(layout.name(group))}"
        for end, value in (("", limit.depth), (".low", limit.low), (".high", limit.high)):
            if value is not None:
                found[key + end] = round(float(value), 1)
    return found


def _counts(aggregate: "Aggregate") -> dict[str, float]:
    verdicts = Counter(claim.verdict for claim in aggregate.claims)
    return {f"claims.{verdict.replace(' ', '_')}": float(count) for verdict, count in verdicts.items()}


def _limit_tags(aggregate: "Aggregate", layout: Layout) -> dict[str, str]:
    limits = aggregate.limits[:MOST_LIMITS]
    return {
        f"skipray.limit.{_key(layout.name(group))}": limit_words(limit, layout.at) + _so_far(aggregate)
        for group, limit in limits
    }


def _verdict_tags(aggregate: "Aggregate") -> dict[str, str]:
    """A claim that was not tested has no verdict that could change."""
    so_far = _so_far(aggregate)
    return {f"skipray.claim.{c.id}": c.verdict + (so_far if c.parts else "") for c in aggregate.claims}


def _so_far(aggregate: "Aggregate") -> str:
    """` (31 of 54 trials)` behind what may still change; empty where all have finished."""
    finished = finished_words(aggregate)
    return f" ({finished})" if finished else ""


def _key(label: str) -> str:
    """A label as part of a key that MLflow takes."""
    return _NO_KEY.sub("_", label)


def _accuracies(aggregate: "Aggregate", layout: Layout) -> str:
    table = result_tables.accuracy_table(aggregate, layout)
    return "" if table is None else _markdown(table.columns, table.rows)


def _verdicts(aggregate: "Aggregate") -> str:
    tested = [c for c in aggregate.claims if c.verdict != "not tested"]
    rows = [(c.id, c.verdict, _first(_escaped(plain(c.sentence)))) for c in tested]
    return _markdown(("claim", "verdict", "what was found"), rows) if rows else ""


def _escaped(text: str) -> str:
    """A text that is no markup, in Markdown."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("*", "\\*")


def _first(text: str) -> str:
    """The first sentence, of a long one its beginning."""
    sentence = text.split(". ")[0].rstrip(".")
    return sentence if len(sentence) <= 200 else sentence[:199] + "…"


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(c).replace("|", "\\|") for c in line) + " |" for line in lines)
