"""What no code names, since it makes itself known when it is imported: registered, a subclass, a patch."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skipray.extension.reaching import source_of

FAMILY = "class vit:\n    def build(model, shape, classes):\n        return {}\n"
REGISTRY = "KINDS = {}\n\n\ndef register(kind):\n    KINDS[kind.__name__] = kind\n    return kind\n\n\n"
LOOKED_UP = FAMILY.format("KINDS[model.options['kind']]")
BASES = "KINDS = {}\n\n\nclass Base:\n    def __init_subclass__(cls):\n        KINDS[cls.__name__] = cls\n\n\n"
META = "KINDS = {}\n\n\nclass Meta(type):\n    def __init__(cls, *made):\n        KINDS[cls.__name__] = cls\n\n\n"
WIDE = "class wide(Base):\n    size = 1\n\n\n"
FOUND_WITHOUT_A_NAME = {
    "a decorated function": {"mine_a.py": REGISTRY + "@register\ndef wide():\n    size = 1\n\n\n" + LOOKED_UP},
    "a decorated class": {"mine_a.py": REGISTRY + "@register\nclass wide:\n    size = 1\n\n\n" + LOOKED_UP},
    "by a decorator with arguments": {
        "mine_a.py": "KINDS = Registry()\n\n\n@KINDS.add('wide')\ndef wide():\n    size = 1\n\n\n" + LOOKED_UP
    },
    "a decorated method": {
        "mine_a.py": REGISTRY + "class kinds:\n    @register\n    def wide():\n        size = 1\n\n\n" + LOOKED_UP
    },
    "decorated within an if": {
        "mine_a.py": REGISTRY
        + "if KINDS is not None:\n    @register\n    def wide():\n        size = 1\n\n\n"
        + LOOKED_UP
    },
    "by a decorator with a harmless one's name": {
        "mine_b.py": REGISTRY.replace("register", "property"),
        "mine_a.py": "from mine_b import KINDS, property\n\n\n@property\ndef wide():\n    size = 1\n\n\n" + LOOKED_UP,
    },
    "in a module imported for its effect": {
        "mine_c.py": REGISTRY,
        "mine_b.py": "from mine_c import register\n\n\n@register\nclass wide:\n    size = 1\n",
        "mine_a.py": "import mine_b\nfrom mine_c import KINDS\n\n\n" + LOOKED_UP,
    },
    "in a module whose other name is used elsewhere": {
        "mine_c.py": REGISTRY,
        "mine_b.py": "from mine_c import register\n\n\n@register\nclass wide:\n    size = 1\n\n\n"
        "def turn():\n    pass\n",
        "mine_a.py": "from mine_b import turn\nfrom mine_c import KINDS\n\n\ndef unused():\n    turn()\n\n\n"
        + LOOKED_UP,
    },
    "two imports away": {
        "mine_c.py": "import json\n\njson.wide = 'size = 1'\n",
        "mine_b.py": "try:\n    import mine_c\nexcept ImportError:\n    pass\n",
        "mine_a.py": "import json\nimport mine_b\n\n\n" + FAMILY.format("json.wide"),
    },
    "what a package's import patches": {
        "mine_p/__init__.py": "from . import patch\n",
        "mine_p/patch.py": "from .parts import Block\n\nBlock.f = lambda self: 'size = 1'\n",
        "mine_p/parts.py": "class Block:\n    pass\n",
        "mine_a.py": "from mine_p.parts import Block\n\n\n" + FAMILY.format("Block()"),
    },
    "a subclass": {"mine_a.py": BASES + WIDE + LOOKED_UP},
    "a subclass's subclass": {
        "mine_a.py": BASES + "class Middle(Base):\n    pass\n\n\n" + WIDE.replace("Base", "Middle") + LOOKED_UP
    },
    "a subclass of another file's": {
        "mine_c.py": BASES,
        "mine_b.py": "import mine_c as bases\n\n\n" + WIDE.replace("Base", "bases.Base"),
        "mine_a.py": "import mine_b\nfrom mine_c import KINDS\n\n\n" + LOOKED_UP,
    },
    "a class of a metaclass": {"mine_a.py": META + "class Base(metaclass=Meta):\n    pass\n\n\n" + WIDE + LOOKED_UP},
    "what a base is asked for": {
        "mine_a.py": "class Base:\n    pass\n\n\n" + WIDE + FAMILY.format("Base.__subclasses__()"),
    },
    "what a class asks itself for": {
        "mine_a.py": "class Base:\n    @classmethod\n    def kinds(cls):\n        return cls.__subclasses__()\n\n\n"
        + WIDE
        + FAMILY.format("Base.kinds()"),
    },
    "what a base in a variable is asked for": {
        "mine_a.py": "class Base:\n    pass\n\n\n"
        + WIDE
        + "def below(kind):\n    return kind.__subclasses__()\n\n\n"
        + FAMILY.format("below(Base)"),
    },
    "a relative module that importlib loads": {
        "mine_p/__init__.py": "from importlib import import_module\n\n\n"
        + FAMILY.format("import_module('.parts', __package__).wide()"),
        "mine_p/parts.py": "def wide():\n    size = 1\n",
        "mine_a.py": "from mine_p import vit\n",
    },
    "a module's own lookup": {
        "mine_b.py": "def __getattr__(name):\n    return 'size = 1'\n",
        "mine_a.py": "import mine_b\n\n\n" + FAMILY.format("mine_b.wide"),
    },
}
HARMLESS = {
    "functools.lru_cache": "import functools\n\n\n@functools.lru_cache(maxsize=None)\ndef wide():\n    size = 1\n",
    "under another name": "from functools import cache as once\n\n\n@once\ndef wide():\n    size = 1\n",
    "dataclass": "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass wide:\n    size = 1\n",
    "torch.no_grad": "import torch\n\n\n@torch.no_grad()\ndef wide():\n    size = 1\n",
    "torch.jit": "import torch\n\n\n@torch.jit.script\ndef wide():\n    size = 1\n",
    "contextmanager": "import contextlib\n\n\n@contextlib.contextmanager\ndef wide():\n    size = 1\n",
    "overload": "import typing as t\n\n\n@t.overload\ndef wide():\n    size = 1\n",
    "methods": "from abc import ABC, abstractmethod\n\n\nclass wide(ABC):\n    size = 1\n\n"
    "    @property\n    def a(self):\n        pass\n\n    @a.setter\n    def a(self, to):\n        pass\n\n"
    "    @staticmethod\n    @abstractmethod\n    def b():\n        pass\n",
    "a plain subclass": "class Base:\n    pass\n\n\n" + WIDE,
    "a subclass of another base": BASES + "class Other:\n    pass\n\n\n" + WIDE.replace("Base", "Other"),
    "a plain metaclass": "class Meta(type):\n    def __call__(cls):\n        pass\n\n\n"
    "class wide(metaclass=Meta):\n    size = 1\n",
    "what only type checkers import": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import mine_b\n",
    "an unused function of what is imported": "import mine_c\n",
}
BESIDE = {"mine_b.py": "print('size = 1')\n", "mine_c.py": "def wide():\n    size = 1\n"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the user's modules lie."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [n for n in sys.modules if n.startswith("mine_")]:
        del sys.modules[name]


@pytest.mark.parametrize("name", FOUND_WITHOUT_A_NAME)
def test_what_makes_itself_known_at_import_is_reached(folder: Path, name: str) -> None:
    _write(folder, FOUND_WITHOUT_A_NAME[name])
    before = source_of("mine_a:vit").hash
    _grow(folder)
    assert source_of("mine_a:vit").hash != before


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_not_act_at_import_is_not_reached(folder: Path, name: str) -> None:
    _write(folder, {"mine_a.py": HARMLESS[name] + "\n\n" + FAMILY.format("0"), **BESIDE})
    before = source_of("mine_a:vit")
    _grow(folder)
    assert source_of("mine_a:vit").hash == before.hash
    assert [part for part in before.parts if part.startswith("mine_a")] == ["mine_a: vit", "mine_a: vit.build"]


def test_a_module_that_cannot_be_read_is_no_error_where_it_is_imported_along(folder: Path) -> None:
    text = "try:\n    import mine_b\nexcept SyntaxError:\n    pass\n\n\n"
    _write(folder, {"mine_b.py": "def (", "mine_a.py": text + FAMILY.format("0")})
    assert source_of("mine_a:vit").parts.keys() == {"mine_a: vit", "mine_a: vit.build"}


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    importlib.invalidate_caches()


def _grow(folder: Path) -> None:
    """Edit each `size = 1` that there is."""
    texts = {path: path.read_text() for path in folder.rglob("mine_*/*.py")}
    texts |= {path: path.read_text() for path in folder.glob("mine_*.py")}
    edited = {path: text.replace("size = 1", "size = 2") for path, text in texts.items()}
    assert edited != texts
    for path, text in edited.items():
        path.write_text(text)
