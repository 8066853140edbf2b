"""A server's answer to a search, page by page, with several pages asked for at once: while one is read here, the server
makes the next ones, on as many of its cores as it has processes.

Pages ahead are asked for by their offsets, and each begins with the last run of the one before. Only one that does is
taken: the search has an order in which no two runs are equal, so a page holds every run between its first and its last,
and together they hold every run that was there all the time, whatever was added or removed meanwhile. Where one does
not, the next is asked for alone, from half a page before. Where there is no answer, or a server gives other tokens than
MLflow's, pages are asked for one after the other, each by the token that the one before came with.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import count, takewhile
from threading import Event
from typing import TYPE_CHECKING, Protocol

from skipray.tracking.mlflow_private import offset_token
from skipray.tracking.several import several

if TYPE_CHECKING:
    from mlflow.entities import Run

PAGE = 200
"""Runs asked for at a time: they come with all that was logged, and a server must answer in time."""
PAGES_AT_ONCE = 4
"""A page is a second of a server's work, and others ask it too."""
SECONDS = 5.0
"""So many fewer are asked for at once that a server of one process answers each in this time: a request waits for 20 s
(`client`)."""


class Page(Protocol):
    """Runs in their order, as MLflow's client gives them."""

    @property
    def token(self) -> str | None:
        """Of the next page; none or empty where there is none."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> "Run": ...

    def __iter__(self) -> "Iterator[Run]": ...


Search = Callable[[str | None, int], Page]
"""(token of a page, the most runs on it) -> the page. Its order is the same each time, and no two runs are equal."""
SearchAhead = Callable[[str, int], Page | None]
"""The same of a page that may be past the end, in one try; None where there was no answer."""


def found_runs(search: Search, ahead: SearchAhead) -> "Iterator[list[Run]]":
    """The runs that a search finds, page by page, none twice."""
    seen: set[str] = set()
    for page in _Pages(search, ahead).read():
        fresh = {run.info.run_id: run for run in page if run.info.run_id not in seen}
        seen |= fresh.keys()
        yield list(fresh.values())


class _Pages:
    def __init__(self, search: Search, ahead: SearchAhead):
        self._search, self._ahead = search, ahead
        self._end = 0
        """The offset after what was read."""
        self._at_once = PAGES_AT_ONCE

    def read(self) -> Iterator[Page]:
        began = time.monotonic()
        first = self._search(None, PAGE)
        self._at_once = min(PAGES_AT_ONCE, int(SECONDS / max(time.monotonic() - began, 0.001)))
        yield self._take(first)
        while self._page.token:
            shifted = False
            if self._at_once > 1 and self._page.token == offset_token(self._end):
                shifted = yield from self._read_ahead()
            if self._page.token and shifted:
                start = max(self._end - PAGE // 2, 1)
                yield self._take(self._search(offset_token(start), PAGE), start)
            elif self._page.token:
                yield self._take(self._search(self._page.token, PAGE))

    def _read_ahead(self) -> Generator[Page, None, bool]:
        """Pages as far as each begins with the last run of the one before. Returns whether one has not, since runs were
        added or removed."""
        ended = Event()

        def asked(start: int) -> Page | None:
            found = self._ahead(offset_token(start), PAGE + 1)
            if not found or not found.token:
                ended.set()
            return found

        starts = takewhile(lambda _: not ended.is_set(), count(self._end - 1, PAGE))
        with closing(several(asked, starts, at_once=self._at_once)) as pages:
            for found in pages:
                if found is None:
                    self._at_once //= 2
                    return False
                if not found or found[0].info.run_id != self._page[-1].info.run_id:
                    return True
                yield self._take(found, self._end - 1)
                if not found.token:
                    break
        return False

    def _take(self, page: Page, start: int | None = None) -> Page:
        self._page, self._end = page, (self._end if start is None else start) + len(page)
        return page
