"""How verbs speak: sentences on stderr, results on stdout."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from skipray.results import document
from skipray.terminal.streams import print_result


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_json(kind: str, value: Mapping[str, Any]) -> None:
    """The one object of `--json`; `skipray.results` has its schema.

    Args:
        kind: the verb.
    """
    print_result(json.dumps(document(kind, value), allow_nan=False))
