"""What is imported is declared in pyproject.toml, and what is declared is imported, or has a reason."""

import ast
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OWN = {
    "skipray",
    *(path.stem for path in (ROOT / "tests").rglob("*.py")),
    *(p.stem for p in (ROOT / "infra").rglob("*.py")),
}
NOT_IMPORTED = {
    "s3fs": "fsspec's way to s3://",
    "ruff": "a command",
    "mypy": "a command",
    "import-linter": "a command",
    "pandas-stubs": "types",
    "types-pyyaml": "types",
    "pytest-timeout": "a plugin",
    "pytest-xdist": "a plugin",
    "mkdocs-material": "a command",
    "mkdocstrings": "a plugin of mkdocs",
    "optuna-dashboard": "a command",
    "ipykernel": "the kernel that a notebook's test starts",
}
"""Declared and never imported -> why."""
NOT_DECLARED = {
    "hydra": "bench_sweep.py's side for Hydra, which it leaves out, and says so, where Hydra is not installed",
    "requests": "what MLflow's client sends with: bench_files.py counts its requests",
}
"""Imported and never declared -> why; by the module's name or, where it is installed, the distribution's."""


def declared(*groups: str) -> set[str]:
    lines = [*PROJECT["dependencies"]] if "" in groups else []
    for group in groups:
        lines += PROJECT["optional-dependencies"].get(group, [])
    return {canonicalize_name(Requirement(line).name) for line in lines}


def imported(*folders: str) -> set[str]:
    """Names of distributions that files import, wherever in them."""
    modules: set[str] = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            modules |= {name.partition(".")[0] for name in _imports(ast.parse(path.read_text()))}
    found = packages_distributions()
    outside = modules - OWN - set(sys.stdlib_module_names)
    return {_distribution(name, found.get(name, [name])) for name in outside}


def _distribution(module: str, candidates: Iterable[str]) -> str:
    """Several distributions may have a module: the one that is declared, such as mlflow beside mlflow-skinny."""
    names = [canonicalize_name(name) for name in candidates]
    wanted = declared("", *PROJECT["optional-dependencies"])
    return next((name for name in names if name in wanted), names[0])


def _imports(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_what_skipray_imports_is_declared() -> None:
    assert imported("skipray") - declared("", "train") == set()


def test_what_tests_import_is_declared() -> None:
    undeclared = imported("tests", "infra") - declared("", *PROJECT["optional-dependencies"])
    assert {name.removesuffix("-core") for name in undeclared} == set(NOT_DECLARED), "no reason may outlive its name"


def test_what_is_declared_is_imported_or_has_a_reason() -> None:
    everywhere = imported("skipray", "tests", "infra")
    assert declared("", "train") - imported("skipray") == set()
    assert declared(*PROJECT["optional-dependencies"]) - everywhere == set(NOT_IMPORTED), (
        "no reason may outlive its name"
    )


@pytest.mark.parametrize("line", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["train"]])
def test_every_dependency_has_a_lowest_version(line: str) -> None:
    assert any(part.operator == ">=" for part in Requirement(line).specifier)
