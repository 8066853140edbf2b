"""Ctrl-C comes between imports, transactions, entries and, in a notebook, calls of libraries, not in their midst."""

import importlib
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy

from skipray.scheduling.work.stopping import SIGNALS
from skipray.terminal import interrupts
from skipray.terminal.interrupts import interrupt_on_signals, interruptible

AT = 0.2
Interrupted = Callable[[Callable[[], object]], None]


@pytest.fixture(params=["a command", "a function of a notebook", "a function of a command"])
def interrupted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupted]:
    """Calls a function that gets SIGINT after AT seconds, and raises what it raises."""
    monkeypatch.setattr(interrupts, "_last", float("-inf"))
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def call(function: Callable[[], object]) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if "command" in request.param:
            interrupt_on_signals()
        if "function" in request.param:
            function = interruptible(interruptible(function))
        timer = threading.Timer(AT, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
        timer.start()
        try:
            function()
        finally:
            timer.join()

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Writes a module whose import takes so long; its name."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(seconds: float, code: str = "") -> str:
        (tmp_path / "imported_slowly.py").write_text(f"import time\n{code}\ntime.sleep({seconds})\nwhole = True\n")
        return "imported_slowly"

    yield write
    sys.modules.pop("imported_slowly", None)


def sleep_in(module: str, then: Callable[[], object] = lambda: None) -> None:
    """Three times as long as it takes until SIGINT comes, in a function of that module."""
    scope: dict[str, Any] = {"__name__": module}
    exec("def call(sleep, seconds, then):\n    sleep(seconds)\n    then()", scope)
    scope["call"](time.sleep, 3 * AT, then)


@pytest.mark.parametrize("module", ["imported_slowly", "requests.sessions"])
def test_an_import_is_whole(interrupted: Interrupted, slow: Callable[..., str], module: str) -> None:
    name = slow(3 * AT, f"__name__ = {module!r}")

    def work() -> None:
        __import__(name)
        time.sleep(30)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted(work)
    assert sys.modules[name].whole
    assert 3 * AT < time.monotonic() - began < 10


def test_an_import_that_does_not_end_is_interrupted(
    interrupted: Interrupted, slow: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupts, "PATIENCE_SECONDS", AT)
    name = slow(30)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted(lambda: __import__(name))
    assert time.monotonic() - began < 10


def test_no_patience_ends_in_the_machinery_of_imports(
    interrupted: Interrupted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a lock of all imports may be held, for which each import of another thread would wait for ever."""
    monkeypatch.setattr(interrupts, "PATIENCE_SECONDS", 0)
    done: list[str] = []

    def work() -> None:
        sleep_in("importlib._bootstrap", lambda: done.append("whole"))
        time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        interrupted(work)
    assert done == ["whole"]


def test_a_transaction_is_whole(interrupted: Interrupted, tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/store.db", connect_args={"timeout": 1})
    sqlalchemy.event.listen(engine, "connect", lambda made, _: made.create_function("nap", 1, time.sleep))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE runs (id)")

    def write() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO runs VALUES (coalesce(nap({3 * AT}), 1))")
        time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        interrupted(write)
    with engine.begin() as connection:  # which waits for a lock no longer than a second
        connection.exec_driver_sql("INSERT INTO runs VALUES (2)")
        assert connection.exec_driver_sql("SELECT count(*) FROM runs WHERE id = 2").scalar() == 1
    engine.dispose()


@pytest.mark.parametrize("interrupted", ["a function of a notebook"], indirect=True)
def test_what_a_library_makes_when_it_is_first_called_is_made(
    interrupted: Interrupted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process that goes on: half a lexer of sqlparse's could parse no filter of MLflow's any more."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "made_lazily.py").write_text(
        f"import time\nmade = []\n"
        f"def use():\n    made.append('half')\n    time.sleep({3 * AT})\n    made.append('whole')\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    module = importlib.import_module("made_lazily")

    def work() -> None:
        module.use()
        time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        interrupted(work)
    assert module.made == ["half", "whole"]


def test_what_waits_for_a_server_is_left_at_once(interrupted: Interrupted) -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(KeyboardInterrupt):
        interrupted(lambda: requests.get(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=30))
    assert time.monotonic() - began < interrupts.PATIENCE_SECONDS / 2


@pytest.mark.parametrize("module", ["of_a_file", "urllib3.connection"])
@pytest.mark.parametrize("stacked", [False, True])
def test_what_is_being_entered_is_left_again(interrupted: Interrupted, stacked: bool, module: str) -> None:
    """A lease that is held by a launch that is over keeps the next one out, also one that a server gives."""
    held: list[str] = []

    class Lease:
        def __enter__(self) -> None:
            held.append("class")
            sleep_in(module)

        def __exit__(self, *_: object) -> None:
            held.remove("class")

    @contextmanager
    def lease() -> Iterator[None]:
        with Lease():
            held.append("function")
            time.sleep(AT)
            try:
                yield
            finally:
                held.remove("function")

    def work() -> None:
        if stacked:
            with ExitStack() as stack:
                stack.enter_context(lease())
                time.sleep(30)
        else:
            with lease():
                time.sleep(30)

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted(work)
    assert held == []
    assert time.monotonic() - began < 10


def test_a_launch_that_begins_meanwhile_hears_of_it_and_nobody_twice(
    interrupted: Interrupted, slow: Callable[..., str]
) -> None:
    """A launch has a handler of its own, which ends it in order."""
    name = slow(3 * AT, "from skipray.scheduling.work.stopping import Stop\nstop = Stop(lambda: None).__enter__()")

    def work() -> None:
        __import__(name)
        stop = sys.modules[name].stop
        while not stop.requested:
            time.sleep(0.01)
        time.sleep(2 * AT)
        stop.__exit__()

    interrupted(work)


def test_elsewhere_it_comes_at_once_and_the_handler_is_as_before() -> None:
    before = signal.default_int_handler
    found = signal.signal(signal.SIGINT, before)

    @interruptible
    def work() -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert signal.signal(signal.SIGINT, found) is before
    thread = threading.Thread(target=interruptible(lambda: None))  # which has no signals
    thread.start()
    thread.join()
