"""The verbs of the command line, one per file: the file's name is the verb, and its function of that name is the
command.

`EXAMPLES` are lines that a verb's help ends with. Each verb imports what it needs when it runs, so that `plan` starts
in a moment and `aggregate` and `report` run where torch and ray are not installed. What a verb says when it is
interrupted stands in its file as `INTERRUPTED`; those that change nothing have none.
"""

import importlib
import keyword
import pkgutil
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any

from skipray.extension.contract import Attribute, Contract, DeclarationRefused, why_not_imported


@lru_cache
def names() -> tuple[str, ...]:
    """The verbs, sorted."""
    return tuple(sorted(m.name.rstrip("_") for m in pkgutil.iter_modules(__path__) if not m.ispkg))


def find(name: str) -> ModuleType:
    """The file of a verb. Raises DeclarationRefused where it cannot be imported: what was found, in which line."""
    file = _python_name(name)
    try:
        return importlib.import_module(f"skipray.verbs.{file}")
    except Exception as error:
        refusal = f"found {name!r} (skipray/verbs/{file}.py), {why_not_imported(error)}"
        raise DeclarationRefused(refusal) from error


def command(name: str) -> Callable[..., Any]:
    """The function of a verb."""
    module = find(name)
    function_of = Attribute((_python_name(name),), call=("...",), loose=True)
    Contract((function_of, Attribute(("EXAMPLES",), kind=tuple))).check(name, module)
    function: Callable[..., Any] = getattr(module, _python_name(name))
    return function


def _python_name(name: str) -> str:
    """A word of Python's own bears an underscore: `import` is import_."""
    return f"{name}_" if keyword.iskeyword(name) else name
