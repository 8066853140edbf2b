"""What a question, a name or an error message does to a terminal: nothing."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from skipray.terminal.visible import escape, visible


@given(st.text(max_size=60))
def test_nothing_is_obeyed(text: str) -> None:
    out = io.StringIO()
    Console(file=out, width=10_000, force_terminal=True, color_system=None, highlight=False).print(escape(text))
    shown = out.getvalue().removesuffix("\n")
    assert "\n" not in shown
    assert not any(c in shown for c in "\x1b\x07\x08\r\x7f\x9b\u202a\u202e\u2066\u2069\u200f")


def test_what_is_printed_stays() -> None:
    assert visible("K\u00f6ln, \u03c3\u00b2 = 2\tx\ny") == "K\u00f6ln, \u03c3\u00b2 = 2\tx\ny"
    assert visible("\x1b]0;title\x07\u202e") == r"\x1b]0;title\x07\u202e"
    assert escape("[red]") == r"\[red]"
