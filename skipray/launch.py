"""The command line: its verbs stand in `skipray.verbs`, one a file.

`skipray VERB`, `python -m skipray VERB` and `python -m skipray.launch VERB` are the same; `python -m skipray.launch
SWEEP` is `skipray launch SWEEP`.

Exit codes: 0 all done; 1 an internal error; 2 bad input; 3 some trials failed; 130 interrupted, resumable.
"""

import atexit
import gc
import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from skipray import __version__, verbs
from skipray.spec import SpecError
from skipray.verbs._loading import BadInput
from skipray.verbs._speaking import tell

app = typer.Typer(
    name="skipray",
    help="How deep can an architecture go, and why does it break?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

GARBAGE_THRESHOLD = 100_000
"""New containers before Python looks for garbage among them."""
TRAINING_PACKAGES = ("torch", "torchvision", "ray", "optuna", "safetensors", "sklearn")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Imports make many objects and no garbage: to look for it among them is a tenth of a short command's time.
    gc.set_threshold(GARBAGE_THRESHOLD)
    atexit.register(_leave)
    here = str(Path.cwd())
    if not {"", here} & set(sys.path):
        sys.path.append(here)  # `skipray` finds the user's own `module:name` where `python -m` does
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does, at any moment
    try:
        code = app(arguments, standalone_mode=False)
    except typer.Exit as leaving:
        code = leaving.exit_code
    except (SpecError, BadInput) as error:
        tell(str(error))
        code = 2
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        code = _usage_error(error) or _refusal(error)
        if code is None:
            traceback.print_exc()
            tell(f"internal error: {type(error).__name__}: {error}")
            code = 1
    if code == 130:  # typer turns KeyboardInterrupt into this code
        verb = next((word for word in arguments if word[:1] != "-"), "")
        tell(getattr(verbs.find(verb), "INTERRUPTED", "interrupted") if verb in verbs.names() else "interrupted")
    sys.stdout.flush()
    sys.exit(code if isinstance(code, int) else 0)


def _leave() -> None:
    """Spare the half second that taking all objects apart takes; torch's bindings would complain about what is left."""
    if "torch" not in sys.modules:
        gc.freeze()


def _usage_error(error: Exception) -> int | None:
    """2 for what click refuses (an unknown option, a missing argument), which shows itself; else None."""
    show = getattr(error, "show", None)
    if show is None or not hasattr(error, "exit_code"):
        return None
    show()
    return 2


def _refusal(error: Exception) -> int | None:
    """2 for what the surroundings refuse: a store that is away, a launch that is living already."""
    from skipray.storage import AlreadyRunning
    from skipray.tracking import BadAddress, TrackingAway, TrackingRefused

    if isinstance(error, ModuleNotFoundError) and error.name in TRAINING_PACKAGES:
        tell(f"{error}; training needs what `pip install skipray[train]` installs")
        return 2
    if not isinstance(error, AlreadyRunning | BadAddress | TrackingAway | TrackingRefused):
        return None
    tell(str(error))
    return 2


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
    app.command(_name)(getattr(verbs.find(_name), _name))


if __name__ == "__main__":
    main(with_verb(sys.argv[1:]))
