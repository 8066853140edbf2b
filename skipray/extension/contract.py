"""What an entry of a catalog folder has to declare, and the one check of it: of a file in the folder, and of a user's.

Each folder states its contract as `CONTRACT` in its `__init__`; `catalog.find` checks every entry against it. An
attribute is asked of all entries, of the files of the folder, or of none; what is not asked of an entry, but there, is
checked too, so that a misspelt word is an error and not a value that nobody reads.
"""

import difflib
import inspect
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from skipray.errors import SkiprayError

NEAR = 0.8
"""How alike two names have to be (difflib's ratio) for one to be taken for the other, misspelt."""


class DeclarationRefused(SkiprayError, ValueError):
    """An entry whose declaration lacks something, or says what there is not."""


@dataclass(frozen=True)
class Attribute:
    """One thing that an entry has, or one of several that stand for one another."""

    names: tuple[str, ...]
    of: Literal["all", "files", "none"] = "all"
    """Of which entries it is asked: of all, of the folder's own files, or of none."""
    call: tuple[str, ...] | None = None
    """Of functions: the arguments that they are called with."""
    loose: bool = False
    """Whether what a function takes follows from the entry, so that `further` looks at it."""
    kind: type | tuple[type, ...] | None = None
    """Of a value: its type."""
    values: Callable[[Any], Collection[str]] | None = None
    """Of a value that is a list of words, or a mapping from them: what they may be, from the entry."""
    remedy: str = ""
    """Where it is missing: how to get it. `{name}` stands for the entry's name."""


@dataclass(frozen=True)
class Contract:
    """What the entries of one folder have."""

    attributes: tuple[Attribute, ...]
    further: Callable[[str, Any], Iterable[str]] | None = None
    """Mistakes that no single attribute shows, as `whose ...; allowed: ...`, of an entry that has all that is asked: of
    its name and it."""

    def check(self, name: str, entry: Any) -> None:
        """Raises DeclarationRefused for the first mistake: what was found, in which file, and what is allowed."""
        own = ":" in name
        place = f"found {name!r}" if own else f"found {name!r} ({_shown(entry)})"
        for mistake in self._mistakes(name, entry, own):
            raise DeclarationRefused(f"{place}, {mistake}")

    def _mistakes(self, name: str, entry: Any, own: bool) -> Iterator[str]:
        for attribute in self.attributes:
            present = [one for one in attribute.names if hasattr(entry, one)]
            if not present and (attribute.of == "all" or (attribute.of == "files" and not own)):
                remedy = attribute.remedy.format(name=name)
                hint = self._hint(entry, attribute)
                yield f"which has no {' or '.join(attribute.names)}{hint}; allowed: {_asked(attribute)}{remedy}"
            for one in present:
                yield from _wrong(one, getattr(entry, one), attribute, entry)
        if not own:
            yield from self._misspelt(entry)
        if self.further is not None:
            yield from self.further(name, entry)

    def _names(self) -> list[str]:
        return [name for attribute in self.attributes for name in attribute.names]

    def _hint(self, entry: Any, attribute: Attribute) -> str:
        """What the entry has in place of something that it lacks."""
        known = self._names()
        for one in attribute.names:
            for near in difflib.get_close_matches(one, [n for n in _public(entry) if n not in known], 1, NEAR):
                return f" (is {near} meant for {one}?)"
        return ""

    def _misspelt(self, entry: Any) -> Iterator[str]:
        """What a file defines under a name that is nearly one that there is: nobody would read it."""
        known = self._names()
        lacking = [name for name in known if not hasattr(entry, name)]
        for name in _public(entry):
            near = difflib.get_close_matches(name, lacking, 1, NEAR) if name not in known else []
            if near:
                yield f"which has {name} (did you mean {near[0]}?); allowed: {', '.join(known)}, or a name unlike them"


def why_not_imported(error: Exception) -> str:
    """Why a file of skipray's cannot be imported, with the line."""
    if isinstance(error, DeclarationRefused):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    file, line = (error.filename, error.lineno) if isinstance(error, SyntaxError) else (place.filename, place.lineno)
    said = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    return f"which cannot be imported: {Path(file or '?').name}:{line}: {said}; allowed: a file that can be imported"


def _asked(attribute: Attribute) -> str:
    if attribute.call is None:
        return " or ".join(attribute.names)
    return " or ".join(f"{name}({', '.join(attribute.call)})" for name in attribute.names)


def _wrong(name: str, value: Any, attribute: Attribute, entry: Any) -> Iterator[str]:
    if attribute.call is not None and callable(value):
        if not attribute.loose:
            yield from wrongly_called(name, value, attribute.call)
    elif attribute.call is not None and attribute.kind is None:
        yield f"whose {name} is {_a(value)}; allowed: a function, {name}({', '.join(attribute.call)})"
    elif attribute.kind is not None and not isinstance(value, attribute.kind):
        kinds = attribute.kind if isinstance(attribute.kind, tuple) else (attribute.kind,)
        yield f"whose {name} is {_a(value)}; allowed: {' or '.join(kind.__name__ for kind in kinds)}"
    elif attribute.values is not None:
        yield from unknown_words(name, value, attribute.values(entry))


def unknown_words(name: str, words: Any, allowed: Collection[str]) -> Iterator[str]:
    """Mistakes of a list of words, or of a mapping from them, of which each has to be an allowed one."""
    if isinstance(words, str) or not isinstance(words, Collection):
        yield f"whose {name} is {_a(words)}; allowed: a list of names"
        return
    for word in words:
        if word not in allowed:
            near = difflib.get_close_matches(str(word), allowed, 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            yield f"whose {name} has {word!r}{hint}; allowed: {', '.join(allowed) or 'none'}"


def wrongly_called(name: str, function: Any, call: tuple[str, ...]) -> Iterator[str]:
    """The mistake of a function that cannot be called as it will be."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # of a function in C: it is seen when it is called
    try:
        signature.bind(*call)
    except TypeError:
        yield f"whose {name} takes {signature}; allowed: {name}({', '.join(call)})"


def _public(entry: Any) -> list[str]:
    """Names that an entry defines itself; what it imports is another's."""
    here = getattr(entry, "__module__", None) or getattr(entry, "__name__", None)
    found: Mapping[str, Any] = vars(entry) if hasattr(entry, "__dict__") else {}
    return [
        name
        for name, value in found.items()
        if not name.startswith("_") and (name.isupper() or getattr(value, "__module__", here) == here)
    ]


def _a(value: Any) -> str:
    return f"{value!r}" if isinstance(value, str | int | float | bool | None) else f"a {type(value).__name__}"


def _shown(entry: Any) -> str:
    """A file as it stands in the repository, `skipray/curves/linear.py`."""
    path = Path(getattr(entry, "__file__", None) or "?")
    package = Path(__file__).parents[1]
    return str(path.relative_to(package.parent)) if path.is_relative_to(package) else str(path)
