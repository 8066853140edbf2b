"""A YAML 1.2 text as plain values, with the line of every key, and the overrides of the command line."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from skipray.errors import InputRefused, SkiprayError
from skipray.spec.fields import SweepFile
from skipray.spec.finding import read_text
from skipray.spec.values import plain
from skipray.spec.words import kind_words

Location = tuple[str | int, ...]
"""Where something stands in a file: the keys, and positions in lists, that lead to it."""
STANDARD = "tag:yaml.org,2002:"
"""What YAML's own tags begin with; a file has `!!` there."""
MAX_NODES = 100_000
"""A sweep file holds at most so many values, aliases expanded: no YAML text can fill the memory."""
MAX_LEVELS = 100
"""Brackets within each other. The deepest that a sweep has a use for is 4."""
MAX_SHOWN = 20
"""Mistakes that a message spells out; a screen of them is enough to begin with."""


class SpecError(SkiprayError, ValueError):
    """Bad input in a sweep file or an override. One line per mistake: where, what was found, what is allowed."""

    def __init__(self, mistakes: Iterable[str]):
        self.mistakes = tuple(mistakes)
        more = len(self.mistakes) - MAX_SHOWN
        shown = [*self.mistakes[:MAX_SHOWN], *([f"and {more} more mistakes"] if more > 0 else [])]
        super().__init__("\n".join(shown))


@dataclass
class Document:
    """The parsed file, and where each key stands."""

    path: Path
    text: str
    data: dict[str, Any]
    lines: dict[Location, int]
    overridden: dict[Location, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Document":
        try:
            text = read_text(path)
        except (FileNotFoundError, NotADirectoryError):
            raise SpecError([f"{path}: no such file; {_sweeps_beside(path)}"]) from None
        except InputRefused as error:
            raise SpecError([str(error)]) from None
        except OSError as error:
            raise SpecError([f"{path}: cannot be read: {error.strerror}"]) from None
        return cls.parse(path, text)

    @classmethod
    def parse(cls, path: Path, text: str) -> "Document":
        """A text that was read from `path`, now or before."""
        try:
            tree = _parsed(text)
        except RecursionError:
            raise SpecError([f"{path}:1: found values nested beyond reason; allowed: a few levels"]) from None
        except DuplicateKeyError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            problem = str(error.problem).split("\n")[0]
            raise SpecError([f"{path}:{line}: {problem}; allowed: each key once"]) from None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise SpecError(
                [f"{path}:{mark.line + 1 if mark else 1}: not YAML: {error.problem or error.context}"]
            ) from None
        except (YAMLError, ValueError) as error:
            raise SpecError([f"{path}:1: not YAML: {str(error).splitlines()[0]}"]) from None
        if tree is None:
            raise SpecError([f"{path}:1: found an empty file; allowed: a sweep with the keys {_top_keys()}"])
        if not isinstance(tree, dict):
            raise SpecError([f"{path}:1: found {kind_words(tree)}; allowed: a sweep with the keys {_top_keys()}"])
        lines: dict[Location, int] = {(): 1}
        try:
            document = cls(path, text, _plain(tree, (), lines, path), lines)
        except RecursionError:
            raise SpecError([f"{path}:1: found an alias that holds itself; allowed: a tree"]) from None
        document._take_listed_data()
        return document

    @classmethod
    def of_values(cls, values: Mapping[str, Any], source: str) -> "Document":
        """Python values as a document: what a file would hold. Its places are keys alone, without lines."""
        try:
            data = _plain(values, (), {}, Path(source))
        except RecursionError:
            raise SpecError([f"{source}: found a value that holds itself; allowed: a tree"]) from None
        buffer = StringIO()
        YAML(typ="safe", pure=True).dump(data, buffer)
        document = cls(Path(source), buffer.getvalue(), data, {})
        document._take_listed_data()
        return document

    def _take_listed_data(self) -> None:
        """`dataset: [a, b]` says what `factors: {dataset: [a, b]}` says."""
        listed, factors = self.data.get("dataset"), self.data.get("factors", {})
        if not isinstance(listed, list) or not isinstance(factors, dict) or "dataset" in factors:
            return
        del self.data["dataset"]
        self.data["factors"] = {**factors, "dataset": listed}
        for loc in [loc for loc in self.lines if loc[0:1] == ("dataset",)]:
            self.lines[("factors", *loc)] = self.lines.pop(loc)
        for loc in [loc for loc in self.overridden if loc == ("dataset",)]:
            self.overridden[("factors", *loc)] = self.overridden.pop(loc)

    def override(self, text: str) -> None:
        key, equals, value_text = text.partition("=")
        keys = tuple(key.strip().split("."))
        if keys[0] == "factors" and len(keys) > 2:
            keys = ("factors", ".".join(keys[1:]))  # a factor's own name may have a dot: options.heads
        if not equals or not all(keys):
            raise SpecError([f"--set {text}: found no value; allowed: --set recipe.epochs=2"])
        try:
            value = _plain(_parsed(value_text), keys, {}, self.path)
        except RecursionError:
            raise SpecError([f"--set {keys[0]}: found values nested beyond reason; allowed: a few levels"]) from None
        except (YAMLError, ValueError):
            raise SpecError([f"--set {text}: the value is not YAML"]) from None
        if len(keys) == 2 and keys[1] in self.data.get("factors", {}) and keys[0] in ("model", "recipe"):
            raise SpecError(
                [f"--set {text}: {keys[1]} is a factor of this sweep; allowed: --set factors.{keys[1]}=[...]"]
            )
        here = self.data
        for part in keys[:-1]:
            if not isinstance(here.setdefault(part, {}), dict):
                raise SpecError([f"--set {text}: {part} holds no keys"])
            here = here[part]
        here[keys[-1]] = value
        self.overridden[keys] = text
        self._take_listed_data()

    def where(self, loc: Location) -> str:
        """The override that set what stands at loc, else `file:line` of the nearest key at or above it."""
        above = [loc[:end] for end in range(len(loc), -1, -1)]
        for key in above:
            if key in self.overridden:
                return f"--set {self.overridden[key]}"
        for key in above:
            if key in self.lines:
                return f"{self.path}:{self.lines[key]}"
        return f"{self.path}:1" if self.lines else str(self.path)

    def mistake(self, loc: Location, found: str) -> str:
        key = ".".join(str(part) for part in loc)
        return f"{self.where(loc)}: {key + ': ' if key else ''}{found}"


def in_yaml(value: Any) -> str:
    """A Python value as the text of an override. A text stays as it is where YAML reads it as something else, such as
    the list `[8, 14]`.

    Raises:
        SpecError: it is nothing that a sweep file can hold.
    """
    made = _plain(plain(value), (), {}, Path("overrides"))
    if isinstance(made, str):
        with suppress(YAMLError, ValueError, RecursionError):
            read = _parsed(made)
            if read == made or not isinstance(read, str | dict | list) or made.lstrip()[:1] in ("[", "{"):
                return made
    return json.dumps(made, ensure_ascii=False)


def _parsed(text: str) -> Any:
    """ruamel's tree of a text.

    Raises:
        RecursionError: values are nested beyond reason. ruamel's time grows with the square of the brackets that are
            open, so these are counted first, whether they stand in a text or not.
    """
    level = 0
    for bracket in re.findall(r"[\[\]{}]", text):
        level += 1 if bracket in "[{" else -1
        if level > MAX_LEVELS:
            raise RecursionError
    return YAML(typ="rt", pure=True).load(text)


def _plain(node: Any, loc: Location, lines: dict[Location, int], path: Path) -> Any:
    """ruamel's tree as plain Python values, noting the line of every key and item."""
    if len(lines) > MAX_NODES:
        raise SpecError([f"{path}: found more than {MAX_NODES:,} values; allowed: fewer"])
    tag = getattr(getattr(node, "tag", None), "value", None)
    if tag is not None and not isinstance(node, str | int | float):
        tag = tag.replace(STANDARD, "!!")
        if tag == "!!str":
            return str(node.value)
        raise _no_value(f"the tag {tag}", loc, lines, path)
    if isinstance(node, dict):
        out = {}
        for key, value in node.items():
            here = (*loc, str(key))
            lines[here] = _line(node, key) or lines.get(loc, 0)
            if not isinstance(key, str):
                raise SpecError([f"{_place(loc, lines[here], path)}found the key {key!r}; allowed: text"])
            out[str(key)] = _plain(value, here, lines, path)
        return out
    if isinstance(node, list):
        items = []
        for i, value in enumerate(node):
            here = (*loc, i)
            lines[here] = _line(node, i) or lines.get(loc, 0)
            items.append(_plain(value, here, lines, path))
        return items
    if isinstance(node, bool) or node is None:
        return node
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        return float(node)
    if isinstance(node, str):
        return str(node)
    raise _no_value(kind_words(node), loc, lines, path)


def _no_value(found: str, loc: Location, lines: Mapping[Location, int], path: Path) -> SpecError:
    place = _place(loc, lines.get(loc, 0), path)
    return SpecError([f"{place}found {found}; allowed: text, numbers, booleans, lists and mappings"])


def _place(loc: Location, line: int, path: Path) -> str:
    """Where something stands, before what was found; of Python values and overrides, which have no lines, its key."""
    key = ".".join(map(str, loc))
    return f"{path}{f':{line}' if line else ''}: {key + ': ' if key else ''}"


def _line(node: Any, key: Any) -> int | None:
    """The line of a key or item of ruamel's tree, from 1."""
    position = (node.lc.data or {}).get(key) if hasattr(node, "lc") else None
    return position[0] + 1 if position else None


def _top_keys() -> str:
    return ", ".join(SweepFile.model_fields)


def _sweeps_beside(path: Path) -> str:
    folder = path.parent if path.parent.is_dir() else Path("sweeps")
    found = sorted(p.name for p in folder.glob("*.yaml"))
    near = difflib.get_close_matches(path.name, found, n=1)
    if near:
        return f"did you mean {folder / near[0]}?"
    return f"{folder} holds {', '.join(found)}" if found else f"{folder} holds no sweeps"
