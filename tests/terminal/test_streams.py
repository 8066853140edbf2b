"""What is printed where standard output cannot hold every character."""

import io

import pytest

from skipray.terminal.streams import Results, Tolerant


@pytest.mark.parametrize("stream", [Results, Tolerant])
@pytest.mark.parametrize(
    ("encoding", "said"),
    [("ascii", "no 95 % bound: \\xe9 \\u2026 \\ud800"), ("latin-1", "no 95\xa0% bound: \xe9 \\u2026")],
)
def test_what_an_encoding_has_not_is_escaped_and_what_follows_is_printed(stream, encoding, said):
    """A line that could not be encoded sent all that followed to nowhere, with exit code 0."""
    raw = io.BytesIO()
    out = stream(io.TextIOWrapper(raw, encoding=encoding))
    print("no 95\xa0% bound: \xe9 \u2026 \ud800", file=out)
    print("the report", file=out)
    out.flush()
    first, last = raw.getvalue().decode(encoding).splitlines()
    assert first.startswith(said.replace("\xa0", " "))
    assert last == "the report"
