"""Faults that a seed draws: kind, moment, place and how long, several in one sweep; and the command that repeats them.

A script is a text: `worker-killed@3.2 mlflow-killed@2.0+5.0` kills a worker 3.2 seconds after the first trial began to
train, and the MLflow server after 2 seconds, for 5. A launch that a fault has ended is launched again once no fault
lasts. At stake is the same as in every other row: each trial finished once, with the undisturbed sweep's values.
"""

import contextlib
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from faulty_proxy import FaultyProxy
from of_storage import fill, remount, small_storage
from of_tracking import faulty_proxy
from stage import LAUNCH_SECONDS, Disturbed, Stage
from storage_watch import Attempt

MOMENT_SECONDS = 20.0
DURATION_SECONDS = (1.0, 12.0)
LAUNCHES_AT_MOST = 12
ENDS = (0, 2, 3, 130, -signal.SIGKILL)
"""Exit codes that a launch may have: done, refused (the server is away), some undelivered, interrupted, killed."""


@dataclass
class Scene:
    """What a fault can strike, and by chance which of it."""

    it: Disturbed
    stage: Stage
    proxy: FaultyProxy
    storage: Path
    rng: random.Random

    def worker(self) -> tuple[str, Attempt] | None:
        running = self.it.watch.running()
        return (trial := self.rng.choice(sorted(running)), running[trial]) if running else None

    def launch(self) -> list[psutil.Process]:
        """The living launch's processes, the parent first."""
        newest = self.it.launches[-1]
        if not newest.lives:
            return []
        parent = psutil.Process(newest.process.pid)
        return [parent, *parent.children()]


Mend = Callable[[], object]
"""Ends a fault that lasts."""


def _worker_killed(scene: Scene) -> Mend | None:
    found = scene.worker()
    if found is not None:
        os.kill(found[1].pid, signal.SIGKILL)
    return None


def _worker_frozen(scene: Scene) -> Mend | None:
    found = scene.worker()
    return _frozen([psutil.Process(found[1].pid)] if found is not None else [])


def _checkpoint_cut(scene: Scene) -> Mend | None:
    found = scene.worker()
    for path in sorted((scene.it.watch.folder / found[0]).glob("state-*"))[-1:] if found is not None else []:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return None


def _launch_told(number: signal.Signals) -> Callable[[Scene], Mend | None]:
    def strike(scene: Scene) -> None:
        for process in scene.launch()[:1]:
            process.send_signal(number)

    return strike


def _launch_frozen(scene: Scene) -> Mend | None:
    return _frozen(scene.launch())


def _frozen(processes: Sequence[psutil.Process]) -> Mend:
    for process in processes:
        process.suspend()

    def thaw() -> None:
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    return thaw


def _raylet_killed(scene: Scene) -> Mend | None:
    name = scene.rng.choice(["node-1", "node-2"])
    scene.stage.cluster.kill_raylet(name)
    return lambda: scene.stage.renew(name)


def _mlflow_killed(scene: Scene) -> Mend | None:
    scene.stage.cluster.kill_mlflow()
    return lambda: _servers_up(scene.stage)


def _postgres_stopped(scene: Scene) -> Mend | None:
    scene.stage.cluster.stop_postgres(gentle=False)
    return lambda: _servers_up(scene.stage)


def _servers_up(stage: Stage) -> None:
    """The database before its server, and neither twice, where two outages overlap."""
    running = stage.cluster.running()
    if not running["postgres"]:
        stage.cluster.start_postgres()
    if not running["mlflow"]:
        stage.cluster.start_mlflow()


def _server(fault: str, every: int = 1) -> Callable[[Scene], Mend | None]:
    def strike(scene: Scene) -> Mend:
        scene.proxy.every, scene.proxy.fault = every, fault
        return lambda: setattr(scene.proxy, "fault", None)

    return strike


def _storage_full(scene: Scene) -> Mend | None:
    with contextlib.suppress(OSError):  # read-only at this moment: nobody fills it
        fill(scene.storage)

    def make_room() -> None:
        remount(scene.storage, "rw")
        (scene.storage / "filler").unlink(missing_ok=True)

    return make_room


def _storage_read_only(scene: Scene) -> Mend | None:
    remount(scene.storage, "ro")
    return lambda: remount(scene.storage, "rw")


AT_ONCE: dict[str, Callable[[Scene], Mend | None]] = {
    "worker-killed": _worker_killed,
    "checkpoint-cut": _checkpoint_cut,
    "launch-killed": _launch_told(signal.SIGKILL),
    "launch-terminated": _launch_told(signal.SIGTERM),
    "launch-interrupted": _launch_told(signal.SIGINT),
}
LASTING: dict[str, Callable[[Scene], Mend | None]] = {
    "worker-frozen": _worker_frozen,
    "launch-frozen": _launch_frozen,
    "raylet-killed": _raylet_killed,
    "mlflow-killed": _mlflow_killed,
    "postgres-stopped": _postgres_stopped,
    "server-500": _server("500"),
    "server-slow": _server("slow"),
    "server-late": _server("late", 2),
    "server-twice": _server("twice"),
    "server-empty": _server("empty", 3),
    "server-half": _server("half", 3),
    "storage-full": _storage_full,
    "storage-read-only": _storage_read_only,
}
KINDS = AT_ONCE | LASTING


@dataclass(frozen=True)
class Chance:
    """One fault of a script."""

    kind: str
    moment: float
    """Seconds after the first trial began to train."""
    seconds: float = 0.0
    """How long it lasts."""

    def __str__(self) -> str:
        return f"{self.kind}@{self.moment:g}" + (f"+{self.seconds:g}" if self.kind in LASTING else "")


def draw(seed: int, number: int) -> list[Chance]:
    """The number-th script of a seed."""
    rng = random.Random(f"{seed} {number}")
    found = []
    for _ in range(rng.choice((1, 2, 2, 3, 4))):
        kind = rng.choice(sorted(KINDS))
        seconds = round(rng.uniform(*DURATION_SECONDS), 1) if kind in LASTING else 0.0
        found.append(Chance(kind, round(rng.uniform(0, MOMENT_SECONDS), 1), seconds))
    return sorted(found, key=lambda one: one.moment)


def read(script: str) -> list[Chance]:
    """A script's faults. ValueError for a text that is none."""
    found = []
    for word in script.split():
        parts = re.fullmatch(r"([a-z0-9-]+)@(\d+(?:\.\d+)?)(?:\+(\d+(?:\.\d+)?))?", word)
        if parts is None or parts[1] not in KINDS or (parts[3] is not None) != (parts[1] in LASTING):
            at_once, lasting = ", ".join(AT_ONCE), ", ".join(LASTING)
            raise ValueError(f"found {word}; allowed: KIND@SECONDS of {at_once}; KIND@SECONDS+SECONDS of {lasting}")
        found.append(Chance(parts[1], float(parts[2]), float(parts[3] or 0)))
    return sorted(found, key=lambda one: one.moment)


def play(stage: Stage, name: str, script: Sequence[Chance]) -> None:
    """One sweep that a script strikes."""
    with (
        small_storage(stage) as storage,
        faulty_proxy(stage) as proxy,
        stage.disturb(name, storage=storage, seeds=2, variables={"MLFLOW_TRACKING_URI": proxy.uri}, report=False) as it,
    ):
        it.row.allowed_seconds = None  # several faults at once may cost several times
        it.launch()
        it.wait(it.watch.running, "a trial that is being trained")
        scene = Scene(it, stage, proxy, storage, random.Random(name))
        lasting: list[tuple[float, Mend]] = []
        try:
            _follow(scene, list(script), lasting)
        finally:
            for _, mend in lasting:
                mend()
            _servers_up(stage)  # also after an error of the suite's own: what comes next has a whole cluster


def _follow(scene: Scene, script: list[Chance], lasting: list[tuple[float, Mend]]) -> None:
    """Strike and mend at their moments, and launch again what was ended, until a launch ends with 0."""
    it, began = scene.it, time.monotonic()
    it.strike()
    quiet_since = began
    while True:
        now = time.monotonic()
        for due in [one for one in script if now - began >= one.moment]:
            script.remove(due)
            mend = KINDS[due.kind](scene)
            if mend is not None:
                lasting.append((now + due.seconds, mend))
        for over in [one for one in lasting if now >= one[0]]:
            over[1]()
            lasting.remove(over)
        if lasting:
            quiet_since = time.monotonic()
        elif not it.launches[-1].lives:
            code, said = it.launches[-1].wait(1), it.launches[-1].said()
            it.expect(code in ENDS, f"exit code {code} is one of {ENDS}: {said[-500:]!r}")
            it.expect("Traceback" not in said, f"no traceback for the user: {said[-500:]!r}")
            if code == 0:
                return
            if len(it.launches) >= LAUNCHES_AT_MOST:
                raise AssertionError(f"not done after {LAUNCHES_AT_MOST} launches; the last one says {said[-500:]!r}")
            it.launch()
            quiet_since = time.monotonic()
        if time.monotonic() - quiet_since > LAUNCH_SECONDS:
            raise AssertionError(f"it hangs; the launch says {it.launches[-1].said()[-500:]!r}")
        time.sleep(0.05)


def fewer(script: Sequence[Chance]) -> Iterator[list[Chance]]:
    """The script without each of its faults in turn."""
    if len(script) > 1:
        for one in script:
            yield [other for other in script if other is not one]
