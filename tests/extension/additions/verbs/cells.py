"""How many cells a sweep has."""

from skipray.terminal.streams import print_result
from skipray.verbs.shared.loading import load
from skipray.verbs.shared.options import SetOption, SweepArgument

EXAMPLES = ("skipray cells quickstart",)


def cells(sweep: SweepArgument, overrides: SetOption = None) -> None:
    """How many cells a sweep has: combinations of its factors, depth included."""
    spec = load(sweep, overrides)
    print_result(f"{spec.name}: {len(spec.cells)} cells")
