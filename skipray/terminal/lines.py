"""Plain lines on standard error."""

import sys

from skipray.terminal.visible import visible


def say(text: str) -> None:
    """Print a sentence where results do not go."""
    print(visible(text), file=sys.stderr, flush=True)
