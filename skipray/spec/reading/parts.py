"""A cell's network or recipe as one section of the file with the cell's factors over it."""

from typing import Any

import pydantic

from skipray.spec.fields import Section
from skipray.spec.reading.cells import WrittenCell
from skipray.spec.reading.mistakes import Mistakes, tuples
from skipray.spec.words import allowed_words, is_union_tag, show


def validate_part(
    model: type[Section], data: dict[str, Any], cell: WrittenCell, section: str, mistakes: Mistakes
) -> Any:
    """The data as a part of the cell; None where it is wrong, which has been said then, where each value stands."""
    try:
        return model.model_validate(tuples(data))
    except pydantic.ValidationError as error:
        for detail in error.errors():
            parts = tuple(p for p in detail["loc"] if not is_union_tag(p))
            key = str(parts[0])
            if detail["type"] == "missing":
                where = mistakes.document.where((section,))
                mistakes.lines.append(
                    f"{where}: {section}.{key}: found nothing; allowed: {allowed_words(model, parts, detail)} "
                    f"(in {section} or as a factor)"
                )
                continue
            here = cell.place(key, cell.values.get(key, data.get(key)), section)
            mistakes.add(here, f"found {show(detail['input'])}; allowed: {allowed_words(model, parts, detail)}")
        return None


def add_wrong_rules(wrong: list[tuple[str, str]], cell: WrittenCell, section: str, mistakes: Mistakes) -> bool:
    """Add what is wrong with rules of depth; whether there is any."""
    for key, found in wrong:
        mistakes.add(cell.place(key, cell.values.get(key), section), found)
    return bool(wrong)
