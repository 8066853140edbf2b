"""Faults of processes and machines: workers, nodes, the driver, the head."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
from stage import EPOCHS, Disturbed, Stage

from skipray.scheduling.work.stopping import GRACE_SECONDS
from sweeps import SEEDS

LONG_EPOCHS = 2 * EPOCHS
HOG_CHUNK_BYTES = 200 * 2**20
HOG_HEADROOM_BYTES = 4 * 2**30
"""From what is in use before the sweep to where Ray's memory monitor shall begin to kill."""
HOG_AHEAD_BYTES = int(1.5 * 2**30)
"""Of them, what the neighbour holds before the sweep begins: memory that a virtual machine has not used yet comes
slowly, and the sweep would be over."""
HOG = """
import sys, time
chunk, ahead, most = map(int, sys.argv[1:])
held = [b"x" * chunk for _ in range(ahead)]
print("ready", flush=True)
sys.stdin.readline()
while len(held) < most:
    held.append(b"x" * chunk)
    time.sleep(0.05)
time.sleep(600)
"""


def worker_killed(stage: Stage) -> None:
    """SIGKILL to the process that trains a trial."""
    with stage.disturb("worker-killed") as it:
        launch = it.launch()
        trial, attempt = it.training()
        it.strike()
        os.kill(attempt.pid, signal.SIGKILL)
        it.expect_exit(launch, 0)
        _proven_lost(it, {trial})


def raylet_killed(stage: Stage) -> None:
    """SIGKILL to the raylet of a node that trains a trial; Ray ends the rest of the node."""
    with stage.disturb("raylet-killed") as it:
        launch = it.launch()
        trial, _ = it.training(lambda a: _node_of(stage, a.pid) == "node-1")
        node = stage.cluster.state.sessions["node-1"]
        (raylet,) = [p for p in node.processes() if p.name() == "raylet"]
        it.strike()
        stage.cluster.kill_raylet("node-1")
        it.wait(lambda: raylet not in node.processes(), "the raylet's death", 10)
        it.expect_exit(launch, 0)
        _proven_lost(it, {trial})
    stage.renew("node-1")


def node_frozen(stage: Stage) -> None:
    """SIGSTOP to every process of a node until the head gives it up and its trial runs elsewhere, then SIGCONT.

    A machine that swaps, a virtual machine that is moved: the old attempt wakes up and must find that it is over.
    """
    with stage.disturb("node-frozen", seeds=2) as it:
        launch = it.launch()
        trial, attempt = it.training(lambda a: _node_of(stage, a.pid) == "node-1")
        frozen = stage.cluster.state.sessions["node-1"].processes()
        it.row.allowed_seconds = None  # the time that the node was frozen is in it
        it.strike()
        for process in frozen:
            process.suspend()
        try:
            again = it.wait(
                lambda: it.watch.first_attempt_after(it.struck, {trial}), "another attempt of the frozen trial"
            )
            it.row.recovered_seconds = again - it.struck
            it.expect(attempt.ended is None, "the old attempt was frozen, not dead")
        finally:
            for process in frozen:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
        it.expect_exit(launch, 0)
    stage.renew("node-1")


def raylet_added(stage: Stage) -> None:
    """A node joins while a sweep runs, and takes its share of the trials.

    Of longer trials than the reference's, whose values are not compared: a node's first worker takes ten seconds to
    start where cores are few, in which the others would end the reference's.
    """
    name = "node-added"
    with stage.disturb("raylet-added", seeds=2, epochs=LONG_EPOCHS) as it:
        launch = it.launch()
        it.wait(it.watch.running, "a trial that is being trained")
        it.strike()
        stage.cluster.start_node(name)
        used = it.wait(
            lambda: [a for a in it.watch.running().values() if _node_of(stage, a.pid) == name],
            "a trial on the new node",
        )
        it.row.recovered_seconds = min(a.acquired for a in used) - it.struck
        it.expect_exit(launch, 0)
    stage.remove(name)


def driver_killed(stage: Stage) -> None:
    """SIGKILL to the launch; the same command at once, while its old workers may still be alive."""
    with stage.disturb("driver-killed") as it:
        launch = it.launch()
        it.training()
        hit = set(it.watch.running())
        it.strike()
        launch.kill()
        it.expect(not launch.lives and it.finished() < len(it.trials()), "the driver died before the sweep was done")
        _launch_again(it)
        _proven_lost(it, hit)


def driver_killed_at_once(stage: Stage) -> None:
    """SIGKILL to the launch in its first seconds, several times, each a little later."""
    with stage.disturb("driver-killed-at-once") as it:
        for seconds in (0.5, 4.0, 8.0, 12.0):
            launch = it.launch()
            time.sleep(seconds * it.stage.rng.uniform(0.8, 1.2))
            it.expect(launch.lives, f"the driver still lived after {seconds:g} s")
            it.strike()
            launch.kill()
        _launch_again(it)


def driver_killed_while_reporting(stage: Stage) -> None:
    """SIGKILL to the launch between its last trial and its end: the next one trains nothing, and ends the run."""
    with stage.disturb("driver-killed-while-reporting", report=True) as it:
        launch = it.launch()
        it.wait(lambda: it.finished() == len(it.trials()), "the last trial's end")
        time.sleep(stage.rng.uniform(0, 1))
        it.strike()
        it.expect(stage.database.sweep_status(it.name) == ["RUNNING"], "the sweep's run was not ended yet")
        launch.kill()
        again = it.launch()
        it.expect_exit(again, 0)
        it.expect(again.told().get("ran") == 0, "nothing was trained again")
        it.row.recovered_seconds = time.time() - again.started


def head_killed(stage: Stage) -> None:
    """SIGKILL to the head's whole node, which stays away: the launch ends by itself, and the next one goes on."""
    with stage.disturb("head-killed") as it:
        launch = it.launch()
        it.training()
        it.strike()
        stage.cluster.kill_head()
        it.expect_exit(launch, 130, "the head of the Ray cluster", "is lost", "launch the same file again")
        stage.cluster.restart_head()
        _launch_again(it)


def head_restarted(stage: Stage) -> None:
    """SIGKILL to the head's whole node, and a new head on the old address: a cluster that knows of no launch."""
    with stage.disturb("head-restarted") as it:
        launch = it.launch()
        it.training()
        it.strike()
        stage.cluster.restart_head()
        it.expect_exit(launch, 130, "the head of the Ray cluster", "is lost", "launch the same file again")
        _launch_again(it)


def sigterm(stage: Stage) -> None:
    """SIGTERM to the launch, as Slurm, Kubernetes and spot nodes send it."""
    with stage.disturb("sigterm") as it:
        launch = it.launch()
        it.training()
        hit = set(it.watch.running())
        it.strike()
        it.watch.told_to_stop = it.struck
        launch.process.terminate()
        it.expect_exit(launch, 130, "launch the same file again")
        it.expect(time.time() - it.struck < 2 * GRACE_SECONDS, f"it ended within {2 * GRACE_SECONDS:g} s")
        late = {
            trial: round(it.struck - max(attempt.saved.values()), 2)
            for trial, attempt in ((t, it.watch.newest(t)) for t in hit)
            if attempt.result is None and max(attempt.saved.values()) < it.struck and it.watch.has(trial)
        }
        it.expect(not late, f"what was being trained was saved at the end (seconds before the signal: {late})")
        _launch_again(it)


def two_launches(stage: Stage) -> None:
    """Two more launches of a sweep that is running; it outlasts them by far, on a fast machine too."""
    with stage.disturb("two-launches", seeds=SEEDS) as it:
        first = it.launch()
        it.training()
        it.strike()
        driver = first.driver_pid
        second = it.launch()
        third = it.launch("--set", "resources.max_failures=2")
        it.expect_exit(second, 2, f"process {driver} on")
        it.expect_exit(third, 2, f"process {driver} on")
        it.expect(first.lives, "the first launch was still running when the others were refused")
        it.expect_exit(first, 0)


def worker_out_of_memory(stage: Stage) -> None:
    """A neighbour uses up the memory of a node, and Ray's memory monitor kills the worker there."""
    memory = psutil.virtual_memory()
    threshold = (memory.total - memory.available + HOG_HEADROOM_BYTES) / memory.total
    with _neighbour(int(memory.available * 0.8)) as hog:
        node = stage.cluster.start_node(
            "node-memory",
            variables={"RAY_memory_usage_threshold": f"{threshold:.4f}", "RAY_memory_monitor_refresh_ms": "100"},
        )
        with stage.disturb("worker-out-of-memory", seeds=3) as it:
            launch = it.launch()
            _, attempt = it.training(lambda a: _node_of(stage, a.pid) == node)
            it.strike()
            print(file=hog.stdin, flush=True)
            it.wait(lambda: not psutil.pid_exists(attempt.pid), "the memory monitor to kill the worker", 60)
            hog.kill()
            hit = it.watch.unfinished_of(attempt.pid)  # the worker may have gone on to another trial meanwhile
            it.expect_exit(launch, 0)
            logs = "".join(p.read_text(errors="replace") for p in _ray_logs(stage, node, "raylet.out"))
            it.expect("OOM kill reason" in logs, "the raylet's log tells of the kill")
            _proven_lost(it, hit)
    stage.remove(node)


@contextlib.contextmanager
def _neighbour(most_bytes: int) -> Iterator[subprocess.Popen[str]]:
    """A process that holds HOG_AHEAD_BYTES, and takes the rest once it is sent a line."""
    chunks = [str(size // HOG_CHUNK_BYTES) for size in (HOG_AHEAD_BYTES, most_bytes)]
    command = [sys.executable, "-c", HOG, str(HOG_CHUNK_BYTES), *chunks]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hog:
        assert hog.stdout is not None
        hog.stdout.readline()
        try:
            yield hog
        finally:
            hog.kill()


def _proven_lost(it: Disturbed, hit: set[str]) -> None:
    """The trials that a fault hit got another attempt each; the first of them is when the sweep had recovered."""
    again = [t for t in hit if len(it.watch.attempts[t]) > 1 or it.watch.newest(t).result is not None]
    it.expect(set(again) == hit, "each trial that was hit got another attempt")
    it.expect(any(len(it.watch.attempts[t]) > 1 for t in hit), "an attempt was cut short")
    if it.row.recovered_seconds is None:
        first = it.watch.first_attempt_after(it.struck, hit)
        it.row.recovered_seconds = None if first is None else first - it.struck


def _launch_again(it: Disturbed) -> None:
    again = it.launch()
    it.expect_exit(again, 0)
    first = it.watch.first_attempt_after(again.started)
    it.expect(first is not None, "the repeated launch ran what was missing")
    if first is not None:
        it.row.recovered_seconds = first - again.started


def _node_of(stage: Stage, pid: int) -> str | None:
    """The node that a process belongs to."""
    try:
        session = os.getsid(pid)
    except ProcessLookupError:
        return None
    return next((name for name, s in stage.cluster.state.sessions.items() if s.pid == session), None)


def _ray_logs(stage: Stage, node: str, name: str) -> list:
    from pathlib import Path

    return sorted((Path(stage.cluster.state.short) / node).glob(f"session_2*/logs/{name}"))
