"""Faults of ends: each way in which a launch is told to end, in mid-sweep; the next launch goes on."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import psutil
from launching import Launch, environment_of
from sharing import name_of, shared
from stage import Disturbed, Stage

from skipray.scheduling.work.stopping import GRACE_SECONDS, ONE_SIGNAL_SECONDS

END_SECONDS = max(30.0, 2 * GRACE_SECONDS)


def _group(*numbers: signal.Signals) -> Callable[[Launch], None]:
    """Sends them to the launch's process group, as timeout, systemd, scancel and a closing terminal do."""

    def tell(launch: Launch) -> None:
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):  # it has ended before the second one
                os.killpg(launch.process.pid, number)
            time.sleep(ONE_SIGNAL_SECONDS + 0.5)  # those that come sooner are one

    return tell


def _driver_alone(launch: Launch) -> None:
    os.kill(launch.driver_pid, signal.SIGTERM)


ENDS: dict[str, Callable[[Launch], None]] = {
    "sigterm-to-the-group": _group(signal.SIGTERM),
    "sighup-to-the-group": _group(signal.SIGHUP),
    "sigint-twice": _group(signal.SIGINT, signal.SIGINT),
    "sigterm-twice": _group(signal.SIGTERM, signal.SIGTERM),
    "sigterm-to-the-driver": _driver_alone,
}
"""Name -> how a launch is told."""
CLOSED = "streams-closed"
"""Standard output and error are closed when the launch begins."""


def play(stage: Stage, faults: Sequence[str]) -> Disturbed:
    with stage.disturb(name_of("ends", stage, faults), seeds=4 if len(faults) > 2 else 2) as it:
        for fault in (f for f in faults if f != CLOSED):
            with it.part(fault):
                launch = it.launch()
                it.training()
                it.strike()
                it.watch.told_to_stop = it.struck
                driver = launch.driver_pid
                ENDS[fault](launch)
                it.expect_exit(launch, 130, *([] if fault.endswith("twice") else ["launch the same file again"]))
                took = time.time() - it.struck
                it.expect(took < END_SECONDS, f"it ended within {END_SECONDS:g} s, not {took:.0f}")
                it.expect(not psutil.pid_exists(driver), "the process that works has ended with it")
        if CLOSED in faults:
            with it.part(CLOSED):
                _closed(it)
        else:
            it.expect_exit(it.launch(), 0)
        it.row.allowed_seconds = None  # several ends, each with an interval of its own
    return it


def _closed(it: Disturbed) -> None:
    """The last launch has no standard output and no standard error at all."""
    it.strike()
    command = f"exec {sys.executable} -m skipray.launch {it.file.name} --no-report >&- 2>&-"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=it.file.parent,
        env=environment_of(it.file, it.variables),
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    it.expect(done.returncode == 0, f"exit code {done.returncode} instead of 0")


FAULTS = shared("ends", play, (*ENDS, CLOSED))
