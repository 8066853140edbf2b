"""What closed forms predict at initialisation."""

from typing import Annotated

import typer

from skipray.errors import InputRefused
from skipray.verbs._loading import load
from skipray.verbs._options import JsonOption, SetOption
from skipray.verbs._speaking import print_json


def theory(
    sweep: Annotated[str | None, typer.Argument(metavar="[SWEEP]", help="Its cells; else --depth and --width.")] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    depth: Annotated[int | None, typer.Option("--depth", help="Weight layers.")] = None,
    width: Annotated[int | None, typer.Option("--width", help="Units of a layer.")] = None,
    samples: Annotated[int, typer.Option("--samples", help="Of the probe batch.")] = 256,
) -> None:
    """What closed forms predict at initialisation: for a sweep's cells, or for one depth and width."""
    from skipray.analysis import predictions
    from skipray.terminal import display

    if (sweep is None) == (depth is None or width is None):
        raise InputRefused("found no sweep, or no --depth with --width; allowed: one of the two")
    if sweep is not None:
        spec = load(sweep, overrides)
        name, rows = spec.name, predictions.of_sweep(spec)
    else:
        assert depth is not None
        assert width is not None
        try:
            name, rows = f"depth {depth}, width {width}", predictions.closed_forms(depth, width, samples)
        except ValueError as error:
            raise InputRefused(str(error)) from None
    if as_json:
        print_json("theory", {"sweep": name if sweep else None, "predictions": rows})
    else:
        display.show_predictions(name, rows)
