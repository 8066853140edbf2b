"""Tells a person or a program that a launch has ended: a command that is run, or an address that is posted to."""

import contextlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from skipray.errors import InputRefused
from skipray.results import document
from skipray.verbs.shared.speaking import tell

SECONDS = 30
"""Nobody waits longer for it: the launch has ended."""

NotifyOption = Annotated[
    str | None,
    typer.Option(
        "--notify",
        metavar="COMMAND|URL",
        help="At the end, or when the launch fails: a command to run, told by SKIPRAY_STATUS and SKIPRAY_SWEEP and as "
        "JSON on its input, or an http(s) address to post that JSON to.",
    ),
]


def check_notify(notify: str | None) -> None:
    """Raise InputRefused for one that can never be told, before anything starts."""
    if notify is not None and not notify.strip():
        raise InputRefused(
            "--notify: found nothing; allowed: a command, or an address that begins with http:// or https://"
        )


@contextlib.contextmanager
def notifying(target: str | None, sweep: str) -> Iterator[dict[str, Any]]:
    """Within, a launch runs; afterwards the target is told how it has ended. Yields what more it is told, to be filled.

    Status: `finished`, `failed` (trials have, or results wait), `interrupted`, or `error` with its message.
    """
    told: dict[str, Any] = {}
    try:
        yield told
    except KeyboardInterrupt:
        _notify(target, "interrupted", sweep, told)
        raise
    except typer.Exit as leaving:
        _notify(target, "failed" if leaving.exit_code else "finished", sweep, told)
        raise
    except Exception as error:
        _notify(target, "error", sweep, told | {"message": _redacted(str(error))})
        raise
    _notify(target, "finished", sweep, told)


def _notify(target: str | None, status: str, sweep: str, told: Mapping[str, Any]) -> None:
    """What goes wrong is said, and changes nothing else."""
    if target is None:
        return
    text = json.dumps(document("notification", {"sweep": sweep, "status": status} | dict(told)), allow_nan=False)
    try:
        if target.startswith(("http://", "https://")):
            _post(target, text)
        else:
            _run(target, text, {"SKIPRAY_SWEEP": sweep, "SKIPRAY_STATUS": status})
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        tell(f"--notify {_redacted(target)}: {_redacted(str(error))}")


def _post(url: str, text: str) -> None:
    request = urllib.request.Request(url, text.encode(), {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=SECONDS):
        pass


def _run(command: str, text: str, variables: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        shell=True,
        input=text,
        text=True,
        timeout=SECONDS,
        env=os.environ | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if done.returncode:
        tell(f"--notify {_redacted(command)}: ended with {done.returncode} {_redacted(done.stderr[-200:])}".rstrip())


def _redacted(text: str) -> str:
    from skipray.tracking import redact  # not at the start of each verb

    return redact(text)
