"""Writes a report's files."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from skipray.analysis import predicted_limit
from skipray.errors import written_to
from skipray.report import (
    epoch_figures,
    fits,
    histogram_figures,
    layer_figures,
    limit_figures,
    main_figure,
    metric_figures,
    paper,
    phase_diagram,
    prediction_figures,
    scatter,
    tuning_figures,
)
from skipray.report.beside import Beside
from skipray.report.chart import Chart
from skipray.report.groups import Layout, lay_out
from skipray.report.page import render
from skipray.report.preliminary import finished_words, marked
from skipray.results import document
from skipray.results.judged import aggregate_result
from skipray.results.kept import CLAIMS, PAGE, TRENDS

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate


@dataclass(frozen=True)
class ReportFiles:
    """What `write` has written."""

    html: Path
    """report.html: the page, with everything inside."""
    trends: Path
    """trends.parquet: a row per depth trend."""
    claims: Path
    """claims.json: what `skipray aggregate --json` prints."""
    figures: tuple[Path, ...]
    """figures/NAME.svg and figures/NAME.pdf."""
    data: tuple[Path, ...]
    """data/NAME.csv: the numbers behind each figure."""

    def all(self) -> tuple[Path, ...]:
        return (self.html, self.trends, self.claims, *self.figures, *self.data)


def write(aggregate: "Aggregate", folder: Path, *, refresh_seconds: int | None = None) -> ReportFiles:
    """Write the report of a sweep, finished or not, over what the folder holds of an earlier one.

    Args:
        aggregate: of `skipray.analysis.aggregation.aggregate`.
        folder: is made where it does not exist.
        refresh_seconds: after so long a browser loads the page again; None for a page that stays.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = Path(folder)
    figures, data = folder / "figures", folder / "data"
    for made in (folder, figures, data):
        made.mkdir(parents=True, exist_ok=True)
    layout, words = lay_out(aggregate), finished_words(aggregate)
    metrics = metric_figures.by_depth(aggregate, layout)
    profiles = layer_figures.profiles(aggregate, layout)
    compared = prediction_figures.compare(aggregate, layout, profiles)
    found: dict[int, list[_Saved]] = {}
    with written_to(folder), Beside() as beside:
        parts = _parts(aggregate, layout, metrics, profiles, compared)
        for place in sorted(range(len(parts)), key=lambda place: parts[place].late):
            present = (chart for chart in parts[place].charts() if chart is not None)
            found[place] = [_save(marked(chart, words), figures, data, beside) for chart in present]
        saved = [one for place in range(len(parts)) for one in found[place]]
        charts = [one.chart for one in saved]
        trends = folder / TRENDS
        fits.trends_frame(aggregate).to_parquet(trends, index=False)
        claims = folder / CLAIMS
        claims.write_text(
            json.dumps(document("aggregate", aggregate_result(aggregate)), indent=2, allow_nan=False) + "\n",
            encoding="utf-8",
        )
        main = charts[0] if charts else None
        if not found[LEADING] and charts:
            # Of networks at initialisation there is no accuracy to show: the predictions come first.
            main = next((chart for chart in charts if chart.name == "predictions-at-initialisation"), main)
        html = folder / PAGE
        unfinished = folder / "report.html.part"
        others = [chart for chart in charts if chart is not main]
        page = render(aggregate, layout, main, others, prediction_figures.summary(compared), refresh_seconds)
        unfinished.write_text(page, encoding="utf-8")
    # A reader never sees half a page, nor one without its figures.
    unfinished.replace(html)
    drawn = tuple(path for one in saved for path in one.drawn)
    return ReportFiles(html, trends, claims, drawn, tuple(one.table for one in saved))


def _leading(aggregate: "Aggregate", layout: Layout) -> Chart | None:
    """The page's main figure, where networks were trained."""
    predicted = predicted_limit.of_groups(aggregate.sweep)
    accuracy = main_figure.accuracy_by_depth(aggregate, layout, predicted)
    return accuracy or main_figure.loss_by_depth(aggregate, layout)


class _Saved(NamedTuple):
    chart: Chart
    drawn: tuple[Path, ...]
    table: Path


def _save(chart: Chart, figures: Path, data: Path, beside: Beside) -> _Saved:
    drawn, table = paper.save(chart, figures, beside), data / f"{chart.name}.csv"
    chart.data.to_csv(table, index=False)
    return _Saved(chart, tuple(drawn), table)


class _Part(NamedTuple):
    """Figures that stand together on the page."""

    charts: Callable[[], Iterable[Chart | None]]
    late: bool = False
    """Takes long, or waits for bands that are searched for elsewhere: others are drawn meanwhile."""


LEADING = 0
"""The place of the page's main figure."""


def _parts(
    aggregate: "Aggregate",
    layout: Layout,
    metrics: Callable[[], Iterator[Chart | None]],
    profiles: pd.DataFrame,
    compared: list[prediction_figures.Compared],
) -> tuple[_Part, ...]:
    """All figures that these results may have, in the order of the page."""
    null = layer_figures.null_level(aggregate)
    return (
        _Part(lambda: [_leading(aggregate, layout)], late=True),
        _Part(lambda: [limit_figures.limits_chart(aggregate, layout)]),
        _Part(lambda: [phase_diagram.phase_diagram(aggregate, layout)]),
        _Part(lambda: [tuning_figures.default_beside_tuned(aggregate, layout)]),
        _Part(lambda: [tuning_figures.stability(aggregate, layout)]),
        _Part(metrics, late=True),
        _Part(lambda: [prediction_figures.predictions_chart(layout, profiles, compared)]),
        _Part(lambda: [layer_figures.condition_profiles(layout, profiles, null)]),
        _Part(lambda: [layer_figures.every_depth(layout, profiles)]),
        _Part(lambda: [epoch_figures.by_epoch(aggregate, layout)]),
        _Part(lambda: histogram_figures.by_value(layout, histogram_figures.histograms(aggregate, layout))),
        _Part(lambda: [layer_figures.distributions(layout, profiles)]),
        _Part(lambda: [scatter.association(aggregate, layout)]),
    )
