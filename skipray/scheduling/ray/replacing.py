"""Something of Ray's stands replaced for a while: where there is no public switch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(owner: Any, name: str, value: Callable[..., Any]) -> Iterator[None]:
    """Within, the owner's attribute is this one. Nothing is replaced where there is nothing of that name."""
    found = getattr(owner, name, None)
    if found is None:
        yield
        return
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, found)
