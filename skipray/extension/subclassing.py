"""Classes that are found through a base of theirs, though no code names them: to define one makes it known.

A base has `__init_subclass__`, or a metaclass that acts, or reached code asks it for its `__subclasses__()`. Bases of
libraries are not looked into.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from skipray.extension.imported import ImportedName, imported, package_of
from skipray.extension.statements import Chain, Statement, at_import, chains, statements

ASKED = "__subclasses__"


class _Class(NamedTuple):
    module: str
    node: ast.ClassDef

    def has(self, *methods: str) -> bool:
        return any(isinstance(m, ast.FunctionDef | ast.Assign) and _name(m) in methods for m in self.node.body)


class Subclasses:
    """Which classes of the user's modules are known by a base.

    Args:
        file_of: the source of a module that is the user's; None for others.
    """

    def __init__(self, file_of: Callable[[str], Path | None]):
        self._file_of = file_of
        self._asked: set[tuple[str, str]] = set()
        self._any_asked = False
        """A base that the source does not tell (`kind.__subclasses__()`) is asked: it may be any."""
        self._entered: dict[str, list[tuple[Statement, list[_Class]]]] = {}
        self._scopes: dict[str, tuple[dict[str, _Class], list[ImportedName]]] = {}

    def note(self, module: str, statement: Statement) -> None:
        """What reached code asks for its subclasses."""
        for node in ast.walk(statement.node):
            if isinstance(node, ast.Attribute) and node.attr == ASKED:
                chain = _chain(node.value)
                bases = [] if chain is None else list(self._find(module, chain))
                if not bases and isinstance(statement.node, ast.ClassDef):  # `cls.__subclasses__()`
                    bases = [_Class(module, statement.node)]
                self._asked.update((base.module, base.node.name) for base in bases)
                self._any_asked = self._any_asked or not bases

    def enter(self, module: str) -> None:
        """An import of reached code runs this module: its classes may be known."""
        self._entered[module] = [
            (statement, [_Class(module, node) for node in at_import(statement.node) if isinstance(node, ast.ClassDef)])
            for statement in _read(self._file_of(module))
        ]
        self._scope(module)

    def known(self) -> Iterator[tuple[str, Statement]]:
        """Modules, and statements of theirs that define such a class."""
        for module in sorted(self._entered):
            for statement, kinds in self._entered[module]:
                if any(self._is_known(kind) for kind in kinds):
                    yield module, statement

    def _is_known(self, kind: _Class) -> bool:
        bases = list(self._bases(kind))
        return (
            self._has_metaclass(kind) or (self._any_asked and bool(bases)) or any(map(self._tells, self._above(kind)))
        )

    def _tells(self, base: _Class) -> bool:
        """Whether a class learns of its subclasses."""
        asked = (base.module, base.node.name) in self._asked
        return asked or base.has("__init_subclass__") or self._has_metaclass(base)

    def _has_metaclass(self, kind: _Class) -> bool:
        """Whether its own metaclass does something when a class is made."""
        named = [c for k in kind.node.keywords if k.arg == "metaclass" for c in chains(k.value)]
        metas = [meta for chain in named for meta in self._find(kind.module, chain)]
        return any(each.has("__init__", "__new__") for meta in metas for each in (meta, *self._above(meta)))

    def _above(self, kind: _Class) -> Iterator[_Class]:
        """All its bases that are the user's."""
        seen: set[tuple[str, str]] = set()
        waiting = list(self._bases(kind))
        while waiting:
            base = waiting.pop()
            if (base.module, base.node.name) not in seen:
                seen.add((base.module, base.node.name))
                yield base
                waiting += self._bases(base)

    def _bases(self, kind: _Class) -> Iterator[_Class]:
        """Of `Base[int]` and `with_mixin(Base)` too."""
        for base in kind.node.bases:
            for chain in chains(base):
                yield from self._find(kind.module, chain)

    def _find(self, module: str, chain: Chain, steps: int = 20) -> Iterator[_Class]:
        """The classes that a name may mean in a module; imports in a circle end after some steps."""
        classes, names = self._scope(module)
        if not chain.attributes and chain.root in classes:
            yield classes[chain.root]
        for bound, origin, name in names if steps else ():
            if bound not in (chain.root, "*"):
                continue
            if name:
                dotted = (chain.root if bound == "*" else name, *chain.attributes)
            else:  # `import a.b` binds a, `import a.b as c` the module itself
                top = origin.partition(".")[0]
                origin, dotted = (top if bound == top else origin), chain.attributes
            while dotted and self._file_of(f"{origin}.{dotted[0]}") is not None:
                origin, dotted = f"{origin}.{dotted[0]}", dotted[1:]
            if dotted:
                yield from self._find(origin, Chain(dotted[0], dotted[1:]), steps - 1)

    def _scope(self, module: str) -> tuple[dict[str, _Class], list[ImportedName]]:
        """The classes and the imported names of a module; nothing of one that is not the user's."""
        if module not in self._scopes:
            path = self._file_of(module)
            nodes = [node for statement in _read(path) for node in at_import(statement.node)]
            classes = {node.name: _Class(module, node) for node in nodes if isinstance(node, ast.ClassDef)}
            names = [name for node in nodes for name in imported(node, package_of(module, path or Path()))]
            self._scopes[module] = (classes, names)
        return self._scopes[module]


def _read(path: Path | None) -> tuple[Statement, ...]:
    try:
        return () if path is None else statements(path.read_bytes())
    except SyntaxError:  # of a module that is imported late, or never
        return ()


def _chain(node: ast.expr) -> Chain | None:
    """A dotted name; None for what is computed."""
    found = chains(node)
    return next(iter(found)) if isinstance(node, ast.Name | ast.Attribute) and len(found) == 1 else None


def _name(node: ast.FunctionDef | ast.Assign) -> str:
    if isinstance(node, ast.FunctionDef):
        return node.name
    return next((target.id for target in node.targets if isinstance(target, ast.Name)), "")
