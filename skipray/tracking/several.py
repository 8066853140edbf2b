"""Several requests to a server at once: its answers are what one waits for, and not for one after the other."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

from skipray.tracking.address import is_sql

Item = TypeVar("Item")
Found = TypeVar("Found")

READS_AT_ONCE = 8
"""Requests for files and histories: a server that MLflow starts has ten threads for all who ask it."""


def reads_at_once(uri: str) -> int:
    """So many reads are under way: one where files and tables are at hand."""
    return 1 if is_sql(uri) else READS_AT_ONCE


def several(do: Callable[[Item], Found], items: Iterable[Item], *, at_once: int) -> Generator[Found, None, None]:
    """What `do` gives of each item, in their order; twice `at_once` are begun ahead of the one that is waited for. A
    single one is done in the caller's thread.

    Ctrl-C, whatever `do` raises, and a caller that wants no more end it with those that are under way.
    """
    left = iter(items)
    first = list(islice(left, 2))
    left = chain(first, left)
    if at_once < 2 or len(first) < 2:
        yield from map(do, left)
        return
    waiting: deque[Future[Found]] = deque()
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="skipray-several")
    try:
        waiting.extend(pool.submit(do, item) for item in islice(left, 2 * at_once))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(do, item) for item in islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)
