"""Text from anywhere, as a terminal may be sent it: control characters and marks of direction are shown, not obeyed."""

import unicodedata

from rich.markup import escape as without_markup

_KEPT = "\n\t"


def visible(text: str) -> str:
    r"""The text with every control, format and surrogate character written out.

    >>> visible("a\x1b[31mb\u202ec")
    'a\\x1b[31mb\\u202ec'
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(c if c in _KEPT or not _is_hidden(c) else _written_out(c) for c in text)


def escape(text: str) -> str:
    """One line of text from anywhere, for a console that reads markup: shown as it is, without new lines."""
    return without_markup(visible(" ".join(text.splitlines())))


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode()
