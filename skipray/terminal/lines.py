"""Plain lines on standard error."""

import sys


def say(text: str) -> None:
    """Print a sentence where results do not go."""
    print(text, file=sys.stderr, flush=True)
