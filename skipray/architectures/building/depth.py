"""Depth rules: which depths a family can have, and what to say about the others. Plain Python.

Depth counts weight layers on the main path, the stem and the classifier included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from skipray.initialisations import Refused

T = TypeVar("T")


@dataclass(frozen=True)
class LinearRule:
    """Depths `step * n + offset`, n = 1, 2, ...: n blocks in each of the stages that share them evenly.

    >>> LinearRule(6, 2).count(20, "resnet (cnn, basic)")
    3
    """

    step: int
    """Weight layers of one block, times the number of stages."""
    offset: int
    """Weight layers outside the blocks: the stem, the classifier, transitions."""

    def count(self, depth: int, who: str) -> int:
        """n of a depth.

        Raises:
            ValueError: (message, "depth") when no n fits; the message names the nearest depths that do.
        """
        n, rest = divmod(depth - self.offset, self.step)
        if rest == 0 and n >= 1:
            return n
        below, above = self.step * n + self.offset, self.step * (n + 1) + self.offset
        smallest = self.step + self.offset
        near = f"{below} and {above}" if n >= 1 else f"{smallest} and {smallest + self.step}"
        rule = f"{self.step}n + {self.offset}" if self.step > 1 else f"{smallest} or more"
        raise Refused(f"found the depth {depth}; allowed for {who}: {rule}, the nearest are {near}", "depth")


def tabled(depth: int, table: Mapping[int, T], who: str) -> T:
    """What a table of published depths holds for one.

    Raises:
        Refused: for a depth that is not in the table; the message names all, nearest first.
    """
    if depth not in table:
        near = ", ".join(str(d) for d in sorted(table, key=lambda d: (abs(d - depth), d)))
        raise Refused(f"found the depth {depth}; allowed for {who}: {near} (nearest first)", "depth")
    return table[depth]
