"""Write a sweep to start from."""

import re
from pathlib import Path
from typing import Annotated

import typer

from skipray.errors import InputRefused

EXAMPLES = (
    "skipray new mine.yaml",
    "skipray new mine.yaml --own",
)


def new(
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="The sweep to write; its name is the sweep's.")],
    own: Annotated[
        bool, typer.Option("--own", help="Also write a module with a family and a data set of your own.")
    ] = False,
) -> None:
    """Write a commented sweep file to start from. Nothing that exists is overwritten."""
    from skipray import templates

    name = file.stem
    if file.suffix not in (".yaml", ".yml"):
        raise InputRefused(f"found the file {str(file)!r}; allowed: a name that ends in .yaml")
    pattern = r"[a-z][a-z0-9_]{0,63}" if own else r"[a-z0-9][a-z0-9._-]{0,63}"
    if not re.fullmatch(pattern, name):
        allowed = "lower-case letters, digits and _" if own else "lower-case letters, digits, '.', '_' and '-'"
        raise InputRefused(f"found the name {name!r}; allowed: {allowed}, at most 64, the first a letter or digit")
    written = {file: templates.sweep(name, own=own)}
    if own:
        written[file.with_suffix(".py")] = templates.module()
    for path in written:
        if path.exists():
            raise InputRefused(f"found {str(path)!r} there already; allowed: a file that does not exist")
    for path, text in written.items():
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputRefused(
                f"found that {str(path)!r} cannot be written ({error.strerror}); allowed: a folder that is "
                "there and may be written"
            ) from error
        print(path)
    print(f"next: skipray plan {file}")
