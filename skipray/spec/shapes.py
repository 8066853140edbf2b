"""The shape of a sample."""

from typing import Any


class TokenShape(tuple[int, ...]):
    """(positions,) of a sequence of token numbers, with the number of tokens that there are.

    A plain tuple is the shape of numbers: (channels, height, width) of an image, (features,) of a row.
    """

    vocabulary: int
    by_position: bool
    """Whether each position has a label; else the sequence has one. Set where the data set's task is known."""
    padding: int | None
    """The token number at positions behind a sequence's end; None where all sequences are of one length."""

    def __new__(
        cls, positions: int, vocabulary: int, *, by_position: bool = False, padding: int | None = None
    ) -> "TokenShape":
        made = super().__new__(cls, (positions,))
        made.vocabulary, made.by_position, made.padding = vocabulary, by_position, padding
        return made

    @property
    def positions(self) -> int:
        """Tokens of a sequence, padding included."""
        return self[0]

    def labelled(self, task: str) -> "TokenShape":
        """The same shape of data whose labels are of a task."""
        return TokenShape(self[0], self.vocabulary, by_position=task == "positions", padding=self.padding)

    def __eq__(self, other: Any) -> bool:
        same = self.vocabulary == getattr(other, "vocabulary", None)
        return super().__eq__(other) and same and self.padding == getattr(other, "padding", None)

    def __ne__(self, other: Any) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((tuple(self), self.vocabulary, self.padding))

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self[0], self.vocabulary, self.by_position, self.padding)

    def __repr__(self) -> str:
        padded = "" if self.padding is None else f", {self.padding} the padding"
        return f"({self[0]},) tokens of {self.vocabulary}{padded}"


def _made(positions: int, vocabulary: int, by_position: bool, padding: int | None = None) -> TokenShape:
    return TokenShape(positions, vocabulary, by_position=by_position, padding=padding)
