"""What is wrong in a document, with its place."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

import pydantic

from skipray.spec.document import Document, Location, SpecError
from skipray.spec.fields import Section
from skipray.spec.words import allowed_words, fields_at, is_union_tag, show

ALLOWED_FOR = "; allowed for "
"""In a message: before what it is that allows no more than what follows, such as a family."""


class Mistakes:
    """Collects what is wrong in one document, so that all of it is said at once."""

    def __init__(self, document: Document):
        self.document = document
        self.lines: list[str] = []

    def add(self, loc: Location, found: str) -> None:
        """Add what was found at a place, and what is allowed there."""
        self.lines.append(self.document.mistake(loc, found))

    def add_detail(self, model: type[Section], detail: Any, loc: Location) -> None:
        """Add an error of pydantic's in a part that stands at a place."""
        self.lines.append(self._describe(model, detail, loc))

    def validate(self, model: type[Section], data: Any, loc: Location) -> Any:
        """The data at a place as a part of a sweep; None where it is wrong, which has been said then."""
        try:
            return model.model_validate(tuples(data))
        except pydantic.ValidationError as error:
            details = error.errors()
            misspelt = {nearest(model, d["loc"]) for d in details if d["type"] == "extra_forbidden"}
            for detail in details:
                # A misspelt key is one mistake, not an unknown key and a missing one; so is a list with a wrong item,
                # which pydantic does not count.
                if detail["type"] == "too_short" and any(d["loc"][:-1] == detail["loc"] for d in details):
                    continue
                if detail["type"] != "missing" or detail["loc"] not in misspelt:
                    self.lines.append(self._describe(model, detail, loc))
            return None

    def stop(self) -> None:
        """End the reading where anything is wrong.

        Raises:
            SpecError: with one line for each mistake.
        """
        if self.lines:
            raise SpecError(_merged(dict.fromkeys(self.lines)))

    def _describe(self, model: type[Section], detail: Any, loc: Location) -> str:
        parts = tuple(p for p in detail["loc"] if not is_union_tag(p))
        here = detail.get("place", loc + parts)
        kind = detail["type"]
        if kind == "extra_forbidden":
            allowed = fields_at(model, parts[:-1])
            near = nearest(model, parts)
            hint = f" (did you mean {near[-1]}?)" if near else ""
            return self.document.mistake(here, f"found an unknown key{hint}; allowed: {', '.join(allowed)}")
        if kind == "missing":
            above = self.document.where(here[:-1])
            return f"{above}: {'.'.join(map(str, here))}: found nothing; allowed: {allowed_words(model, parts, detail)}"
        words = allowed_words(model, parts, detail)
        if kind == "finite_number":
            words = words.replace("a number", "a finite number", 1)
        return self.document.mistake(here, f"found {show(detail['input'])}; allowed: {words}")


def _merged(lines: Iterable[str]) -> Iterator[str]:
    """The lines, where several families refuse one value alike as one line that names them."""
    whose: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        head, mark, rest = line.partition(ALLOWED_FOR)
        family, _, allowed = rest.partition(": ")
        whose.setdefault((head, allowed) if mark else (line, ""), []).append(family)
    for (head, allowed), families in whose.items():
        yield f"{head}{ALLOWED_FOR}{', '.join(families)}: {allowed}" if families != [""] else head


def nearest(model: type[Section], parts: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The place of the field that an unknown key was probably meant to be."""
    near = difflib.get_close_matches(str(parts[-1]), fields_at(model, parts[:-1]), n=1)
    return (*parts[:-1], near[0]) if near else None


def tuples(data: Any) -> Any:
    """Lists as tuples where strict pydantic wants them; lists of factors stay lists."""
    if not isinstance(data, dict):
        return data
    lists, parts = ("seeds", "milestones", "metrics", "layers", "widths"), ("tune", "probe")
    return {
        key: tuple(v) if key in lists and isinstance(v, list) else tuples(v) if key in parts else v
        for key, v in data.items()
    }
