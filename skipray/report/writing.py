"""Writes a report's files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skipray.analysis import predicted_limit
from skipray.report import (
    depth_figures,
    epoch_figures,
    histogram_figures,
    layer_figures,
    limit_figures,
    metric_figures,
    paper,
    phase_diagram,
    prediction_figures,
    scatter,
    tables,
    tuning_figures,
)
from skipray.report.chart import Chart
from skipray.report.groups import lay_out
from skipray.report.page import render
from skipray.report.preliminary import finished_words, marked
from skipray.results import document
from skipray.results.judged import aggregate_result
from skipray.results.kept import CLAIMS, PAGE

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
    layout = lay_out(aggregate)
    predicted = predicted_limit.of_groups(aggregate.sweep)
    main = depth_figures.accuracy_by_depth(aggregate, layout, predicted)
    main = main or depth_figures.loss_by_depth(aggregate, layout)
    profiles = layer_figures.profiles(aggregate, layout)
    compared = prediction_figures.compare(aggregate, layout, profiles)
    found: list[Chart | None] = [
        limit_figures.limits_chart(aggregate, layout),
        phase_diagram.phase_diagram(aggregate, layout),
        tuning_figures.default_beside_tuned(aggregate, layout),
        tuning_figures.stability(aggregate, layout),
        *metric_figures.by_depth(aggregate, layout),
        prediction_figures.predictions_chart(layout, profiles, compared),
        layer_figures.condition_profiles(layout, profiles, layer_figures.null_level(aggregate)),
        layer_figures.every_depth(layout, profiles),
        epoch_figures.by_epoch(aggregate, layout),
        *histogram_figures.by_value(layout, histogram_figures.histograms(aggregate, layout)),
        layer_figures.distributions(layout, profiles),
        scatter.association(aggregate, layout),
    ]
    charts = [chart for chart in found if chart is not None]
    if main is None and charts:
        # Of networks at initialisation there is no accuracy to show: the predictions come first.
        named = {chart.name: chart for chart in charts}
        main = named.get("predictions-at-initialisation", charts[0])
        charts.remove(main)
    words = finished_words(aggregate)
    main, charts = marked(main, words) if main else None, [marked(chart, words) for chart in charts]
    shown = ([main] if main else []) + charts
    tabled: list[Path] = []
    for chart in shown:
        tabled.append(data / f"{chart.name}.csv")
        chart.data.to_csv(tabled[-1], index=False)
    trends = folder / "trends.parquet"
    tables.trends_frame(aggregate).to_parquet(trends, index=False)
    claims = folder / CLAIMS
    claims.write_text(
        json.dumps(document("aggregate", aggregate_result(aggregate)), indent=2, allow_nan=False) + "\n",
        encoding="utf-8",
    )
    html = folder / PAGE
    unfinished = folder / "report.html.part"
    unfinished.write_text(
        render(aggregate, layout, main, charts, prediction_figures.summary(compared), refresh_seconds), encoding="utf-8"
    )
    drawn = tuple(path for chart in shown for path in paper.save(chart, figures))
    # A reader never sees half a page, nor one without its figures.
    unfinished.replace(html)
    return ReportFiles(html, trends, claims, drawn, tuple(tabled))
