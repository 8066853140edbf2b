"""skipray: how deep can an architecture go, and why does it break?

`Sweep` is a sweep in Python. The public modules are `spec`, `trends`, `theory`, `probe`, `spectrum`, `metrics`,
`architectures`, `datasets` and `tracking`; their documented names stay within a major version.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skipray.sweep import Sweep

__version__ = "0.2.0"
__all__ = ["Sweep", "__version__"]


def __getattr__(name: str) -> Any:
    """`skipray.Sweep` is imported when it is asked for: the command line needs none of it."""
    if name == "Sweep":
        from skipray.sweep import Sweep

        return Sweep
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """So that `help(skipray)` shows it."""
    return sorted({*globals(), *__all__})
