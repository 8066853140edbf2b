"""What `help()` says of a class's fields: the text under each field in the source, which Python keeps nowhere."""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


class DocWithFields(str):
    """A class's docstring that ends with its fields; they are read when somebody looks.

    A string, since pydoc takes it as it stands from a class with a metaclass, pydantic's.
    """

    def __get__(self, instance: object, owner: type) -> str:
        package = owner.__module__.partition(".")[0]
        kinds = [kind for kind in reversed(owner.__mro__) if kind.__module__.partition(".")[0] == package]
        fields = [line for kind in kinds for line in _of(kind)]
        return "\n".join([inspect.cleandoc(self), *(["", "Attributes:", *fields] if fields else [])])


def show_fields(names: Iterable[str], namespace: Mapping[str, Any]) -> None:
    """Let `help()` show the fields of a module's public classes."""
    for name in names:
        found = namespace[name]
        doc = vars(found).get("__doc__") if isinstance(found, type) else None
        if isinstance(doc, str):
            found.__doc__ = DocWithFields(doc)


def _of(kind: type) -> Iterator[str]:
    """`name: what it is.` of each field with a text."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, ValueError, SyntaxError):  # Python's own, or without a source
        return
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for field, text in itertools.pairwise(body):
        told = text.value if isinstance(text, ast.Expr) else None
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(told, ast.Constant):
            first, *rest = inspect.cleandoc(str(told.value)).splitlines()
            yield f"    {field.target.id}: {first}"
            yield from (f"        {line}" for line in rest)
