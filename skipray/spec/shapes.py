"""The shape of a sample."""

from typing import Any


class TokenShape(tuple[int, ...]):
    """(positions,) of a sequence of token numbers, with the number of tokens that there are.

    A plain tuple is the shape of numbers: (channels, height, width) of an image, (features,) of a row.
    """

    vocabulary: int

    def __new__(cls, positions: int, vocabulary: int) -> "TokenShape":
        made = super().__new__(cls, (positions,))
        made.vocabulary = vocabulary
        return made

    def __eq__(self, other: Any) -> bool:
        return super().__eq__(other) and self.vocabulary == getattr(other, "vocabulary", None)

    def __ne__(self, other: Any) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((tuple(self), self.vocabulary))

    def __reduce__(self) -> tuple[Any, ...]:
        return TokenShape, (self[0], self.vocabulary)

    def __repr__(self) -> str:
        return f"({self[0]},) tokens of {self.vocabulary}"
