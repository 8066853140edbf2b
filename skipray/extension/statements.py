"""A module's top-level statements: what each binds, what it uses, and a digest of what it says.

Comments, formatting, line ends and docstrings are not in a digest, nor what another Python version's parser adds to it.
"""

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from skipray.extension.decorators import Decorators

LEFT_OUT = {"ctx", "kind", "type_comment", "type_ignores"}
"""Fields of Python's syntax tree that say nothing about what runs."""
DYNAMIC = {"globals", "locals", "vars", "eval", "exec", "compile", "__import__", "getattr", "setattr"}
"""What finds a name that is not written: `getattr` only where its name is computed."""


@dataclass(frozen=True)
class Chain:
    """A name that a statement uses, with the attributes that are asked of it: `parts.Block` is ("parts", "Block")."""

    root: str
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statement:
    """One top-level statement of a module."""

    node: ast.stmt = field(compare=False)
    binds: frozenset[str]
    uses: frozenset[Chain]
    texts: tuple[str, ...]
    """Literal texts in it, those of a path joined."""
    acts: bool
    """It does something when the module is imported, beside binding names, or a decorator in it may."""
    sees_all: bool
    """It finds names that are not written in it (`globals()[name]`): anything of its module may be used."""

    @property
    def defines(self) -> bool:
        """Whether it is a function or a class."""
        return isinstance(self.node, (*_FUNCTIONS, ast.ClassDef))

    @property
    def parts(self) -> dict[str, str]:
        """Name in the module -> digest: a class is told by its methods, so that a message can name the one."""
        if isinstance(self.node, ast.ClassDef):
            own = _without_docstring(self.node.body)
            methods = {f"{self.node.name}.{m.name}": digest(m) for m in own if isinstance(m, _FUNCTIONS)}
            shell = [_normal(n) for n in own if not isinstance(n, _FUNCTIONS)]
            head = [_normal(n) for n in (*self.node.bases, *self.node.keywords, *self.node.decorator_list)]
            return {self.node.name: _hash("\n".join([*head, *shell])), **methods}
        name = ", ".join(sorted(self.binds)) if self.binds else f"a statement ({ast.unparse(self.node)[:40]})"
        return {name: digest(self.node)}


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@lru_cache(maxsize=256)
def statements(source: bytes) -> tuple[Statement, ...]:
    """The top-level statements of a module's source, but for its docstring and what only runs as a script."""
    body = [node for node in _without_docstring(ast.parse(source).body) if not _is_script(node)]
    decorators = Decorators(inner for node in body for inner in at_import(node))
    return tuple(_statement(node, decorators) for node in body)


def at_import(node: ast.AST) -> Iterator[ast.stmt]:
    """A statement and those in its blocks, a class's included, that an import may run; no function's inside."""
    if isinstance(node, ast.stmt):
        yield node
    if isinstance(node, _FUNCTIONS):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case) and not _is_for_checkers(node, child):
            yield from at_import(child)


def chains(node: ast.AST) -> frozenset[Chain]:
    """The names that a piece of code reads, with the attributes behind them."""
    found = _Chains()
    found.visit(node)
    return frozenset(found.found)


def digest(node: ast.AST) -> str:
    """sha256 of what a piece of code says."""
    return _hash(_normal(node))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _normal(node: object) -> str:
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if name not in LEFT_OUT]
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            fields = [(n, _without_docstring(v) if n == "body" else v) for n, v in fields]
        # What is empty is left out: a later Python's tree has more fields.
        told = [f"{name}={_normal(value)}" for name, value in fields if value is not None and value != []]
        return f"{type(node).__name__}({','.join(told)})"
    if isinstance(node, list):
        return f"[{','.join(map(_normal, node))}]"
    return f"{type(node).__name__}:{node!r}"


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body


def _is_script(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":`, which an import passes over."""
    return isinstance(node, ast.If) and "__name__" in {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}


def _is_for_checkers(node: ast.AST, child: ast.AST) -> bool:
    """What stands under `if TYPE_CHECKING:`, which no import runs."""
    if not isinstance(node, ast.If) or child in node.orelse:
        return False
    return isinstance(node.test, ast.Name | ast.Attribute) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _statement(node: ast.stmt, decorators: Decorators) -> Statement:
    names = _Chains()
    names.visit(node)
    bound = frozenset(_bound(node))
    return Statement(
        node,
        bound,
        frozenset(names.found),
        tuple(dict.fromkeys(_texts(node))),
        any(_acts(inner, decorators) for inner in at_import(node)),
        names.sees_all,
    )


class _Chains(ast.NodeVisitor):
    """Every name that is read, with the attributes behind it."""

    def __init__(self) -> None:
        self.found: set[Chain] = set()
        self.sees_all = False

    def visit_Attribute(self, node: ast.Attribute) -> None:
        attributes: list[str] = []
        here: ast.expr = node
        while isinstance(here, ast.Attribute):
            attributes.append(here.attr)
            here = here.value
        if isinstance(here, ast.Name):
            self.found.add(Chain(here.id, tuple(reversed(attributes))))
        else:
            self.visit(here)

    def visit_Name(self, node: ast.Name) -> None:
        self.found.add(Chain(node.id))

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in DYNAMIC:
            computed = len(node.args) > 1 and not isinstance(node.args[1], ast.Constant)
            self.sees_all = self.sees_all or (computed if name in ("getattr", "setattr") else True)
        self.generic_visit(node)


def _bound(node: ast.stmt) -> Iterator[str]:
    """Names that a top-level statement gives the module; those of a function's inside are not among them."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        yield node.name
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield from _bound(child)
        elif isinstance(child, ast.ExceptHandler):
            for inner in child.body:
                yield from _bound(inner)
        else:
            for name in ast.walk(child):
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store | ast.Del):
                    yield name.id


def _acts(node: ast.stmt, decorators: Decorators) -> bool:
    """Whether a statement does something by itself, what stands in its blocks apart."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return any(decorators.may_act(decorator) for decorator in node.decorator_list)
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
        targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
        return any(isinstance(t, ast.Attribute | ast.Subscript) for t in targets)
    return isinstance(node, ast.Assert | ast.Raise)


def _texts(node: ast.AST) -> Iterator[str]:
    """Literal texts, and those that `/` or `join` puts together: `HERE / "data" / "x.json"` is data/x.json."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value
        elif isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Div):
            yield "/".join(_divided(inner))
        elif isinstance(inner, ast.Call) and len(inner.args) > 1:
            yield "/".join(a.value for a in inner.args if isinstance(a, ast.Constant) and isinstance(a.value, str))


def _divided(node: ast.expr) -> list[str]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [*_divided(node.left), *_divided(node.right)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []
