"""What a user's object is made of: the functions, classes and constants that it reaches, in its file and in others.

The whole file is not what a result depends on: an unrelated class beside the family changes nothing. From the named
object the names that its code uses are followed, through the user's own modules. What cannot be followed is taken
whole: a module that is handed around, one whose names are looked up as texts. Statements that act at import
(`register(X)`, `@register`) always count, those of modules that are imported along with a reached one too; so do
subclasses that their base knows of, and files whose literal names the code holds.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skipray.extension import own_code
from skipray.extension.imported import absolute, imported, package_of
from skipray.extension.statements import Chain, Statement, at_import, statements
from skipray.extension.subclassing import Subclasses

LARGEST_PACKAGE = 100
"""Files of an installed package that are followed; one that needs more of them, such as torch, is its version."""
_AS_VERSION: set[str] = set()
"""What is known to be told so: an installed package stays as it is, and to follow a hundred files takes a second, which
each trial would wait for."""
LARGEST_FILE = 16 * 2**20
"""Bytes of a data file that is hashed; larger ones are data sets, which their fingerprint pins."""


@dataclass(frozen=True)
class Source:
    """What a user's `module:name` is made of."""

    hash: str
    """sha256 over the parts: part of each trial_id."""
    files: str
    """sha256 over whole files, as skipray 0.1 hashed them: by it the trials of then are recognised."""
    parts: dict[str, str]
    """Part (`nets: Block.forward`, `data/table.json`) -> sha256."""

    def as_dict(self) -> dict[str, Any]:
        return {"hash": self.hash, "files": self.files, "parts": self.parts}


def source_of(name: str, *, reads_data: bool = True) -> Source:
    """What `module:name` reaches.

    Args:
        reads_data: whether files that the code names count; those of a data set are pinned by its fingerprint.
    """
    module, _, attribute = name.partition(":")
    package = module.partition(".")[0]
    walk = _Walk(package, reads_data)
    walk.reach(module, attribute.partition(".")[0])
    try:
        if name in _AS_VERSION:
            raise _TooLarge
        walk.run()
        parts, files = dict(sorted(walk.parts.items())), own_code.source_hash(module)
    except _TooLarge:
        _AS_VERSION.add(name)
        parts = {f"{package} {own_code.version_of(package)}": hashlib.sha256(name.encode()).hexdigest()}
        files = ""  # skipray 0.1 made no trials with it
    text = "\n".join(f"{part} {digest}" for part, digest in parts.items())
    return Source(hashlib.sha256(text.encode()).hexdigest(), files, parts)


class _TooLarge(Exception):
    """An installed package of many files."""


def changed_parts(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """The parts that differ, in words a message can hold."""
    return in_words(part for part in {**before, **now} if before.get(part) != now.get(part))


def in_words(parts: Iterable[str]) -> list[str]:
    """Parts as a message shows them: names in their modules, and files."""
    return [part.rpartition(": ")[2] for part in sorted(parts)]


def module_of(part: str) -> str:
    """The module of a part; empty for a file that code names."""
    return part.rpartition(": ")[0]


class _Walk:
    """Follows names from statement to statement."""

    def __init__(self, package: str, reads_data: bool):
        self.package = package
        self.reads_data = reads_data
        self.parts: dict[str, str] = {}
        self._waiting: list[tuple[str, str | None]] = []
        """Module and name; an empty name is the whole module, None what its import does."""
        self._seen: set[tuple[str, str | None]] = set()
        self._taken: set[tuple[str, int, int]] = set()
        self._entered: set[str] = set()
        self._files: dict[str, Path | None] = {}
        self._subclasses = Subclasses(self._file)

    def reach(self, module: str, name: str | None) -> None:
        if (module, name) not in self._seen:
            self._seen.add((module, name))
            self._waiting.append((module, name))

    def run(self) -> None:
        before = -1
        while before < len(self._taken):
            self._follow_names()
            before = len(self._taken)
            for module, statement in list(self._subclasses.known()):
                path = self._file(module)
                if path is not None:
                    self._take(module, path, statement, "")

    def _follow_names(self) -> None:
        while self._waiting:
            module, name = self._waiting.pop()
            path = self._file(module)
            if path is None:
                continue
            self._enter(module)
            if len(self._entered) > LARGEST_PACKAGE and own_code.is_foreign(self.package):
                raise _TooLarge
            if name is None:
                continue
            try:
                found = statements(path.read_bytes())
            except SyntaxError:  # of a module that is imported late, or never
                self.parts[f"{module}: its text"] = hashlib.sha256(path.read_bytes()).hexdigest()
                continue
            chosen = [s for s in found if not name or name in s.binds]
            if name and not chosen:
                self._through_stars(module, path, found, name)
                if self._file(f"{module}.{name}") is not None:
                    self.reach(f"{module}.{name}", "")
                if any("__getattr__" in s.binds for s in found):
                    self.reach(module, "__getattr__")
            for statement in chosen:
                self._take(module, path, statement, name)

    def _file(self, module: str) -> Path | None:
        """The source of a module that is the user's; None for others."""
        if module not in self._files:
            top = module.partition(".")[0]
            # To ask for a submodule of torch would import torch.
            path = None if top != self.package and own_code.is_foreign(top) else own_code.file_of(module)
            theirs = path is not None and (own_code.is_users(path) or top == self.package)
            self._files[module] = path if theirs else None
        return self._files[module]

    def _enter(self, module: str) -> None:
        """What an import of the module does beside binding names: its own and that of the packages it lies in."""
        parts = module.split(".")
        for name in (".".join(parts[: i + 1]) for i in range(len(parts))):
            path = None if name in self._entered else self._file(name)
            self._entered.add(name)
            if path is None:
                continue
            try:
                found = statements(path.read_bytes())
            except SyntaxError:  # of a module that is imported late, or never
                continue
            theirs = own_code.is_users(path)
            if theirs:
                self._subclasses.enter(name)
            for statement in found:
                # An installed package changes with its version: what it registers counts where it is used.
                if statement.acts and (theirs or not statement.defines):
                    self._take(name, path, statement, "")
                if theirs:
                    self._import_along(name, path, statement)

    def _import_along(self, module: str, path: Path, statement: Statement) -> None:
        """Modules that an import of this one imports too, whether or not their names are used."""
        for node in at_import(statement.node):
            for _, base, name in imported(node, package_of(module, path)):
                self.reach(base, None)
                if name not in ("", "*") and self._file(base) is not None and self._file(f"{base}.{name}") is not None:
                    self.reach(f"{base}.{name}", None)

    def _take(self, module: str, path: Path, statement: Statement, asked: str) -> None:
        if isinstance(statement.node, ast.Import | ast.ImportFrom):
            self._import(module, path, statement.node, asked, ())
            return
        place = (module, statement.node.lineno, statement.node.col_offset)
        if place in self._taken:
            return
        self._taken.add(place)
        for part, digest in statement.parts.items():
            key = f"{module}: {part}"
            # A name that is bound again has both.
            self.parts[key] = _joined(self.parts[key], digest) if key in self.parts else digest
        if statement.sees_all:
            self.reach(module, "")
        for chain in statement.uses:
            self._use(module, path, chain)
        for inner in ast.walk(statement.node):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                self._inner_import(module, path, inner, statement)
        self._subclasses.note(module, statement)
        if any({"import_module", "__import__"} & {c.root, *c.attributes} for c in statement.uses):
            self._modules_named(package_of(module, path), statement.texts)
        if self.reads_data:
            self._files_named(path, statement.texts)

    def _use(self, module: str, path: Path, chain: Chain) -> None:
        """A name of the module itself, or of one that it has imported."""
        for statement in statements(path.read_bytes()):
            if chain.root in statement.binds:
                if isinstance(statement.node, ast.Import | ast.ImportFrom):
                    self._import(module, path, statement.node, chain.root, chain.attributes)
                else:
                    self.reach(module, chain.root)
            elif "*" in statement.binds:
                for star in _stars(statement):
                    self._import(module, path, star, chain.root, chain.attributes)

    def _inner_import(self, module: str, path: Path, node: Any, statement: Statement) -> None:
        """An import inside a function: its names are used in the same statement."""
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            chains = [c for c in statement.uses if c.root == bound] or [Chain(bound)]
            for chain in chains:
                self._import(module, path, node, bound, chain.attributes)

    def _import(self, module: str, path: Path, node: Any, asked: str, attributes: tuple[str, ...]) -> None:
        for alias in node.names:
            bound = alias.asname or (alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name)
            if asked and bound not in (asked, "*"):
                continue
            if isinstance(node, ast.Import):
                dotted = () if alias.asname else tuple(alias.name.split(".")[1:])
                start = alias.name if alias.asname else alias.name.partition(".")[0]
                self._enter(alias.name)
                self._follow(start, attributes, dotted)
                continue
            base = absolute("." * node.level + (node.module or ""), package_of(module, path))
            if base is None:
                continue
            name = asked if alias.name == "*" else alias.name
            if self._file(f"{base}.{name}") is not None:
                self._follow(f"{base}.{name}", attributes)
            else:
                self.reach(base, name)

    def _follow(self, module: str, attributes: tuple[str, ...], dotted: tuple[str, ...] = ()) -> None:
        """An attribute of a module: a submodule's, or a name of its own; without one the module is taken whole."""
        here = module
        for attribute in attributes:
            if self._file(f"{here}.{attribute}") is None:
                self.reach(here, attribute)
                return
            here = f"{here}.{attribute}"
        self.reach(".".join([module, *dotted]) if not attributes else here, "")

    def _through_stars(self, module: str, path: Path, found: Iterable[Statement], name: str) -> None:
        for statement in found:
            if "*" in statement.binds:
                for star in _stars(statement):
                    self._import(module, path, star, name, ())

    def _modules_named(self, package: str, texts: Iterable[str]) -> None:
        """Modules that code names in a text, as `importlib` takes them; `.parts` of its package, or of one named."""
        names = [text for text in texts if text.replace(".", "").isidentifier()]
        whole = [name for name in names if not name.startswith(".")]
        for name in whole:
            self.reach(name, "")
        for name in names:
            for found in (absolute(name, base) for base in (package, *whole) if name.startswith(".") and base):
                if found is not None:
                    self.reach(found, "")

    def _files_named(self, path: Path, texts: Iterable[str]) -> None:
        """Files that code names in a text, as `open` takes them."""
        for text in texts:
            for file in _files_named(path, text):
                self.parts[text] = hashlib.sha256(file.read_bytes()).hexdigest()


def _joined(one: str, two: str) -> str:
    return hashlib.sha256(f"{one} {two}".encode()).hexdigest()


def _files_named(beside: Path, text: str) -> Iterator[Path]:
    """A file that a text names, beside the module or in the working directory."""
    if not text or len(text) > 255 or "\n" in text or "\0" in text or text in (".", ".."):
        return
    for folder in (beside.parent, Path.cwd()):
        try:
            path = folder / text
            if path.is_file() and path.stat().st_size <= LARGEST_FILE:
                yield path
                return
        except OSError:
            continue


def _stars(statement: Statement) -> Iterator[ast.ImportFrom]:
    """Imports of all names; they may stand within an `if` or a `try`."""
    for node in ast.walk(statement.node):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield node
