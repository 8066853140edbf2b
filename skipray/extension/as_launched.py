"""Whether the user's own code in this process is the code that a launch began with.

A trial is known by its code, and a launch reads the files once. A process that starts later imports them as they are
then: where they were edited meanwhile, it refuses. What a process has imported stays what it is, so that code may be
edited while a launch goes on; of data files that the code names, what counts is what they hold when a trial begins.
"""

import importlib
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from skipray.errors import SkiprayError
from skipray.extension import reaching

_FOUND: dict[str, tuple[list[str], frozenset[str]]] = {}
"""module:name and its hash -> the parts that differed when this process imported it, and the modules it had then."""

_IMPORTED: dict[str, tuple[object, dict[str, str]]] = {}
"""module:name -> the module's spec, which a reload renews, and its code when this process looked it up."""


class CodeEdited(SkiprayError):
    """The code is another than the launch began with."""


def check(sources: Mapping[str, Mapping[str, Any]], dataset: str) -> None:
    """Import what `sources` names, and compare it.

    Args:
        sources: `module:name` -> what it was made of (`reaching.Source.as_dict`) when the launch read it.
        dataset: the name of the data set, whose files its fingerprint pins.

    Raises:
        CodeEdited: it was edited since.
        Exception: whatever its import raises.
    """
    for name, source in sources.items():
        changed = _changed(name, source, reads_data=name != dataset)
        if changed:
            raise CodeEdited(
                f"found {name!r} as it was edited since the launch began (changed: {', '.join(changed)}); allowed: the "
                "code that its other trials ran with. Launch again for the code as it is now"
            )


def note_import(name: str, module: ModuleType) -> None:
    """Remember what `module:name` was made of when its module was imported, or was reloaded."""
    if name not in _IMPORTED or _IMPORTED[name][0] is not module.__spec__:
        _IMPORTED[name] = (module.__spec__, reaching.source_of(name, reads_data=False).parts)


def modules_of(hashes: Iterable[tuple[str, str]]) -> list[ModuleType]:
    """The user's modules that a trial's own code is in; imports those that it names.

    Args:
        hashes: `module:name` and the hash that a trial has of it.

    Raises:
        Exception: whatever an import raises.
    """
    names: dict[str, None] = {}
    for name, _ in hashes:
        if name not in _IMPORTED:
            note_import(name, importlib.import_module(name.partition(":")[0]))
        names |= dict.fromkeys(map(reaching.module_of, _IMPORTED[name][1]))
    return [module for name in names if isinstance(module := sys.modules.get(name), ModuleType)]


def check_imported(hashes: Iterable[tuple[str, str]], dataset: str) -> None:
    """Refuse to run, as the code that is in its files now, what this process imported before it was edited.

    Args:
        hashes: `module:name` and the hash that a trial has of it; where the files have another one, nothing is known.
        dataset: the name of the data set.

    Raises:
        CodeEdited: a notebook, say, reads a sweep anew after an edit, and its modules are still the old ones.
    """
    for name, recorded in hashes:
        if name not in _IMPORTED or reaching.source_of(name, reads_data=name != dataset).hash != recorded:
            continue
        changed = _differing(_IMPORTED[name][1], reaching.source_of(name, reads_data=False).parts)
        if changed:
            module = name.partition(":")[0]
            raise CodeEdited(
                f"found {name!r} as this process imported it, before it was edited (changed: "
                f"{', '.join(reaching.in_words(changed))}); allowed: the code of the trial, as after "
                f"importlib.reload({module}), or in a new process"
            )


def _changed(name: str, source: Mapping[str, Any], *, reads_data: bool) -> list[str]:
    launched: Mapping[str, str] = source["parts"]
    key = f"{name} {source['hash']}"
    if key not in _FOUND:
        before = reaching.source_of(name, reads_data=reads_data).parts
        importlib.import_module(name.partition(":")[0])
        after = reaching.source_of(name, reads_data=reads_data).parts
        wrong = [*_differing(launched, before), *_differing(launched, after)]
        _FOUND[key] = (list(dict.fromkeys(wrong)), frozenset(sys.modules))
    wrong, imported = _FOUND[key]
    if wrong:
        return reaching.in_words(wrong)
    now = reaching.source_of(name, reads_data=reads_data).parts
    return reaching.in_words(p for p in _differing(launched, now) if reaching.module_of(p) not in imported)


def _differing(launched: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Parts that both have: a node of a cluster may lack a file that lies beside the launch."""
    return sorted(part for part in launched.keys() & now.keys() if launched[part] != now[part])
