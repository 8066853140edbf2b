"""The user's own code, named `module:name` in a sweep: the files that it is made of, and where in it something broke.

A module is the user's where it lies outside skipray, the standard library and what is installed.
"""

import ast
import hashlib
import importlib.util
import platform
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_INSTALLED = [sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
_NOT_THEIRS = tuple(Path(folder).resolve() for folder in (str(Path(__file__).parents[1]), *_INSTALLED))


def sources(module: str) -> dict[str, Path]:
    """Module name -> file, of an imported module and of all of the user's that it imports, near or far."""
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        foreign = name.partition(".")[0] != module.partition(".")[0] and is_foreign(name.partition(".")[0])
        path = None if name in found or foreign else file_of(name)
        if path is None or not (is_users(path) or name.partition(".")[0] == module.partition(".")[0]):
            continue
        found[name] = path
        waiting += _imported(name, path)
    return found


def source_hash(module: str) -> str:
    """sha256 over those files, as they are: how skipray 0.1 told one version of them from another."""
    digest = hashlib.sha256()
    for name, path in sorted(sources(module).items()):
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def is_users(path: str | Path) -> bool:
    """Whether a source file is the user's."""
    resolved = Path(path).resolve()
    return resolved.is_file() and not any(resolved.is_relative_to(f) for f in _NOT_THEIRS) and not _elsewhere(resolved)


def _elsewhere(path: Path) -> bool:
    """Whether a file is of another environment's packages or of another copy of skipray: a worker has its own, which
    Ray has unpacked for it, and tells this process its paths."""
    copies = (parent / "extension" / Path(__file__).name for parent in path.parents if parent.name == "skipray")
    return not {"site-packages", "dist-packages"}.isdisjoint(path.parts) or any(copy.is_file() for copy in copies)


@lru_cache(maxsize=1024)
def is_foreign(top: str) -> bool:
    """Whether a top-level module is found, and is not the user's: nothing below it is."""
    try:
        spec = getattr(sys.modules.get(top), "__spec__", None) or importlib.util.find_spec(top)
    except (ImportError, AttributeError, ValueError):
        return False
    return spec is not None and bool(spec.origin) and not is_users(str(spec.origin))


@lru_cache(maxsize=64)
def version_of(top: str) -> str:
    """Version of the installed package that a top-level module belongs to; Python's for the standard library's."""
    from importlib.metadata import packages_distributions, version  # which no other command waits for

    for distribution in packages_distributions().get(top, ()):
        return version(distribution)
    return platform.python_version()


def said(error: BaseException) -> str:
    """`mine.py:12: KeyError: 'width'`: an error, and the innermost of the user's lines that it went through."""
    text = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}".removesuffix(": ")
    place = place_of(error)
    return text if place is None else f"{place}: {text}"


def place_of(error: BaseException) -> str | None:
    """`mine.py:12` of the innermost of the user's lines; None where there is none."""
    if isinstance(error, SyntaxError) and error.filename and is_users(error.filename):
        return f"{_shown(error.filename)}:{error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_users(frame.filename):
            return f"{_shown(frame.filename)}:{frame.lineno}"
    return None


def line_of(function: object) -> str:
    """`mine.py:12` where a function begins; its name for what has no lines."""
    code = getattr(function, "__code__", None)
    return (
        getattr(function, "__name__", repr(function))
        if code is None
        else f"{_shown(code.co_filename)}:{code.co_firstlineno}"
    )


def place_in(traces: str) -> str | None:
    """`mine.py:12` of the innermost of the user's lines in what Python or faulthandler has written of where it was.

    faulthandler begins with the innermost call, a traceback ends with it.
    """
    lines = re.findall(r'File "([^"]+)", line (\d+)', traces)
    if "most recent call first" not in traces:
        lines.reverse()
    return next((f"{_shown(path)}:{number}" for path, number in lines if is_users(path)), None)


def _shown(filename: str) -> str:
    path = Path(filename).resolve()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def file_of(name: str) -> Path | None:
    """The source of a module; None for what has none, or is no module."""
    above = file_of(name.rpartition(".")[0]) if "." in name.strip(".") else None
    if above is not None and above.name != "__init__.py":
        return None  # to look there would import it, and ask its own `__getattr__` for a `__path__`
    try:
        spec = getattr(sys.modules.get(name), "__spec__", None) or importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return None
    origin = Path(spec.origin) if spec is not None and spec.origin else None
    return origin if origin is not None and origin.suffix == ".py" and origin.is_file() else None


def _imported(name: str, path: Path) -> Iterator[str]:
    """Names that a module's source imports, wherever in it; those of its package, whose files run first."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    if package != name and package:
        yield package
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # of a module that is imported late, or never
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                yield from (".".join(parts[: i + 1]) for i in range(len(parts)))
        elif isinstance(node, ast.ImportFrom):
            try:
                base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            except ImportError:
                continue
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
