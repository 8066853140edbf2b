"""A search of many pages is read whole, whatever a server does, and whatever happens to the runs meanwhile."""

import random
import secrets
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.utils.search_utils import SearchUtils

from skipray import tracking
from skipray.tracking.mlflow_private import offset_token
from skipray.tracking.read import pages
from skipray.tracking.read.ledger import child_runs, http_runs
from skipray.tracking.read.pages import found_runs

PAGE = 6


class Page(list[Any]):
    token = ""


class Server:
    """Runs in the order of their numbers; between two requests some are added and some are removed."""

    def __init__(self, runs: Iterable[int], chance: random.Random, *, added: int = 0, removed: int = 0):
        self.runs, self.chance = sorted(runs), chance
        self.always = set(self.runs)
        self.ever = set(self.runs)
        self.added, self.removed = added, removed
        self.asked = 0
        self.failing = self.empty = 0.0
        self.opaque: dict[str, int] | None = None
        """token -> offset, of a server whose tokens say nothing."""

    def search(self, token: str | None, most: int) -> Any:
        self.asked += 1
        start = 0 if token is None else self._offset(token)
        page = Page(SimpleNamespace(info=SimpleNamespace(run_id=str(n))) for n in self.runs[start : start + most])
        if start + most < len(self.runs):
            page.token = self._token(start + most)
        self._change()
        return page

    def ahead(self, token: str, most: int) -> Any:
        if self.chance.random() < self.failing:
            return None
        return Page() if self.chance.random() < self.empty else self.search(token, most)

    def _token(self, offset: int) -> str:
        if self.opaque is None:
            return offset_token(offset)
        token = secrets.token_hex(4)
        self.opaque[token] = offset
        return token

    def _offset(self, token: str) -> int:
        if self.opaque is not None:
            return self.opaque[token]
        return SearchUtils.parse_start_offset_from_page_token(token)

    def _change(self) -> None:
        if self.added and self.chance.random() < 0.5:
            self.added -= 1
            new = self.chance.choice([n for n in range(-50, 1000) if n not in self.ever])
            self.runs = sorted([*self.runs, new])
            self.ever.add(new)
        if self.removed and self.runs and self.chance.random() < 0.5:
            self.removed -= 1
            self.always.discard(gone := self.chance.choice(self.runs))
            self.runs.remove(gone)


def read(server: Server) -> list[int]:
    return [int(run.info.run_id) for page in found_runs(server.search, server.ahead) for run in page]


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", PAGE)


def in_any_order(chance: random.Random) -> Callable[..., Iterator[Any]]:
    """`several`, whose requests are answered in an order of chance."""

    def answered(do: Callable[[Any], Any], items: Iterable[Any], *, at_once: int) -> Iterator[Any]:
        left = iter(items)
        while window := list(islice(left, at_once)):
            found = {item: do(item) for item in chance.sample(window, len(window))}
            yield from (found[item] for item in window)

    return answered


COUNTS = st.integers(0, 12 * PAGE)


@given(count=COUNTS, seed=st.integers(), added=st.integers(0, 5), removed=st.integers(0, PAGE // 2))
def test_a_run_that_is_there_all_the_time_is_found_once(count: int, seed: int, added: int, removed: int) -> None:
    chance = random.Random(seed)
    server = Server(range(0, 10 * count, 10), chance, added=added, removed=removed)
    server.empty = chance.choice([0.0, 0.2])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "several", in_any_order(chance))
        found = read(server)
    assert len(found) == len(set(found))
    assert server.always <= set(found) <= server.ever


@given(count=COUNTS, seed=st.integers(), failing=st.sampled_from([0.0, 0.3, 1.0]), opaque=st.booleans())
def test_runs_that_stay_are_found_in_their_order(count: int, seed: int, failing: float, opaque: bool) -> None:
    server = Server(range(count), random.Random(seed))
    server.failing, server.opaque = failing, {} if opaque else None
    assert read(server) == list(range(count))
    one_by_one = max(-(-count // PAGE), 1)
    if opaque or count <= PAGE:
        assert server.asked == one_by_one
    assert server.asked <= one_by_one + 2 * pages.PAGES_AT_ONCE + 2 or failing


@given(count=COUNTS, seed=st.integers(), added=st.integers(1, 5), opaque=st.booleans())
def test_one_after_the_other_no_run_is_passed_over_for_one_that_is_added(
    count: int, seed: int, added: int, opaque: bool
) -> None:
    server = Server(range(0, 10 * count, 10), random.Random(seed), added=added)
    server.opaque = {} if opaque else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "SECONDS", 0.0)  # as of a server that is slow
        patch.setattr(pages, "several", lambda *_, **__: pytest.fail("nothing is asked for ahead"))
        found = read(server)
    assert len(found) == len(set(found))
    assert server.always <= set(found) <= server.ever


def test_mlflow_makes_the_tokens_that_are_expected() -> None:
    assert offset_token(200).encode() == SearchUtils.create_page_token(200)


def test_pages_of_a_real_server(proxy: Any, toys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs with odd tags, without tags, deleted, and of the same millisecond."""
    sweep = toys.sweep("pages", seeds=(0, 1, 2, 3, 4))
    address = tracking.prepare(sweep, proxy.uri)
    client = MlflowClient(proxy.uri)
    tagged = {"skipray.kind": "trial"}
    odd = ["", "%", "_", "'; --", "é漢\n", "G" * 300]
    made = [
        client.create_run(
            address.experiment_id,
            start_time=1000 + number // 4,
            tags=tagged | ({"skipray.trial_id": odd[number % 7]} if number % 7 < 6 else {}),
        ).info.run_id
        for number in range(31)
    ]
    client.create_run(address.experiment_id, start_time=1000)
    for gone in made[::10]:
        client.delete_run(gone)
    monkeypatch.setattr(pages, "PAGE", 1000)
    whole = [run.info.run_id for run in http_runs(proxy.uri, sweep.name)]
    rows = list(child_runs(proxy.uri, sweep.name))
    assert sorted(whole) == sorted(set(made) - set(made[::10]))
    monkeypatch.setattr("skipray.tracking.client.RETRY_SECONDS_HTTP", (0.01,) * 6)
    for small, fault in ((1, None), (2, None), (5, None), (26, None), (27, None), (2, "503"), (4, "empty")):
        monkeypatch.setattr(pages, "PAGE", small)
        proxy.fault, proxy.every = fault, 3
        assert [run.info.run_id for run in http_runs(proxy.uri, sweep.name)] == whole
        assert list(child_runs(proxy.uri, sweep.name)) == rows
