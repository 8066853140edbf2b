"""Launches as a user starts them: processes of their own, with what they print kept in files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]


def environment_of(sweep: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Of a process that launches a sweep: the suite's own without what its caller has set, and these variables."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "MLFLOW_", "SKIPRAY_"))}
    paths = [str(ROOT), str(sweep.parent), os.environ.get("PYTHONPATH", "")]
    return clean | dict(variables) | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


@dataclass
class Launch:
    """One `python -m skipray.launch SWEEP --json`."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path
    started: float = field(default_factory=time.time)

    @classmethod
    def start(cls, sweep: Path, variables: Mapping[str, str], *options: str) -> "Launch":
        number = len(list(sweep.parent.glob("launch-*.err"))) + 1
        out, err = (sweep.parent / f"launch-{number}.{kind}" for kind in ("out", "err"))
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                [sys.executable, "-m", "skipray.launch", sweep.name, "--json", *options],
                cwd=sweep.parent,
                env=environment_of(sweep, variables),
                stdin=subprocess.DEVNULL,
                stdout=to_out,
                stderr=to_err,
                start_new_session=True,
            )
        return cls(process, out, err)

    @property
    def driver_pid(self) -> int:
        """Of the process that works, whose parent sees that it ends."""
        (driver,) = psutil.Process(self.process.pid).children()
        return driver.pid

    @property
    def lives(self) -> bool:
        return self.process.poll() is None

    def wait(self, seconds: float) -> int:
        """The exit code. Kills it when it takes longer."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"a launch had not ended after {seconds:g} s:\n{self.said()}") from None

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        """The end of what it told its user."""
        return self.err.read_text(errors="replace")[-3000:]

    def told(self) -> dict[str, Any]:
        """Its JSON object; empty when it printed none."""
        text = self.out.read_text()
        return json.loads(text) if text.strip() else {}
