"""Which failures are tried again, and how often.

out of memory -> once more with twice the share of the machine; lost (node gone, process killed, preempted) -> again,
not counted; error -> at most `max_failures` more attempts. A non-finite loss is no failure but the outcome `diverged`.
"""

import re
from collections import Counter
from dataclasses import dataclass

from skipray.scheduling.work.protocol import FailureClass

MAX_DEATHS = 20
"""A process that dies on a node that lives on is lost too, but a trial that kills every process it is given (a fault in
a native library) must end some day. Deaths together with their node are not counted."""

_OUT_OF_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|memory usage threshold|running low on memory|"
    r"CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED",
    re.IGNORECASE,
)
_NODE_DIED = re.compile(r"node has died|node is dead|node was (terminated|preempted)|owner.*died", re.IGNORECASE)


@dataclass(frozen=True)
class Retry:
    """Start another attempt."""

    factor: int
    """Times the resources of the first attempt."""


class Attempts:
    """What has happened to each trial so far in this launch."""

    def __init__(self, max_failures: int):
        self.max_failures = max_failures
        self._count: Counter[tuple[str, str]] = Counter()
        self._factor: dict[str, int] = {}

    def after(self, trial_id: str, failure: FailureClass, *, with_node: bool = False) -> Retry | None:
        """What to do after a failed attempt; None to give the trial up.

        Args:
            with_node: the process was lost together with its node.
        """
        if failure == "lost":
            if not with_node:
                self._count[trial_id, failure] += 1
            allowed = MAX_DEATHS
        elif failure == "out_of_memory":
            self._count[trial_id, failure] += 1
            self._factor[trial_id] = 2
            allowed = 1
        else:
            self._count[trial_id, failure] += 1
            allowed = self.max_failures
        return Retry(self._factor.get(trial_id, 1)) if self._count[trial_id, failure] <= allowed else None

    def forget(self, trial_id: str) -> None:
        """A trial that is done needs no counts: a sweep of many trials stays small in memory."""
        self._factor.pop(trial_id, None)
        for failure in ("lost", "out_of_memory", "error"):
            self._count.pop((trial_id, failure), None)


def classify(error: BaseException) -> FailureClass:
    """The class of an exception that a trial raised in its worker."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if isinstance(error, MemoryError) or "OutOfMemoryError" in names or _OUT_OF_MEMORY.search(str(error)):
        return "out_of_memory"
    return "error"


def spoils_process(error: BaseException) -> bool:
    """Whether the process should not be used again: a CUDA error is sticky, and memory that ran out stays scattered."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return classify(error) == "out_of_memory" or "AcceleratorError" in names or "CUDA error" in str(error)


def memory_line(message: str) -> str | None:
    """The line of a long text that tells of memory that ran out."""
    return next((line.strip() for line in message.splitlines() if _OUT_OF_MEMORY.search(line)), None)


def classify_death(message: str) -> tuple[FailureClass, bool]:
    """The class of a worker's death by what Ray says about it, and whether its node died with it.

    Ray kills a worker when its node's memory is nearly used up; that is the trial's own failure.
    """
    if _NODE_DIED.search(message):
        return "lost", True
    return ("out_of_memory", False) if _OUT_OF_MEMORY.search(message) else ("lost", False)
