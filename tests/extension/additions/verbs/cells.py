"""How many cells a sweep has."""

from skipray.verbs._loading import load
from skipray.verbs._options import JsonOption, SetOption, SweepArgument
from skipray.verbs._speaking import print_json


def cells(sweep: SweepArgument, overrides: SetOption = None, as_json: JsonOption = False) -> None:
    """How many cells a sweep has: combinations of its factors, depth included."""
    spec = load(sweep, overrides)
    if as_json:
        print_json("cells", {"sweep": spec.name, "cells": len(spec.cells)})
    else:
        print(f"{spec.name}: {len(spec.cells)} cells")
