"""Decorators that are known to change nothing but what they decorate; any other may act, as `@register` does."""

import ast
from collections.abc import Iterable

HARMLESS = (
    *(
        "abc",
        "attr",
        "attrs",
        "beartype",
        "click",
        "contextlib",
        "dataclasses",
        "enum",
        "functools",
        "jaxtyping",
        "numba",
    ),
    *("pytest", "typing", "typing_extensions", "hydra.main", "numpy.vectorize", "warnings.deprecated"),
    *("torch.amp", "torch.autocast", "torch.autograd", "torch.compile", "torch.compiler", "torch.cuda.amp"),
    *("torch.enable_grad", "torch.inference_mode", "torch.jit", "torch.no_grad", "torch.set_grad_enabled"),
)
"""Modules whose decorators are harmless, and single ones of other modules."""
BUILTIN = {"classmethod", "property", "staticmethod"}
ACCESSORS = {"setter", "getter", "deleter"}
"""Of a property, which the class itself has."""


class Decorators:
    """The decorators of one module, by the names that it has for them."""

    def __init__(self, top_level: Iterable[ast.stmt]):
        self._imported: dict[str, set[str]] = {}
        self._defined: set[str] = set()
        for node in top_level:
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._note(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._defined.add(node.name)
            elif isinstance(node, ast.Assign):
                self._defined.update(target.id for target in node.targets if isinstance(target, ast.Name))

    def may_act(self, decorator: ast.expr) -> bool:
        """Whether to decorate with it may do more than to change what is decorated."""
        here = decorator
        while isinstance(here, ast.Call):
            here = here.func
        attributes: list[str] = []
        while isinstance(here, ast.Attribute):
            attributes.insert(0, here.attr)
            here = here.value
        if not isinstance(here, ast.Name):
            return True
        if len(attributes) == 1 and attributes[0] in ACCESSORS:
            return False
        if here.id in self._imported:
            names = (".".join([name, *attributes]) for name in self._imported[here.id])
            return not all(_is_harmless(name) for name in names)
        return bool(attributes) or here.id in self._defined or here.id not in BUILTIN

    def _note(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                bound, name = alias.asname or alias.name, f"{'.' * node.level}{node.module or ''}.{alias.name}"
            elif alias.asname:
                bound = alias.asname
                name = alias.name
            else:
                bound = name = alias.name.partition(".")[0]
            self._imported.setdefault(bound, set()).add(name)


def _is_harmless(name: str) -> bool:
    return any(name == known or name.startswith(f"{known}.") for known in HARMLESS)
