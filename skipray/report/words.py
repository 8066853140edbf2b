"""Intervals, probabilities and counts in words."""

from collections.abc import Iterable

from skipray.report.numbers import digits_between, number


def interval(low: float | None, high: float | None) -> str:
    """Both ends in as many digits as tell them apart."""
    digits = 2 if low is None or high is None else digits_between(low, high)
    left = "−∞" if low is not None and low == float("-inf") else number(low, digits)
    right = "∞" if high is not None and high == float("inf") else number(high, digits)
    return f"{left} to {right}"


def probability(p: float) -> str:
    """`0.032`, `< 0.001`"""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def span(word: str, values: Iterable[int]) -> str:
    rising = sorted(values)
    if len(rising) <= 3:
        return f"{word}{'' if len(rising) == 1 else 's'} {', '.join(map(str, rising)) or '–'}"
    return f"{len(rising)} {word}s {rising[0]} to {rising[-1]}"
