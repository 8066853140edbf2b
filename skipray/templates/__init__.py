"""What `skipray new` writes: a sweep to start from, and a module with a family and a data set of one's own."""

from importlib import resources


def sweep(name: str, *, own: bool) -> str:
    """The text of a commented sweep.

    Args:
        name: the sweep's name; with `own` also that of its module.
        own: whether it uses the family and the data set of that module.
    """
    return _text("own.yaml" if own else "sweep.yaml").replace("NAME", name)


def module() -> str:
    """The text of a module with a family and a data set."""
    return _text("own.py.txt")


def _text(file: str) -> str:
    return resources.files("skipray.templates").joinpath(file).read_text(encoding="utf-8")
