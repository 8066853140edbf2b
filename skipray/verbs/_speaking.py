"""How verbs speak: sentences on stderr, results on stdout."""

import json
import sys
from typing import Any

from skipray.terminal.streams import print_result


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    print_result(json.dumps(value, default=str, allow_nan=False))
