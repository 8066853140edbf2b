"""The page: one HTML file with everything inside. It asks the network for nothing, and its policy forbids it to."""

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from skipray.claims import asks_of
from skipray.palette import css_variables
from skipray.report import coverage, methods, result_tables, tables
from skipray.report.answer import MOST_GROUPS, answer
from skipray.report.caveats import caveats
from skipray.report.chart import Chart
from skipray.report.claim_rows import claim_rows
from skipray.report.fits import fit_rows
from skipray.report.groups import Layout, plain
from skipray.report.legend import swatch
from skipray.report.page_figures import Drawn, drawn_panels, figures_json
from skipray.report.preliminary import preliminary
from skipray.report.provenance import fixed_settings, provenance_rows
from skipray.report.tuning_figures import fairness_listing
from skipray.report.undrawn import undrawn
from skipray.spec.cell import short_name
from skipray.trends.depth_trend import TIED
from skipray.trends.limit_words import limit_words

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate

NAMED = 12
"""Families that the page's first lines name; the tables name more."""


def render(
    aggregate: "Aggregate",
    layout: Layout,
    main: Chart | None,
    charts: list[Chart],
    found: str,
    refresh_seconds: int | None = None,
) -> str:
    """The report as HTML; `found` is a sentence of the answer."""
    shown = ([main] if main else []) + charts
    drawn: dict[str, list[Drawn]] = {chart.name: drawn_panels(chart) for chart in shown}
    covered = coverage.coverage_map(aggregate, layout)
    accuracies = result_tables.accuracy_table(aggregate, layout)
    claims = claim_rows(aggregate.claims)
    script, library, style = _file("report.js"), _file("vega-embed.js"), _file("report.css")
    return _environment().get_template("report.html.j2").render(
        sweep=aggregate.sweep,
        refresh_seconds=refresh_seconds,
        question=plain(aggregate.sweep.question),
        answer=answer(aggregate, layout, found),
        facts=_facts(aggregate, layout, covered),
        tested=[row for row in claims if row.claim.verdict != "not tested"],
        asked=asks_of({c.model.architecture for c in aggregate.sweep.cells}, aggregate.sweep.claims.roles),
        untested=[row for row in claims if row.claim.verdict == "not tested"],
        limits=[
            (layout.name(g), limit_words(x, layout.at), layout.style(g).colour) for g, x in aggregate.limits[:60]
        ],
        limits_total=len(aggregate.limits),
        depth_words=layout.depth_words,
        more_limits=tables.more_limits(aggregate, layout),
        few_limits=len(aggregate.limits) <= MOST_GROUPS,
        main=main,
        charts=charts,
        panels=drawn,
        undrawn=undrawn(aggregate, layout, drawn),
        results=[t for t in (accuracies, result_tables.cost_table(aggregate, layout)) if t is not None],
        runs=result_tables.runs_table(aggregate, layout),
        definitions=methods.definitions(aggregate),
        protocol=methods.protocol(aggregate),
        availability=methods.availability(aggregate),
        citations=methods.citations(aggregate, layout),
        frontiers=tables.frontier_table(aggregate, layout),
        fairness=fairness_listing(aggregate),
        coverage=covered,
        states=coverage.SQUARE_STATES,
        failures=tables.failure_table(aggregate),
        again=aggregate.provenance.get("command", ""),
        fits=fit_rows(aggregate, layout),
        fits_total=len(aggregate.series),
        tied=f"{TIED:g}",
        finished=len(aggregate.trials),
        partial=preliminary(aggregate),
        audit=[plain(breach) for breach in aggregate.audit],
        caveats=caveats(aggregate, covered),
        settings=fixed_settings(aggregate),
        provenance=provenance_rows(aggregate),
        figures=figures_json(drawn),
        library=Markup(library),
        script=Markup(script),
        digests=[_digest(script), _digest(library)],
        style=Markup(style),
        light=Markup(css_variables(dark=False)),
        dark=Markup(css_variables(dark=True)),
    )  # fmt: skip


@cache
def _digest(script: str) -> str:
    """As a Content-Security-Policy names it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _facts(aggregate: "Aggregate", layout: Layout, covered: coverage.CoverageMap) -> list[tuple[str, str]]:
    total = sum(covered.totals.values())
    done = sum(covered.totals.get(s, 0) for s in coverage.FINISHED)
    depths = covered.depths
    span = f"{depths[0]} to {depths[-1]}" if len(depths) > 1 else ", ".join(map(str, depths))
    points = len(aggregate.tuning.points)
    return [
        ("trials", f"{done} of {total}"),
        *([("tuning trials", str(points))] if points else []),
        ("data", ", ".join(dict.fromkeys(plain(short_name(c.dataset.name)) for c in aggregate.sweep.data_cells))),
        ("families", ", ".join(layout.families) if len(layout.families) <= NAMED else str(len(layout.families))),
        (layout.depth_words, span),
        ("seeds", str(len(aggregate.sweep.seeds))),
    ]


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["plain"] = plain
    made.filters["prose"] = prose
    made.filters["swatch"] = swatch
    return made


def prose(text: object) -> Markup:
    """A sentence as HTML: what stands in backticks is code, a number below zero has a minus sign."""
    parts = str(plain(text)).split("`")
    if len(parts) % 2 == 0:  # a backtick of somebody's name
        return escape(plain(text))
    shown = (
        Markup("<code>{}</code>").format(part) if i % 2 else escape(re.sub(r"(?<![\w.])-(?=\d)", "−", part))
        for i, part in enumerate(parts)
    )
    return Markup("").join(shown)


@cache
def _file(name: str) -> Any:
    return resources.files("skipray.report").joinpath("templates", name).read_text(encoding="utf-8")
