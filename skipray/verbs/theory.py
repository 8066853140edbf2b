"""What closed forms predict at initialisation."""

from typing import Annotated, Any

import typer

from skipray.errors import InputRefused
from skipray.verbs.shared.loading import load
from skipray.verbs.shared.options import JsonOption, SetOption
from skipray.verbs.shared.speaking import print_json

EXAMPLES = (
    "skipray theory quickstart",
    "skipray theory --depth 110 --width 64",
)


def theory(
    sweep: Annotated[
        str | None,
        typer.Argument(metavar="[SWEEP]", help="Sweep whose cells are predicted; else give --depth and --width."),
    ] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    depth: Annotated[int | None, typer.Option("--depth", help="Number of weight layers.")] = None,
    width: Annotated[int | None, typer.Option("--width", help="Units per layer.")] = None,
    samples: Annotated[int, typer.Option("--samples", help="Samples in the probe batch.")] = 256,
) -> None:
    """What theory predicts at initialisation: for a sweep's groups and cells, or for one depth and width."""
    from skipray.analysis import predicted_limit, predictions
    from skipray.terminal import display, predicted

    if (sweep is None) == (depth is None or width is None):
        raise InputRefused("found no sweep, or no --depth with --width; allowed: one of the two")
    limits: list[dict[str, Any]] = []
    if sweep is not None:
        spec = load(sweep, overrides)
        name, rows = spec.name, predictions.of_sweep(spec)
        found = predicted_limit.of_groups(spec)
        limits = predicted_limit.records(found, spec)
    else:
        assert depth is not None
        assert width is not None
        try:
            name, rows = f"depth {depth}, width {width}", predictions.closed_forms(depth, width, samples)
        except ValueError as error:
            raise InputRefused(str(error)) from None
    if as_json:
        print_json("theory", {"sweep": name if sweep else None, "predictions": rows, "predicted_limits": limits})
    else:
        if sweep is not None:
            predicted.show_limits(found, spec.depth_words, premises=True)
        display.show_predictions(name, rows)
