"""Print what is installed beside this Python and not needed to run skipray: developers' tools, and what only they need.

    python infra/needless.py pyproject.toml | xargs uv pip uninstall

Needed is what `dependencies` and the extras EXTRAS of pyproject.toml require, and what that requires in turn.
"""

import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("train", "cluster")
"""Of pyproject.toml's extras those that an image has."""


def needless(project: Path) -> list[str]:
    """Names of installed distributions that nothing needed requires, sorted; a project that is installed is its own."""
    told = tomllib.loads(project.read_text())["project"]
    lines = [*told["dependencies"], *(line for extra in EXTRAS for line in told["optional-dependencies"][extra])]
    needed = set(_with_theirs(lines)) | {canonicalize_name(told["name"])}
    return sorted({canonicalize_name(one.name) for one in metadata.distributions()} - needed)


def _with_theirs(lines: Iterable[str]) -> Iterator[str]:
    """Names of what these requirements ask for, and of what that asks for in turn, where it is installed."""
    waiting = [(Requirement(line), "") for line in lines]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        yield name
        for each in {"", *wanted.extras}:
            if (name, each) not in seen:
                seen.add((name, each))
                waiting += [(Requirement(line), each) for line in _requirements(name)]


def _requirements(name: str) -> list[str]:
    try:
        return metadata.distribution(name).requires or []
    except metadata.PackageNotFoundError:
        return []  # of another platform


if __name__ == "__main__":
    print(*needless(Path(sys.argv[1])), sep="\n")
