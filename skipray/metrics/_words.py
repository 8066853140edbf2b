"""Whether the words of a declaration are among those that there are: a dataclass does not look at its types itself."""

import types
import typing
from collections.abc import Collection, Iterator
from dataclasses import fields
from functools import lru_cache
from typing import Any, Literal

from skipray.extension.contract import DeclarationRefused, unknown_words


def check_words(declared: Any, allowed: dict[str, Collection[str]]) -> None:
    """Raise DeclarationRefused for a word that a field cannot have.

    Args:
        declared: a dataclass: its fields of Literal types are checked.
        allowed: field -> what each of its words, or its one word, may be besides.
    """
    for name, words in {**_literals(declared.__class__), **allowed}.items():
        value = getattr(declared, name)
        if value is None:
            continue
        given = (value,) if isinstance(value, str) else value
        for mistake in unknown_words(name, given, words):
            raise DeclarationRefused(mistake)


@lru_cache
def _literals(kind: type) -> dict[str, tuple[str, ...]]:
    """Field -> its words, of those that have a Literal type, a list of one, or one that may be absent."""
    hints = typing.get_type_hints(kind)
    found = {f.name: tuple(_words(hints[f.name])) for f in fields(kind)}
    return {name: words for name, words in found.items() if words}


def _words(hint: Any) -> Iterator[str]:
    if typing.get_origin(hint) is Literal:
        yield from (word for word in typing.get_args(hint) if isinstance(word, str))
    elif typing.get_origin(hint) in (typing.Union, types.UnionType, tuple):
        for part in typing.get_args(hint):
            yield from _words(part)
