"""A folder as a registry: the file's name is the name in the YAML.

`skipray/architectures/resnet.py` is the family `resnet`; nothing registers it, and nothing else needs to know it.
What a file has to have is the CONTRACT of its folder's `__init__`.
A user's own entry is written `module:name`, where `name` is an object in an importable module (or file on the path)
that has the attributes which a file of that folder has.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import ModuleType
from typing import Any
from weakref import WeakSet

from skipray.extension import as_launched, own_code, reaching
from skipray.extension.contract import Contract, DeclarationRefused, why_not_imported
from skipray.extension.reaching import Source

FOLDERS = ("activations", "architectures", "claims", "curves", "datasets", "initialisations", "metrics")
_CHECKED: "WeakSet[ModuleType]" = WeakSet()
"""Files whose declaration was found to be whole."""


@lru_cache
def names(folder: str) -> tuple[str, ...]:
    """The names in a folder, sorted. Files that start with an underscore, and folders in it, are not entries."""
    if folder not in FOLDERS:
        raise ValueError(f"no catalog folder {folder!r}; there are {', '.join(FOLDERS)}")
    package = importlib.import_module(f"skipray.{folder}")
    found = (m.name for m in pkgutil.iter_modules(package.__path__) if not (m.ispkg or m.name.startswith("_")))
    return tuple(sorted(found))


def find(folder: str, name: str) -> Any:
    """The entry `name` of a folder: its module, or the object that a user's `module:name` points to.

    Raises:
        ValueError: no such name, with the nearest ones and all that exist.
        DeclarationRefused: it lacks something that the folder asks of its entries, or declares what there is not.
    """
    if ":" in name:
        return _load_foreign(folder, name)
    if name not in names(folder):
        near = difflib.get_close_matches(name, names(folder), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ValueError(f"found {name!r}{hint}; allowed: {', '.join(names(folder))}, or module:name for your own")
    return _load_file(folder, name)


def check_all(folder: str) -> None:
    """Raise DeclarationRefused for the first file of a folder that lacks something: of what every sweep is read with,
    though none names it, this is seen before anything is trained."""
    for name in names(folder):
        find(folder, name)


def _load_file(folder: str, name: str) -> ModuleType:
    try:
        module = importlib.import_module(f"skipray.{folder}.{name}")
    except ModuleNotFoundError:
        raise  # what training needs may not be installed, which the command line says
    except Exception as error:
        raise DeclarationRefused(f"found {name!r} (skipray/{folder}/{name}.py), {why_not_imported(error)}") from error
    if module not in _CHECKED:
        _contract(folder).check(name, module)
        _CHECKED.add(module)
    return module


def _contract(folder: str) -> Contract:
    """What the folder says that its entries have."""
    contract: Contract = importlib.import_module(f"skipray.{folder}").CONTRACT
    return contract


def _load_foreign(folder: str, name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"found {name!r}, but importing {module_name!r} failed: {own_code.said(error)}; "
            "allowed: a module on the Python path that can be imported"
        ) from error
    entry: Any = module
    for part in attribute.split("."):
        if not hasattr(entry, part):
            raise ValueError(f"found {name!r}, but {module_name!r} has no {attribute!r}; it has {_public(module)}")
        entry = getattr(entry, part)
    as_launched.note_import(name, module)
    if folder in FOLDERS:
        _contract(folder).check(name, entry)
    return entry


@contextmanager
def at_work(name: str) -> Iterator[None]:
    """Around calls of an entry: what a user's own raises, but a refusal, becomes a ValueError that names its line."""
    try:
        yield
    except ValueError:
        raise
    except (Exception, SystemExit) as error:
        if ":" not in name:
            raise
        raise ValueError(f"found {name!r}, which raised {own_code.said(error)}; allowed: code that runs") from error


def _public(module: ModuleType) -> str:
    return ", ".join(sorted(n for n in vars(module) if not n.startswith("_"))) or "nothing public"


def source_of(name: str, *, reads_data: bool = True) -> Source | None:
    """What a `module:name` entry is made of, what it reaches of the user's own included.

    None for skipray's own, which NUMERICS_VERSION covers.
    """
    return reaching.source_of(name, reads_data=reads_data) if ":" in name else None


def source_hash(name: str) -> str | None:
    """sha256 over those parts; None for skipray's own."""
    source = source_of(name)
    return source.hash if source is not None else None
