"""How verbs speak: sentences on stderr, results on stdout."""

import json
from collections.abc import Mapping
from typing import Any

from skipray.results import document
from skipray.terminal.lines import say as tell
from skipray.terminal.streams import print_result

__all__ = ["print_json", "tell"]


def print_json(kind: str, value: Mapping[str, Any]) -> None:
    """The one object of `--json`; `skipray.results` has its schema.

    Args:
        kind: the verb.
    """
    print_result(json.dumps(document(kind, value), allow_nan=False))
