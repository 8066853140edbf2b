"""How a launch ended, for those who print it."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skipray.execution.delivery import waiting_words
from skipray.planning.budget import BudgetFit
from skipray.wording import counted

if TYPE_CHECKING:
    from skipray.tracking import Address, KnownTrials, Ledger


@dataclass(frozen=True)
class LaunchEnd:
    """How a launch ended."""

    total: int
    ran: int
    """Trials that this launch finished."""
    failed: int
    interrupted: bool
    seconds: float
    outcomes: Counter[str]
    address: "Address | None"
    """Of the sweep's run; None when nothing was missing."""
    why: str = ""
    """What ended it early, and the remedy; empty after Ctrl-C or SIGTERM."""
    undelivered: int = 0
    """Results that wait in the storage because the tracking store is away: the next launch delivers them."""
    fit: BudgetFit | None = None
    """What a budget reached for."""
    estimated_seconds: float = 0.0
    """Training and probing of the trials that ended, as the budget's estimate had it; 0 without one."""
    measured_seconds: float = 0.0
    """The same, as it was."""
    before: "tuple[KnownTrials, Ledger] | None" = None
    """What the store holds of a sweep of which nothing was missing."""

    def __str__(self) -> str:
        """`11 of 12 trials finished in 34 s, 1 failed`, as a notebook and `print` show it.

        >>> print(LaunchEnd(12, 11, 1, False, 34.2, Counter(), None))
        11 of 12 trials finished in 34 s, 1 failed
        >>> print(LaunchEnd(12, 0, 0, False, 0.0, Counter(), None))
        12 trials; none was missing
        """
        if not (self.ran or self.failed or self.interrupted or self.why):
            return f"{counted(self.total, 'trial')}; none was missing"
        said = [f"{self.ran} of {self.total} trials finished in {self.seconds:.0f} s"]
        said += [f"{self.failed} failed"] if self.failed else []
        said += ["interrupted"] if self.interrupted else []
        said += [waiting_words(self.undelivered)] if self.undelivered else []
        return ", ".join(said) + (f": {self.why}" if self.why else "")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython and notebooks show of a cell that ends with it."""
        printer.text(str(self))

    @property
    def sweep_status(self) -> str:
        """Of the sweep's run, in MLflow's words: KILLED after an interruption or while results wait, since the next
        launch goes on."""
        if self.interrupted or self.undelivered:
            return "KILLED"
        return "FAILED" if self.failed else "FINISHED"

    @property
    def estimate_error(self) -> float | None:
        """By which share the trials took longer than was estimated; None without an estimate."""
        return self.measured_seconds / self.estimated_seconds - 1 if self.estimated_seconds else None

    def as_json(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "ran": self.ran,
            "failed": self.failed,
            "interrupted": self.interrupted,
            "why": self.why,
            "undelivered": self.undelivered,
            "seconds": round(self.seconds, 3),
        } | ({} if self.estimate_error is None else {"estimate_error": round(self.estimate_error, 3)})
