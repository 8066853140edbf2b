"""Who is told that a launch has ended, and how."""

import http.server
import json
import threading
from pathlib import Path

import pytest
import typer
from jsonschema import Draft202012Validator

from skipray.errors import InputRefused
from skipray.results import document, schema
from skipray.verbs.shared.notifying import check_notify, notifying

ENDS = [
    (None, "finished"),
    (typer.Exit(3), "failed"),
    (KeyboardInterrupt(), "interrupted"),
    (RuntimeError("no room"), "error"),
]


def launched(target: str | None, ending: BaseException | None) -> None:
    with notifying(target, "mine") as told:
        told["ran"] = 4
        if ending is not None:
            raise ending


@pytest.mark.parametrize(("ending", "status"), ENDS, ids=[status for _, status in ENDS])
def test_a_command_is_told_how_it_has_ended(ending: BaseException | None, status: str, tmp_path: Path) -> None:
    command = f'cat > "{tmp_path}/told.json"; echo "$SKIPRAY_SWEEP $SKIPRAY_STATUS" > "{tmp_path}/named"'
    if ending is None:
        launched(command, None)
    else:
        with pytest.raises(type(ending)):
            launched(command, ending)
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["sweep"], told["status"], told["ran"]) == ("mine", status, 4)
    assert [e.message for e in Draft202012Validator(schema()).iter_errors(told)] == []
    assert told.get("message") == ("no room" if status == "error" else None)
    assert (tmp_path / "named").read_text() == f"mine {status}\n"


def test_an_address_gets_json() -> None:
    got: list[dict[str, object]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.handle_request, daemon=True).start()
    launched(f"http://127.0.0.1:{server.server_port}/hook", None)
    server.server_close()
    assert got == [document("notification", {"sweep": "mine", "status": "finished", "ran": 4})]


def test_what_cannot_be_told_is_said_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    launched("exit 7", None)
    assert "--notify exit 7: ended with 7" in capsys.readouterr().err
    launched("http://127.0.0.1:9/hook", None)
    assert "--notify http://127.0.0.1:9/hook: " in capsys.readouterr().err
    with pytest.raises(InputRefused, match="found nothing"):
        check_notify(" ")
