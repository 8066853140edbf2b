"""What a process has once, kept over a trial: a user's code must not change the trials that follow it.

`process_kept` reads each setting before and compares it after. What differs is set back. What cannot be (a thread that
goes on, a mode of torch that was entered and not left) is named, and the process has to be replaced. `of_torch` and
`of_python` list the settings, `patches` the functions, `left_running` what goes on by itself.

Not seen:

| what | what it can do to a later trial |
|---|---|
| torch's and pandas' options of printing | what is printed, no number |
| options of torch.compile (torch._dynamo.config) | numbers of a network that compiles itself |
| whether a backward pass has threads (torch.autograd.set_multithreading_enabled) | time |
| attributes of torch's classes that are no functions | as the attribute is read |
| faulthandler.dump_traceback_later(exit=True) | ends the process, whose trial is then repeated |
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from skipray.trial.kept import left_running, of_python, of_torch, patches
from skipray.trial.kept.setting import Setting, found, same

logger = logging.getLogger(__name__)

LEFT: list[str] = []
"""What trials of this process have changed for good. Who runs trials looks here, and replaces the process."""


@dataclass
class Restored:
    """What a trial had changed."""

    changed: list[str] = field(default_factory=list)
    """Set back."""
    left: list[str] = field(default_factory=list)
    """What could not be set back: the process has to be replaced."""


@contextmanager
def process_kept() -> Iterator[Restored]:
    """Around what may change the process; on leaving, everything is as it was, or named in the value's `left`."""
    settings = found([*of_torch.settings(), *of_python.settings()])
    functions = patches.functions()
    insides = patches.Insides(functions)
    running = left_running.running()
    what = Restored()
    try:
        yield what
    finally:
        changed, left = patches.unpatch(functions)  # first: what follows calls some of them
        what.changed += changed + insides.put_back()
        what.left += left
        for setting, before in settings:
            _put_back(setting, before, what)
        what.left += left_running.since(running)
        LEFT.extend(what.left)
        if what.changed:
            logger.info("set back what a trial had changed in this process: %s", ", ".join(what.changed))
        if what.left:
            logger.warning("a trial has changed what this process cannot set back: %s", ", ".join(what.left))


BY_SKIPRAY = re.compile(r".*random numbers|the environment|the warnings filters|torch\.backends.*fp32_precision")
"""What a trial without code of the user's changes: what it draws and sets, and what imports of libraries set."""


@contextmanager
def skiprays_kept() -> Iterator[None]:
    """Around a trial without code of the user's: what it changes is as it was."""
    what = Restored()
    settings = found(_by_skipray())
    try:
        yield
    finally:
        for setting, before in settings:
            _put_back(setting, before, what)


@cache
def _by_skipray() -> tuple[Setting, ...]:
    return tuple(one for one in (*of_torch.settings(), *of_python.settings()) if BY_SKIPRAY.fullmatch(one.name))


def _put_back(setting: Setting, before: Any, what: Restored) -> None:
    try:
        if same(setting.read(), before):
            return
        setting.write(before)
        put_back = same(setting.read(), before)
    except Exception:
        put_back = False
    names = what.changed if put_back else what.left
    if setting.name not in names:
        names.append(setting.name)
