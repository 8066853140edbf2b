"""What a user's object reaches: an edit of it changes the hash, an edit beside it does not."""

import importlib
import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from skipray.extension.own_code import version_of
from skipray.extension.reaching import changed_parts, source_of
from skipray.extension.statements import statements

NETS = '''"""Two families."""
import json
import math
from pathlib import Path

from mine_parts import Block, scale as factor
import mine_tools.deep
from mine_star import *

DEPTH = 3
WIDTH = 4  # of nothing here
HERE = Path(__file__).parent


def helper(x):
    """Says what it does."""
    return x + DEPTH


class vit:
    @staticmethod
    def build(model, shape, classes):
        table = json.loads((HERE / "tables" / "widths.json").read_text())
        return Block(helper(model.width), factor, mine_tools.deep.turn(1), starred(), table)


class other:
    @staticmethod
    def build(model, shape, classes):
        return WIDTH
'''
FILES = {
    "mine_nets.py": NETS,
    "mine_parts.py": "import mine_deeper\n\n\ndef scale():\n    return 1\n\n\nclass Block:\n    size = 2\n\n"
    "    def forward(self, x):\n        return mine_deeper.double(x)\n\n    def other(self):\n        return 0\n\n\n"
    "def unused():\n    return 1\n",
    "mine_deeper.py": "def double(x):\n    return 2 * x\n\n\ndef triple(x):\n    return 3 * x\n",
    "mine_tools/__init__.py": "LIMIT = 1\n",
    "mine_tools/deep.py": "def turn(x):\n    return x\n\n\ndef unused():\n    return 2\n",
    "mine_star.py": "def starred():\n    return 5\n\n\ndef unused():\n    return 6\n",
    "tables/widths.json": "[1, 2]",
    "tables/other.json": "[3]",
}
Edit = Callable[[str, str, str], None]


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edit]:
    """Replace a text in one of the user's files."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()

    def replace(name: str, old: str, new: str) -> None:
        path = tmp_path / name
        assert old in path.read_text()
        path.write_bytes(path.read_text().replace(old, new).encode())

    yield replace
    for name in [n for n in sys.modules if n.startswith("mine_")]:
        del sys.modules[name]


UNRELATED = {
    "a comment": ("mine_nets.py", "DEPTH = 3", "DEPTH = 3  # three"),
    "a docstring": ("mine_nets.py", "Says what it does.", "Says it otherwise."),
    "formatting": ("mine_nets.py", "return x + DEPTH", "return (x +\n            DEPTH)"),
    "line ends": ("mine_nets.py", "\n", "\r\n"),
    "another family": ("mine_nets.py", "return WIDTH", "return WIDTH + 1"),
    "a new class": ("mine_nets.py", "class other:", "class third:\n    pass\n\n\nclass other:"),
    "an unused constant": ("mine_nets.py", "WIDTH = 4", "WIDTH = 5"),
    "an unused function beside": ("mine_parts.py", "def unused():\n    return 1", "def unused():\n    return 7"),
    "an unused function further": ("mine_deeper.py", "3 * x", "4 * x"),
    "an unused function of a package": ("mine_tools/deep.py", "return 2", "return 3"),
    "an unused starred function": ("mine_star.py", "return 6", "return 7"),
    "a script's part": ("mine_nets.py", "class other:", 'if __name__ == "__main__":\n    print(1)\n\n\nclass other:'),
    "a file that is not read": ("tables/other.json", "3", "4"),
}
RELATED = {
    "its own method": ("mine_nets.py", "table)", "table, 1)", "vit.build"),
    "a function that it calls": ("mine_nets.py", "x + DEPTH", "x - DEPTH", "helper"),
    "a constant": ("mine_nets.py", "DEPTH = 3", "DEPTH = 4", "DEPTH"),
    "a class of another file": ("mine_parts.py", "mine_deeper.double(x)", "mine_deeper.double(x) + 1", "Block.forward"),
    "a class's constant": ("mine_parts.py", "size = 2", "size = 3", "Block"),
    "under another name": ("mine_parts.py", "return 1\n\n\nclass", "return 2\n\n\nclass", "scale"),
    "two files away": ("mine_deeper.py", "2 * x", "5 * x", "double"),
    "a package's": ("mine_tools/deep.py", "return x", "return -x", "turn"),
    "a starred one": ("mine_star.py", "return 5", "return 4", "starred"),
    "what an import does": ("mine_deeper.py", "def double", "print('loaded')\n\n\ndef double", None),
    "what a package's import does": ("mine_tools/__init__.py", "LIMIT = 1", "LIMIT = 1\nprint(LIMIT)", None),
    "a file that is read": ("tables/widths.json", "2", "3", "tables/widths.json"),
}


@pytest.mark.parametrize("name", UNRELATED)
def test_what_is_not_reached_changes_nothing(edit: Edit, name: str) -> None:
    before = source_of("mine_nets:vit")
    edit(*UNRELATED[name])
    now = source_of("mine_nets:vit")
    assert now.hash == before.hash
    assert changed_parts(before.parts, now.parts) == []


@pytest.mark.parametrize("name", RELATED)
def test_what_is_reached_changes_the_hash_and_is_named(edit: Edit, name: str) -> None:
    file, old, new, part = RELATED[name]
    before = source_of("mine_nets:vit")
    edit(file, old, new)
    now = source_of("mine_nets:vit")
    assert now.hash != before.hash
    if part is not None:
        assert changed_parts(before.parts, now.parts) == [part]


def test_a_package_of_more_files_than_are_kept_in_memory_has_one_hash(
    edit: Edit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that is read again is the same module: what was taken of it is not taken twice."""
    edit("mine_nets.py", "DEPTH = 3", "DEPTH, FACTOR = 3, 1")
    edit("mine_nets.py", "x + DEPTH", "x + DEPTH * FACTOR")
    kept = source_of("mine_nets:vit")
    monkeypatch.setattr("skipray.extension.reaching.statements", statements.__wrapped__)
    assert source_of("mine_nets:vit") == kept


def test_names_that_are_looked_up_as_texts_take_the_module_whole(edit: Edit) -> None:
    edit("mine_nets.py", "helper(model.width)", "globals()['helper'](model.width)")
    before = source_of("mine_nets:vit").hash
    edit("mine_nets.py", "WIDTH = 4", "WIDTH = 5")
    assert source_of("mine_nets:vit").hash != before


def test_a_module_that_importlib_loads_by_its_name_counts(edit: Edit, tmp_path: Path) -> None:
    (tmp_path / "mine_late.py").write_text("def late():\n    return 1\n")
    edit("mine_nets.py", "helper(model.width)", "importlib.import_module('mine_late').late()")
    edit("mine_nets.py", "import json", "import importlib\nimport json")
    before = source_of("mine_nets:vit").hash
    (tmp_path / "mine_late.py").write_text("def late():\n    return 2\n")
    assert source_of("mine_nets:vit").hash != before


def test_data_of_a_data_set_is_pinned_by_its_fingerprint(edit: Edit) -> None:
    before = source_of("mine_nets:vit", reads_data=False).hash
    edit("tables/widths.json", "2", "3")
    assert source_of("mine_nets:vit", reads_data=False).hash == before


def test_an_import_of_all_names_within_an_if_is_followed(edit: Edit) -> None:
    edit("mine_nets.py", "from mine_star import *", "if True:\n    from mine_star import *")
    before = source_of("mine_nets:vit").parts
    assert "mine_star: starred" in before
    assert source_of("mine_nets:starred").parts.keys() == {"mine_star: starred"}
    edit("mine_star.py", "return 5", "return 7")
    assert changed_parts(before, source_of("mine_nets:vit").parts) == ["starred"]


def test_of_an_installed_package_of_many_files_the_version_counts() -> None:
    source, other = source_of("torch:sin"), source_of("torch.nn.functional:mish")
    assert list(source.parts) == list(other.parts) == [f"torch {version('torch')}"]
    assert source.hash != other.hash


def test_an_installed_package_of_few_files_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "mine_installed.py").write_text("def f(x):\n    return x\n")
    monkeypatch.syspath_prepend(folder)
    importlib.invalidate_caches()
    before = source_of("mine_installed:f")
    (folder / "mine_installed.py").write_text("def f(x):\n    return 2 * x\n")
    assert source_of("mine_installed:f").hash != before.hash


def test_versions_of_what_is_installed() -> None:
    assert version_of("torch") == version("torch")
    assert version_of("math") == platform.python_version()
