"""The address that a launch prints, and what has to be done before it answers."""

import pytest

from skipray import tracking
from skipray.tracking import Address


@pytest.mark.parametrize(("uri", "command"), [("", "skipray ui"), ("sqlite:////else/where.db", "--tracking-uri")])
def test_the_command_that_serves_a_database_stands_before_the_address(
    uri: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    said = tracking.where_to_look(Address(uri or tracking.resolve_uri(None, None), "7", "x", ""))
    before, _, page = said.partition("http://127.0.0.1:5000/#/experiments/7/runs?")
    assert command in before
    assert page
    assert " " not in page, "the address is the line's end, so that it can be copied"


def test_a_server_needs_no_command() -> None:
    assert tracking.where_to_look(Address("http://host:5000", "7", "x", "")).startswith("http://host:5000/#/")
