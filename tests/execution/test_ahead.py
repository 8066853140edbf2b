"""What the end of a launch needs is made ready once, and what goes wrong is said at the end."""

import threading

import pytest

from skipray.execution.ahead import Ahead


def test_it_is_begun_once_and_done_before_the_end_goes_on() -> None:
    go_on, done = threading.Event(), []

    def work() -> None:
        go_on.wait(10)
        done.append(threading.current_thread())

    ahead = Ahead(work)
    ahead.begin()
    ahead.begin()
    assert not done
    go_on.set()
    ahead.finish()
    assert [thread is threading.current_thread() for thread in done] == [False, True]


def test_what_goes_wrong_beside_trials_is_said_at_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        raise ImportError("no such package")

    ahead = Ahead(work)
    ahead.begin()
    with pytest.raises(ImportError, match="no such package"):
        ahead.finish()
    assert capfd.readouterr() == ("", "")


def test_it_is_done_at_the_end_where_nothing_began_it() -> None:
    done: list[int] = []
    Ahead(lambda: done.append(1)).finish()
    assert done == [1]
