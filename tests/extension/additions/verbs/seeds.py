"""Which seeds a sweep has."""

from skipray.terminal.streams import print_result
from skipray.verbs.shared.loading import load
from skipray.verbs.shared.options import JsonOption, SetOption, SweepArgument
from skipray.verbs.shared.speaking import print_json

EXAMPLES = ("skipray seeds quickstart", "skipray seeds quickstart --json")


def seeds(sweep: SweepArgument, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """Which seeds a sweep has: each of its cells is trained once with every one of them."""
    spec = load(sweep, overrides)
    if as_json:
        print_json("seeds", {"sweep": spec.name, "seeds": spec.seeds})
    else:
        print_result(f"{spec.name}: {', '.join(map(str, spec.seeds))}")
