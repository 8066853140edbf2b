"""What is public: every name is listed, is there, and is told by `help()`."""

import importlib
import inspect
import pydoc
import re
from pathlib import Path
from types import ModuleType

import pytest

import skipray

MODULES = re.findall(r"`(\w+)`", skipray.__doc__.partition("public modules are")[2]) if skipray.__doc__ else []
LONGEST = 700
"""Characters of a signature: what spells out numpy's unions has more than a thousand."""


def text_of(thing: object) -> str:
    return pydoc.render_doc(thing, renderer=pydoc.plaintext)


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(f"skipray.{request.param}")


def test_every_public_name_is_there_and_told(module: ModuleType) -> None:
    assert len(MODULES) == 9
    for name in module.__all__:
        thing = getattr(module, name)
        if not callable(thing):
            continue
        assert inspect.getdoc(thing), name
        methods = [v for k, v in vars(thing).items() if inspect.isfunction(v) and not k.startswith("_")]
        for told in (thing, *methods) if isinstance(thing, type) else (thing,):
            assert inspect.getdoc(told), f"{name}: {told}"
            if not isinstance(told, type):
                (signature,) = [line for line in text_of(told).splitlines() if line.startswith(f"{told.__name__}(")]
                assert len(signature) < LONGEST, signature


def test_fields_of_public_classes_are_told(module: ModuleType) -> None:
    for name in module.__all__:
        thing = getattr(module, name)
        if isinstance(thing, type) and inspect.getmodule(thing) is not None:
            source = inspect.getsource(thing)
            fields = re.findall(r'^    (\w+): [^\n]*\n    """(\S+)', source, flags=re.M)
            by_pydantic = hasattr(thing, "model_fields")  # pydoc cannot ask its classes; IPython's `?` can
            told = str(inspect.getdoc(thing)) if by_pydantic else text_of(thing)
            for field, first in fields:
                begins = re.escape(first.removesuffix('"' * 3))
                assert re.search(rf"^[ |]*    {field}: {begins}", told, re.M), (name, field)


def test_help_of_the_package_shows_the_sweep() -> None:
    told = text_of(skipray)
    assert "class Sweep(" in told
    assert "launch(self" in told
    assert "stay within a major version" in told


def test_the_reference_has_what_is_public() -> None:
    page = (Path(__file__).parents[1] / "docs" / "reference" / "python.md").read_text()
    named = re.findall(r"^::: (\S+)$", page, flags=re.M)
    assert "skipray.sweep.Sweep" in named
    for name in named:
        home, _, last = name.rpartition(".")
        assert last in importlib.import_module(home.replace("skipray.sweep", "skipray")).__all__, name
