"""The command line: its verbs stand in `skipray.verbs`, one per file.

`skipray VERB`, `python -m skipray VERB` and `python -m skipray.launch VERB` are the same; `python -m skipray.launch
SWEEP` is `skipray launch SWEEP`.

Exit codes: 0 all done; 1 an internal error; 2 bad input; 3 some trials failed; 130 interrupted, resumable.
"""

if __name__ == "__main__":
    from skipray.terminal.at_start import end_at_signals, refuse_hidden_libraries

    end_at_signals()
    refuse_hidden_libraries()

import errno
import gc
import os
import sys
import traceback
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from skipray import __version__, verbs
from skipray.errors import SkiprayError
from skipray.extension import own_code
from skipray.scheduling.work.permissions import keep_others_from_writing
from skipray.terminal.interrupts import interrupt_on_signals
from skipray.terminal.lines import say as tell
from skipray.terminal.streams import ResultsNotWritten, flush_results, mend_streams
from skipray.terminal.supervisor import supervised
from skipray.verbs.shared.surroundings import of_skipray, of_verb

app = typer.Typer(
    name="skipray",
    help="How deep can an architecture go, and why does it break?",
    epilog=of_skipray(),
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMPLETION = f"_{app.info.name}_complete".upper()
"""Set by the script that `skipray --install-completion` writes."""
OF_THE_SHELL = {"--install-completion", "--show-completion"}
"""Typer's own, which exit."""
GARBAGE_THRESHOLD = 100_000
"""New containers before Python looks for garbage among them."""
NO_ROOM = {
    errno.ENOSPC: "make room: `df` and `df -i` tell where bytes or files have run out",
    errno.EDQUOT: "make room: a quota is used up",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "choose a place that may be read and written, or have the permission given",
    errno.EPERM: "choose a place that may be read and written, or have the permission given",
    errno.EMFILE: "allow more open files (`ulimit -n`)",
    errno.ENFILE: "the machine has too many open files: end something",
}
"""What a user can do about an error of the system that comes of too little room, or of a permission that is missing."""
REPEAT = 75
"""The exit code of a command that is to be run once more: EX_TEMPFAIL of sysexits.h."""
TRAINING_PACKAGES = ("torch", "torchvision", "ray", "optuna", "safetensors", "sklearn")


def _spare_warnings() -> None:
    """A warning of a package that skipray uses is no error of a sweep, also with PYTHONWARNINGS=error.

    Then those are seen that Python shows when nothing is asked of it.
    """
    if any(action == "error" for action, *_ in warnings.filters):
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        os.environ.pop("PYTHONWARNINGS", None)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Args:
        arguments: are run in this process; when left out, those that this process was started with, in a child process
            that it looks after (skipray.terminal.supervisor).
    """
    if arguments is not None:
        sys.exit(run(arguments))
    if COMPLETION in os.environ:  # a shell asks what may follow
        app(prog_name="skipray")
    arguments = sys.argv[1:]
    keep_others_from_writing()
    _spare_warnings()
    mend_streams(one_object="--json" in arguments)
    died = partial(_say_death, arguments)
    code = supervised(partial(run, arguments, may_repeat=True), died)
    sys.exit(supervised(partial(run, arguments), died) if code == REPEAT else code)


def run(arguments: list[str], *, may_repeat: bool = False) -> int:
    """Run one command in this process. Returns its exit code.

    Args:
        may_repeat: whether REPEAT is returned after an error that may be gone in a fresh process.
    """
    # Imports make many objects and no garbage: to look for it among them is a tenth of a short command's time.
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        here = str(Path.cwd())
    except FileNotFoundError:
        tell("the working directory does not exist any more; change to one that does, and run the same command again")
        return 2
    if not {"", here} & set(sys.path):
        sys.path.append(here)  # `skipray` finds the user's own `module:name` where `python -m` does
    interrupt_on_signals()
    try:
        code = app(arguments, standalone_mode=False)
        flush_results()
    except typer.Exit as leaving:
        code = leaving.exit_code
    except SkiprayError as error:
        repeats = may_repeat and error.passing
        tell(f"{str(error).removesuffix('; try again')}; trying once more" if repeats else str(error))
        code = REPEAT if repeats else error.exit_code
    except KeyboardInterrupt:
        code = 130
    except SystemExit as error:  # skipray's own verbs raise none
        if not error.code and OF_THE_SHELL & set(arguments):
            return 0
        tell(f"the work was ended by {own_code.said(error)}: code of your own, or a library, has asked to exit")
        code = 1
    except Exception as error:
        code = _usage_error(error) or _missing_package(error) or _no_room(error)
        if code is None:
            traceback.print_exc()
            tell(f"internal error: {type(error).__name__}: {error}")
            code = 1
    if code == 130:  # typer turns KeyboardInterrupt into this code
        tell(getattr(_verb_of(arguments), "INTERRUPTED", "interrupted"))
    with suppress(ResultsNotWritten):
        flush_results()
    return code if isinstance(code, int) else 0


def _verb_of(arguments: list[str]) -> ModuleType | None:
    """The verb's file; None where none is named, or where it cannot be imported, which the command itself says."""
    verb = next((word for word in arguments if word[:1] != "-"), "")
    with suppress(SkiprayError):
        return verbs.find(verb) if verb in verbs.names() else None
    return None


def _say_death(arguments: list[str], how: str, traces: str) -> int:
    """Of the process that ran a command: it was ended, or has ended itself, before it could say so.

    Args:
        how: it has ended; empty where it was asked to, and killed because it did not.
        traces: what the interpreter has left of where it was.
    """
    go_on = getattr(_verb_of(arguments), "INTERRUPTED", "")
    if not how:
        tell(go_on or "interrupted")
        return 130
    place = own_code.place_in(traces)
    where = f" at {place}, in code of your own" if place else ""
    if go_on:
        tell(f"the process has ended before its work was done ({how}{where}); {go_on.removeprefix('interrupted; ')}")
        return 130
    tell(f"the process has ended before its work was done ({how}{where}): code of your own, or a library, has ended it")
    return 1


def _usage_error(error: Exception) -> int | None:
    """2 for what click refuses (an unknown option, a missing argument), which shows itself; else None."""
    show = getattr(error, "show", None)
    if show is None or not hasattr(error, "exit_code"):
        return None
    show()
    return 2


def _missing_package(error: Exception) -> int | None:
    """2 where training is asked for and what it needs is not installed; else None."""
    if not isinstance(error, ModuleNotFoundError) or error.name not in TRAINING_PACKAGES:
        return None
    tell(f"{error}; training needs what `pip install skipray[train]` installs")
    return 2


def _no_room(error: Exception) -> int | None:
    """2 where the machine has no room left for what was to be written, or does not allow it; else None."""
    if not isinstance(error, OSError) or error.errno not in NO_ROOM:
        return None
    said = str(error).removeprefix(f"[Errno {error.errno}] ")
    tell(f"{said}; {NO_ROOM[error.errno]}")
    return 2


ANYTHING = {"allow_extra_args": True, "ignore_unknown_options": True}
"""How a command is given that only says what is wrong with its file: it says it whatever it is given."""


def _add(name: str) -> None:
    """Add a verb to the command line; in place of one whose file cannot be imported, or has no such function, what says
    so when the verb is asked for, so that the others work."""
    try:
        command = verbs.command(name)
        app.command(name, epilog=of_verb(verbs.find(name).EXAMPLES))(command)
    except SkiprayError as error:
        refusal = error

        @app.command(name, context_settings=ANYTHING)
        def refused(_: typer.Context) -> None:
            raise refusal


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def with_verb(arguments: list[str]) -> list[str]:
    """The arguments of `python -m skipray.launch`: a sweep that stands where a verb could is launched."""
    if not arguments or arguments[0] in (*verbs.names(), "-h", "--help", "--version"):
        return arguments
    return ["launch", *arguments]


for _name in verbs.names():
    _add(_name)


if __name__ == "__main__":
    sys.argv[1:] = with_verb(sys.argv[1:])
    main()
