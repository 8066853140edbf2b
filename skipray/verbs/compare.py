"""Compare two sweeps."""

from pathlib import Path
from typing import Annotated

import typer

from skipray.errors import InputRefused
from skipray.outputs import check_output
from skipray.verbs.shared.loading import load_to_read
from skipray.verbs.shared.options import JsonOption, UriOption, WriteOverOption
from skipray.verbs.shared.speaking import print_json, tell

Sweep = "A sweep's file or its name; NAME@URI for one of another store."

EXAMPLES = (
    "skipray compare fashion quickstart",
    "skipray compare cardinality quickstart --figure both.svg",
)


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help=Sweep)],
    b: Annotated[str, typer.Argument(metavar="B", help=Sweep)],
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="FILE", help="Also draw the trends: a .svg, .pdf or .png.")
    ] = None,
    force: WriteOverOption = False,
    every: Annotated[bool, typer.Option("--all", help="Also list what does not differ.")] = False,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
) -> None:
    """What differs between two sweeps, two versions or two stores: settings, and the trends, trainability limits and
    verdicts that differ beyond their intervals."""
    from skipray import tracking
    from skipray.analysis.aggregation import aggregate
    from skipray.analysis.comparison import compare as differences
    from skipray.analysis.comparison import nothing_shared
    from skipray.report.paper import FORMATS

    if figure is not None:
        check_output(figure, [f".{name}" for name in FORMATS], replace=force, option="--figure")
    results = []
    for text in (a, b):
        name, _, uri = text.partition("@")
        address = uri or tracking_uri
        with tracking.one_look(tell):
            results.append(aggregate(spec := load_to_read(name, None, address), address))
        if results[-1].trials.empty:
            where = tracking.redact(tracking.resolve_uri(spec, address))
            raise InputRefused(f"{name}: found no finished trial in {where}; allowed: a sweep with results")
    found = differences(results[0], results[1])
    why_not = nothing_shared(results[0], results[1])
    if why_not:
        tell(f"{why_not}{'; no figure' if figure is not None else ''}")
    if figure is not None:
        from skipray.report.comparison_figure import comparison_chart
        from skipray.report.paper import save_as

        chart = comparison_chart(results[0], results[1], (a, b))
        if chart is not None:
            save_as(chart, figure)
    if as_json:
        told = [d.as_json() for d in found if every or d.differs or d.a != d.b]
        print_json("compare", {"a": a, "b": b, "trials": [len(r.trials) for r in results], "differences": told})
        return
    from skipray.terminal.comparing import show_comparison

    show_comparison(found, a, b, every=every)
