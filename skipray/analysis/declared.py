"""What is said of a claim that was declared after results were there to be seen."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from skipray.tracking.read.row import RunRow


def late_remarks(declared: Mapping[str, int | None], finished: Iterable[RunRow]) -> dict[str, str]:
    """Id of each claim that was declared after the first trial had finished -> a sentence that says so.

    Args:
        declared: claim -> milliseconds since 1970 of the launch that first declared it, None where none did.
        finished: the finished runs.
    """
    ends = sorted(row.end_ms for row in finished if row.end_ms is not None)
    said = {}
    for claim, time in declared.items():
        before = sum(end < time for end in ends) if time is not None else len(ends)
        if not before:
            continue
        when = f"on {datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d}" if time is not None else "at no launch"
        said[claim] = f" It was declared {when}, after {before} of these {len(ends)} trials had finished."
    return said
