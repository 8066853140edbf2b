"""What is drawn of an unfinished sweep says so in the drawing itself: figures travel without their page."""

from dataclasses import replace
from typing import TYPE_CHECKING

from skipray.report.chart import Chart

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate


def finished_words(aggregate: "Aggregate") -> str:
    """`31 of 54 trials`; empty where all have finished."""
    total = int(aggregate.coverage["seeds"].sum()) if len(aggregate.coverage) else 0
    done = len(aggregate.trials)
    return f"{done} of {total} trials" if done < total else ""


def preliminary(aggregate: "Aggregate") -> str:
    """`Preliminary, from 31 of 54 trials. `, to stand before what is said; empty where all have finished."""
    finished = finished_words(aggregate)
    return f"Preliminary, from {finished}. " if finished else ""


def marked(chart: Chart, words: str) -> Chart:
    """The chart with the words in its title and above its first panel; the chart itself where there are none."""
    if not words or not chart.panels:
        return chart
    first, *others = chart.panels
    title = f"{words}: {first.title}" if first.title else words
    return replace(chart, title=f"{chart.title}, {words}", panels=(replace(first, title=title), *others))
