"""What import statements name: modules, and names of modules."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class ImportedName(NamedTuple):
    """One name that an import binds."""

    bound: str
    """`*` for all names of the module."""
    module: str
    name: str
    """Of the module, or of a submodule; empty where a module itself is imported."""


def package_of(module: str, path: Path) -> str:
    """What a module's relative imports start from."""
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def absolute(name: str, package: str) -> str | None:
    """A module's full name; None where it leads out of the package."""
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError:
        return None


def imported(node: ast.stmt, package: str) -> Iterator[ImportedName]:
    """What a statement imports; nothing where it is no import."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield ImportedName(alias.asname or alias.name.partition(".")[0], alias.name, "")
    elif isinstance(node, ast.ImportFrom):
        base = absolute("." * node.level + (node.module or ""), package)
        if base is not None:
            yield from (ImportedName(alias.asname or alias.name, base, alias.name) for alias in node.names)
