"""Faults of the storage: full, read-only, checkpoints that are damaged or foreign.

Full and read-only storage is a small tmpfs of its own, so that write(2) fails as it does on a real disk, for root too.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from stage import Disturbed, Stage

FAULT_SECONDS = 15.0
SIZE = "64m"


def storage_full(stage: Stage) -> None:
    """Another file fills the storage to the last byte for a while."""
    _while_running(stage, "storage-full", fill, lambda storage: (storage / "filler").unlink())


def storage_read_only(stage: Stage) -> None:
    """The storage is mounted read-only for a while."""
    _while_running(stage, "storage-read-only", lambda s: remount(s, "ro"), lambda s: remount(s, "rw"))


def storage_full_while_delivering(stage: Stage) -> None:
    """The MLflow server is away, results wait in the storage, and then the storage fills up; both come back."""
    with small_storage(stage) as storage, stage.disturb("storage-full-while-delivering", storage=storage) as it:
        launch = it.launch()
        it.training()
        it.strike()
        stage.cluster.kill_mlflow()
        it.wait(lambda: any((storage / it.name).glob("*/result-*")), "a result that waits in the storage")
        fill(storage)
        _proven_unwritable(it, storage)
        stage.cluster.start_mlflow()
        time.sleep(FAULT_SECONDS)
        (storage / "filler").unlink()
        code = launch.wait(300)
        it.expect(code in (0, 3), f"the launch ends orderly ({code}): {launch.said()[-300:]}")
        if code == 3:
            again = it.launch()
            it.expect_exit(again, 0)
        first = it.watch.first_written_after(it.struck)
        it.row.recovered_seconds = None if first is None else time.time() - it.struck
        it.row.allowed_seconds = None  # a checkpoint that could not be written is no checkpoint


def checkpoint_truncated(stage: Stage) -> None:
    """A worker is killed, and its newest checkpoint is cut in half: the one before is used."""
    with stage.disturb("checkpoint-truncated") as it:

        def damage(folder: Path, names: list[str]) -> list[str]:
            data = (folder / names[-1]).read_bytes()
            (folder / names[-1]).write_bytes(data[: len(data) // 2])
            return names[-1:]

        _damage(it, damage)
        it.row.allowed_seconds = 2 * (it.row.allowed_seconds or 0)  # back to the checkpoint before


def checkpoint_of_another_version(stage: Stage) -> None:
    """A worker is killed, and its checkpoints are of a format that is not known: the trial starts again."""
    with stage.disturb("checkpoint-other-version") as it:

        def damage(folder: Path, names: list[str]) -> list[str]:
            for name in names:
                data = (folder / name).read_bytes()
                changed = data.replace(b'"format": 1', b'"format": 9')
                it.expect(changed != data, "the format was found in the checkpoint")
                (folder / name).write_bytes(changed)
            return names

        _damage(it, damage)
        it.row.allowed_seconds = None  # there is nothing to go on from


def _damage(it: Disturbed, damage: Callable[[Path, list[str]], list[str]]) -> None:
    """Kill a trial's process, having damaged its checkpoints while it was stopped and could not write others."""
    launch = it.launch()
    trial, attempt = it.training(lambda a: len(a.saved) > 2)
    process = psutil.Process(attempt.pid)
    process.suspend()
    it.strike()
    folder = it.storage / it.name / trial
    names = sorted(p.name for p in folder.glob("state-*"))
    time.sleep(0.2)  # the watch sees the last one
    it.watch.lost |= {(trial, name) for name in damage(folder, names)}
    os.kill(attempt.pid, signal.SIGKILL)
    it.expect(len(names) == 2, f"two checkpoints were there ({names})")
    it.expect_exit(launch, 0)
    again = it.watch.first_attempt_after(it.struck, {trial})
    it.expect(again is not None, "the trial got another attempt")
    it.row.recovered_seconds = None if again is None else again - it.struck


def _while_running(stage: Stage, name: str, break_it: Callable[[Path], None], mend: Callable[[Path], None]) -> None:
    with small_storage(stage) as storage, stage.disturb(name, storage=storage, seeds=2) as it:
        launch = it.launch()
        it.training()
        it.strike()
        break_it(storage)
        _proven_unwritable(it, storage)
        time.sleep(FAULT_SECONDS)
        it.expect(launch.lives, "the sweep was running")
        mend(storage)
        mended = time.time()
        code = launch.wait(300)
        it.expect(code in (0, 3), f"the launch ends orderly ({code}): {launch.said()[-300:]}")
        if code == 3:
            again = it.launch()
            it.expect_exit(again, 0)
        first = it.watch.first_written_after(mended)
        it.row.recovered_seconds = None if first is None else first - mended


def _proven_unwritable(it: Disturbed, storage: Path) -> None:
    for _ in range(3):
        try:
            with (storage / "suite-tries").open("wb") as file:
                file.write(bytes(4096))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            continue
        it.expect(False, "the storage refuses writing")
        return


def fill(storage: Path) -> None:
    """Write until there is no room at all, as a neighbour that goes on writing would."""
    with (storage / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(2**16))
    with (storage / "filler").open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x")


def remount(storage: Path, how: str) -> None:
    """Make the storage read-only (`ro`), or as it was (`rw`): another mount of it lies over it meanwhile.

    The file system itself becomes read-only only while no file in it is open for writing, as those of workers are.
    """
    is_covered = bool(os.statvfs(storage).f_flag & os.ST_RDONLY)
    if how == "ro" and not is_covered:
        _mount("--bind", storage, storage)
        _mount("-o", "remount,bind,ro", storage)
    elif how == "rw" and is_covered:
        subprocess.run(["umount", "--lazy", storage], check=True)


def _mount(*options: str | Path) -> None:
    """Again and again: whoever has just opened a file for writing keeps the mount from becoming read-only."""
    for _ in range(500):
        done = subprocess.run(["mount", *options], capture_output=True, text=True)
        if done.returncode == 0:
            return
        time.sleep(0.02)
    raise AssertionError(f"mount {' '.join(map(str, options))}: {done.stderr}")


@contextlib.contextmanager
def small_storage(stage: Stage) -> Iterator[Path]:
    folder = stage.folder / "small-storage"
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "skipray-faults", folder], capture_output=True)
    if done.returncode:
        raise RuntimeError(f"this fault needs the right to mount a tmpfs (root): {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        remount(folder, "rw")
        subprocess.run(["umount", "--lazy", folder], check=True)
