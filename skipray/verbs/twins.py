"""How alike twins' representations are."""

import typer

from skipray.verbs.shared.loading import load_to_build, use_data
from skipray.verbs.shared.options import DataOption, JsonOption, SetOption, SweepArgument, UriOption
from skipray.verbs.shared.speaking import print_json, tell

EXAMPLES = (
    "skipray twins quickstart",
    "skipray twins quickstart --json",
)


def twins(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    data: DataOption = None,
) -> None:
    """Linear CKA between twins of one depth and seed, layer by layer, from the saved weights of finished runs."""
    from skipray.execution.twins import compare_twins
    from skipray.terminal.twins import show_twins

    spec = load_to_build(sweep, overrides, tracking_uri)
    use_data(data)
    found = compare_twins(spec, tracking_uri=tracking_uri)
    if as_json:
        rows = found.table.to_dict("records")
        print_json("twins", {"sweep": spec.name, "layers": rows, "left_out": list(found.left_out)})
    else:
        show_twins(found.table)
    for line in found.left_out:
        tell(f"left out: {line}")
    if found.table.empty:
        raise typer.Exit(3)
