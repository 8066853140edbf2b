"""A sweep of 24 and one of 240 small trials, by skipray and by what one would otherwise write.

    python tests/benchmarks/bench_sweep.py [24 240] [1000] [--sides ray_tune ray_tuned joblib ...]

Digits, fully connected networks of 8 and 14 layers, width 32, about half a second of training on one core. Every side
makes the same networks, batches and steps, with one thread, and has a process and an empty folder of its own:
- ray_tune: function trainable, actors as they come, MLflowLoggerCallback, SQLite (24 trials only, and not beyond
  --limit seconds: then it counts as having taken so long, and `trials` says how far it came);
- ray_tuned: Ray Tune tuned by hand: actors that are used again, no loggers of Tune's, MLflow's client in the worker;
- optuna: Optuna's own loop in two processes on one study, SQLite, MLflow's client as in ray_tuned; its grid sampler may
  run a trial twice at the end, which `trials` shows;
- joblib: a pool of two processes with MLflow's fluent API in each, SQLite;
- hydra: Hydra's joblib launcher with two processes, a folder and a log per job, MLflow's client as in ray_tuned; left
  out, and said, where hydra-core and hydra-joblib-launcher are not installed (`uv pip install` them: they are no part
  of the locked set, since nothing else here needs them);
- one_process: one warm process, nothing tracked;
- skipray: `python -m skipray.launch`, SQLite: probes each network at the first and last epoch, logs exactly once, can
  be killed at any time, and ends with fits, claims and a report. `until last trial` leaves the latter out.
Wall times are of the whole process, imports and Ray included. `training` is the sum over trials of the seconds that the
sides themselves measured, beside one another on two cores (not so in one_process). `CPU` is that of the processes
of a side that were waited for (Linux only; Ray may leave workers out), for machines that others use too. The load is
printed for the same reason.
"""

import argparse
import ctypes
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from _figures import print_figure

HERE = Path(__file__).resolve().parent
SIDES = ("ray_tune", "ray_tuned", "joblib", "hydra", "optuna", "one_process", "skipray")
OTHERS = {
    "ray_tune": "stock Ray Tune",
    "ray_tuned": "hand-tuned Ray Tune",
    "joblib": "joblib",
    "hydra": "Hydra's joblib launcher",
    "optuna": "Optuna's loop",
    "one_process": "one warm process that tracks nothing",
}
"""What the page of speeds calls them."""
CELLS = 4
TARGETS = {24: {"ray_tune": 8.0, "joblib": 1.3}, 240: {"joblib": 1.5}}
"""Trials -> side -> its wall time over skipray's is at least this."""

SWEEP = """\
name: bench
question: What does a sweep cost beside its training?
dataset: {{name: digits}}
model:
  kind: mlp
  width: 32
  normalization: batch
  initialisation: he_normal
  activation: relu
  residual_scale: 1
recipe:
  epochs: {epochs}
  batch_size: 64
  learning_rate: 0.05
  momentum: 0.9
  weight_decay: 1e-4
  schedule: constant
  augmentation: none
factors:
  architecture: [plainnet, resnet]
  depth: [8, 14]
seeds: {seeds}
"""
EPOCHS = 10

IS_LINUX = sys.platform == "linux"
PR_SET_CHILD_SUBREAPER = 36
REAP_SECONDS = 20.0


@dataclass(frozen=True)
class Took:
    """What a side took, in seconds."""

    side: str
    trials: int
    wall: float
    training: float
    probing: float | None = None
    until_last_trial: float | None = None
    cpu: float | None = None
    load: float = 0.0
    """Processes that ran on the machine in the last minute, this side's among them."""


def run_side(side: str, sweep: Path, folder: Path, limit: float) -> Took:
    """Run a side in a process of its own."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    ours = ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "SKIPRAY_STORAGE")
    environment = {k: v for k, v in os.environ.items() if k not in ours} | dict.fromkeys(names, "1")
    store = folder / "mlflow.db"
    if side == "skipray":
        command = ["-m", "skipray.launch", str(sweep), "--json", "--tracking-uri", f"sqlite:///{store}"]
    else:
        command = [str(HERE / "_sweep_sides.py"), side, str(sweep), str(limit)]
    log = folder / "stderr.txt"
    began, clock, cpu = time.time(), time.perf_counter(), _cpu_of_children()
    with log.open("wb") as errors:
        done = subprocess.run(
            [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors
        )
    wall = time.perf_counter() - clock
    if done.returncode:
        raise SystemExit(f"{side} ended with {done.returncode}:\n{log.read_text()[-3000:]}")
    used = _cpu_of_children() - cpu if IS_LINUX else None
    if side == "skipray":
        return replace(_from_store(store, began, wall), cpu=used)
    said = json.loads(done.stdout.splitlines()[-1])
    return Took(side, said["trials"], wall, said["train_seconds"], cpu=used)


def _adopt_orphans() -> None:
    """Make processes that a side leaves behind, as Ray does, children of this one, so that their CPU time counts."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _cpu_of_children() -> float:
    """CPU seconds of all children that have ended, after a moment for those that are about to."""
    end = time.monotonic() + REAP_SECONDS
    while IS_LINUX and time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.05)
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _from_store(store: Path, began: float, wall: float) -> Took:
    """skipray's own times, as its runs have them."""
    with sqlite3.connect(store) as database:
        finished = "FROM runs JOIN tags USING (run_uuid) WHERE key = 'mlflow.parentRunId' AND status = 'FINISHED'"
        trials, last = database.execute(f"SELECT count(*), max(end_time) {finished}").fetchone()
        sums = dict(database.execute("SELECT key, sum(value) FROM latest_metrics WHERE key LIKE 'time.%' GROUP BY key"))
    until = last / 1000 - began
    return Took("skipray", trials, wall, sums["time.train_seconds"], sums["time.probe_seconds"], until)


def compare(trials: int, sides: list[str], limit: float) -> dict[str, Took]:
    """Each side once, one after the other."""
    took = {}
    text = SWEEP.format(epochs=EPOCHS, seeds=list(range(trials // CELLS)))
    for side in sides:
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
            sweep = Path(name) / "bench.yaml"
            sweep.write_text(text)
            took[side] = replace(run_side(side, sweep, Path(name), limit), load=os.getloadavg()[0])
        _say(f"  {took[side]}")
    return took


def show(trials: int, took: dict[str, Took]) -> None:
    plain, ours = took.get("one_process"), took.get("skipray")
    print(f"{trials} trials          wall        CPU   training   probing   wall/one_process   wall/skipray   trials")
    rows = list(took.values())
    if ours is not None:
        assert ours.until_last_trial is not None
        until = Took("until last trial", ours.trials, ours.until_last_trial, ours.training, ours.probing)
        rows.append(until)
    for row in rows:
        cpu = "-" if row.cpu is None else f"{row.cpu:.1f}"
        probing = "-" if row.probing is None else f"{row.probing:.1f}"
        to_plain = "-" if plain is None else f"{row.wall / plain.wall:.2f}"
        to_ours = "-" if ours is None else f"{row.wall / ours.wall:.2f}"
        print(
            f"{row.side:16s} {row.wall:8.1f} s {cpu:>8s} s {row.training:7.1f} s {probing:>7s} s "
            f"{to_plain:>18s} {to_ours:>14s} {row.trials:8d}"
        )


def judge(trials: int, took: dict[str, Took]) -> None:
    """Say whether the targets hold, where what they compare has been run."""
    ours = took.get("skipray")
    if ours is None:
        return
    for side, least in TARGETS.get(trials, {}).items():
        if side in took:
            ratio = took[side].wall / ours.wall
            capped = " or more" if took[side].trials < trials else ""
            print(f"target at {trials}, {side} / skipray >= {least:g}: {ratio:.2f}{capped}: {_holds(ratio >= least)}")


def keep(trials: int, took: dict[str, Took]) -> None:
    """A line for the page of speeds."""
    ours = took.get("skipray")
    beside = {name: took[side].wall for side, name in OTHERS.items() if side in took}
    stopped = {name for side, name in OTHERS.items() if side in took and took[side].trials < trials}
    if ours is not None:
        loads = {"skipray": ours.load} | {name: took[side].load for side, name in OTHERS.items() if side in took}
        print_figure(f"{trials:,} trials", ours.wall, beside, at_least=stopped, loads=loads)


def present(asked: list[str]) -> list[str]:
    """The sides that can run, in the order of SIDES."""
    sides = [side for side in SIDES if side in asked]
    if "hydra" in sides and not (find_spec("hydra") and find_spec("hydra_plugins")):
        _say("hydra is left out: hydra-core and hydra-joblib-launcher are not installed")
        sides.remove("hydra")
    return sides


def _holds(holds: bool) -> str:
    return "holds" if holds else "MISSED"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("trials", nargs="*", type=int, default=[24, 240], help=f"multiples of {CELLS}")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for stock Ray Tune")
    arguments = parser.parse_args()
    if IS_LINUX:
        _adopt_orphans()
    for trials in arguments.trials:
        sides = [s for s in present(arguments.sides) if not (s == "ray_tune" and trials > 24)]
        took = compare(trials, sides, arguments.limit)
        show(trials, took)
        judge(trials, took)
        keep(trials, took)


if __name__ == "__main__":
    main()
