"""Which figures of the paper a report could not draw, and what to run for them."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from skipray.analysis.followed_metrics import trains
from skipray.report.groups import Layout

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate

_FIGURES = (
    ("Figs. 3 and 4, training by epoch", ("training-by-epoch",)),
    ("Figs. 5 to 10, distributions of activations and weights", ("activations-by-value", "weights-by-value")),
    ("Figs. 11 to 13, condition number by layer", ("condition-by-layer",)),
)


def undrawn(aggregate: "Aggregate", layout: Layout, drawn: Collection[str]) -> tuple[str, ...]:
    """A sentence for each figure of the paper that is not among the charts of these names; none for a sweep that does
    not make the paper's comparison."""
    said: list[str] = []
    if not layout.of_paper(""):
        return ()
    for what, names in _FIGURES:
        if not set(names) <= set(drawn):
            said.append(f"{what}: {_remedy(aggregate, names[0])}")
    return tuple(said)


def _remedy(aggregate: "Aggregate", name: str) -> str:
    sweep = aggregate.sweep
    if sweep.of_table:
        return "the table that was imported has none."
    if name == "training-by-epoch":
        if not trains(sweep):
            return "nothing is trained here; run with `recipe.epochs` of at least 1."
        return "they are drawn as soon as a trial has finished."
    if aggregate.trials.empty:
        return "they are drawn as soon as a trial has finished."
    what = " --preset default" if sweep.probe.preset == "none" else ""
    if name == "activations-by-value" and not sweep.probe.histograms:
        what += " --set probe.histograms=true"
    return f"`skipray measure {sweep.name}{what}` measures them on the final weights that the finished runs have kept."
