"""What keeps the code easy to take over: short functions, little state, one name per idea."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINES = 60
"""Of a function's code; its signature and docstring apart."""
STATE = 13
"""Attributes that a class sets: what has more is several ideas."""
LINES_OF_A_FILE = 400
"""Of a module, docstrings included: what is longer is two ideas."""
THE_SEAM = "skipray/scheduling/ray/private.py"
"""Longer, since every private name of Ray's stands in one module."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / "skipray").rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def code_lines(function: Function) -> int:
    first = function.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    begin = function.body[1] if told and len(function.body) > 1 else first
    assert function.end_lineno is not None
    return function.end_lineno - begin.lineno + 1


def test_no_function_is_long() -> None:
    """Complexity is ruff's to judge (pyproject.toml, mccabe)."""
    functions = [(path, node) for path, tree in trees() for node in ast.walk(tree) if isinstance(node, Function)]
    assert len(functions) > 1000
    long = {f"{path}: {node.name}": code_lines(node) for path, node in functions if code_lines(node) > LINES}
    assert not long


def test_no_file_is_long() -> None:
    lines = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path, _ in trees()}
    assert len(lines) > 500
    assert not {path: count for path, count in lines.items() if count > LINES_OF_A_FILE and path != THE_SEAM}


def test_no_line_of_the_changelog_is_long() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) > 100
    assert not [f"{number}: {line[:60]}" for number, line in enumerate(lines, 1) if len(line) > 125]


def attributes(kind: ast.ClassDef) -> set[str]:
    """Names that a class's methods set on `self`."""
    return {
        node.attr
        for node in ast.walk(kind)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


def test_no_class_is_a_bag_of_state() -> None:
    kinds = [(path, node) for path, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert len(kinds) > 300
    bags = {f"{path}: {node.name}": len(attributes(node)) for path, node in kinds if len(attributes(node)) > STATE}
    assert not bags


def test_no_two_public_types_have_one_name() -> None:
    places = defaultdict(list)
    for path, tree in trees():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
                value = node.value.value
                if isinstance(value, ast.Name) and value.id == "Literal" and isinstance(node.targets[0], ast.Name):
                    places[node.targets[0].id].append(path)
    assert len(places) > 100
    assert not {name: where for name, where in places.items() if len(where) > 1}


def test_no_behaviour_hangs_on_a_warning() -> None:
    """Filters of warnings are one list for all threads of a process, put back by whichever of them is done last: a
    warning turned into an error is one only where no other thread is about to restore its own list."""
    calls = [(path, node) for path, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    filters = [(path, ast.unparse(node)) for path, node in calls if "warnings." in ast.unparse(node.func)]
    assert len(filters) > 5
    assert not [text for text in filters if "'error'" in text[1] or "record=True" in text[1]]


def test_the_words_of_our_own_are_used() -> None:
    """A word that the code no longer has goes from the glossary too."""
    glossary = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Words of our own")[2]
    words = [word for row in re.findall(r"^\| ([a-z ,]+) \| .+ \|$", glossary, flags=re.M) for word in row.split(", ")]
    words.remove("word")
    assert len(words) > 20
    code = "\n".join(path.read_text(encoding="utf-8").lower() for path in (ROOT / "skipray").rglob("*.py"))
    counts = {word: len(re.findall(rf"\b{word}s?\b", code)) for word in words}
    assert not {word: count for word, count in counts.items() if count < 3}
