"""What is written beside the package uses its public names alone: tests, additions, documentation, and the files of the
catalog folders, which a newcomer begins from."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from skipray.extension import catalog

ROOT = Path(__file__).resolve().parents[1]
PRIVATE = re.compile(r"\bskipray(\.\w+)*\.(?!__)_\w+")


def private_imports(source: str) -> Iterator[str]:
    """Modules and names of skipray with an underscore in front that a file imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if PRIVATE.match(name))


def test_what_is_written_beside_the_package_imports_public_names() -> None:
    paths = [path for folder in ("tests", "docs", "infra") for path in (ROOT / folder).rglob("*.py")]
    assert len(paths) > 200
    found = {str(p.relative_to(ROOT)): names for p in paths if (names := [*private_imports(p.read_text())])}
    assert not found


def test_files_of_the_catalogs_import_public_names() -> None:
    paths = [ROOT / "skipray" / folder / f"{name}.py" for folder in catalog.FOLDERS for name in catalog.names(folder)]
    paths += [path for path in (ROOT / "skipray" / "verbs").glob("*.py") if path.stem != "__init__"]
    found = {str(p.relative_to(ROOT)): names for p in paths if (names := [*private_imports(p.read_text())])}
    assert not found


def test_pages_name_public_names() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb")]
    pages = [page for page in pages if page.name != "CHANGELOG.md"]  # it tells of what was
    assert len(pages) > 20
    found = {str(p.relative_to(ROOT)): m.group() for p in pages if (m := PRIVATE.search(p.read_text(encoding="utf-8")))}
    assert not found
    files = {str(p.relative_to(ROOT)): m.group() for p in pages
             if (m := re.search(r"`(skipray/)?(\w+/)*_(?!_)\w+\.py`", p.read_text(encoding="utf-8")))}  # fmt: skip
    assert not files


def test_a_private_import_is_seen() -> None:
    assert [*private_imports("from skipray.claims import _x, judge\nimport skipray.metrics._words")] == [
        "skipray.claims._x",
        "skipray.metrics._words",
    ]
    assert not [*private_imports("from skipray import __version__")]
