"""What a tracked trial costs besides its training: a sweep of many one-epoch toy trials.

    python tests/benchmarks/bench_overhead.py [300 1000 10000]

Trials of the Gaussian data set with a network of four layers and width 4, 128 samples, one epoch, the default probe, on
this machine's own Ray, into an MLflow server on PostgreSQL that runs on the same cores. For each number of trials, in a
process of its own and an empty store:
- `overhead`: wall seconds from the first trial's end to the last one's, over the trials between, less what the trials
  themselves measured of training and probing, over the trials that ran at once;
- `CPU`: processor seconds of everything, servers and imports included; below it, what a further trial adds, which
  a busy machine changes little;
- `driver`: the launch's peak memory; `requests`: lines of the MLflow server's own access log between the first trial
  and the last, over the trials.
Targets, on two cores: overhead under 0.15 s and the same for all numbers (within 1.3 times), under 1.2 GB, at most 10
requests. The load is printed since all of it depends on what else the machine does.
"""

import argparse
import contextlib
import importlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "infra"))
local_cluster = importlib.import_module("local_cluster")

OVERHEAD_SECONDS = 0.15
GROWTH = 1.3
DRIVER_BYTES = 1.2e9
REQUESTS = 10.0

SWEEP = """\
name: overhead-{count}
question: What does a trial cost besides its training?
dataset: {{name: gaussian, options: {{features: 8, samples: 128, classes: 2}}}}
model:
  kind: mlp
  width: 4
  normalization: none
  initialisation: he_normal
  activation: relu
  residual_scale: 1
recipe:
  epochs: 1
  batch_size: 128
  learning_rate: 0.01
  momentum: 0
  weight_decay: 0
  schedule: constant
  augmentation: none
factors:
  architecture: [plainnet, resnet]
  depth: [4, 6]
seeds: {seeds}
tracking: {{save_weights: false}}
"""

CHILD = """
import json, os, resource, sys, time
from skipray.execution.launching import launch_sweep
from skipray.spec import load_sweep

ended = launch_sweep(load_sweep(sys.argv[1]))
print(json.dumps({"ran": ended.ran, "failed": ended.failed, "seconds": ended.seconds,
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", nargs="*", type=int, default=[300, 1000], help="multiples of 4 (300 1000)")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'trials':>7} {'seconds':>8} {'overhead s':>11} {'CPU s':>7} {'driver MB':>10} {'requests':>9} {'load':>6}")
    overheads, cpu, right = [], [], True
    for count in options.counts:
        with tempfile.TemporaryDirectory(prefix="skipray-overhead-") as folder:
            row = measure(Path(folder), count)
        overheads.append(row["overhead"])
        cpu.append(row["cpu"])
        right &= row["overhead"] < OVERHEAD_SECONDS and row["peak"] < DRIVER_BYTES and row["requests"] <= REQUESTS
        print(
            f"{count:7d} {row['seconds']:8.1f} {row['overhead']:11.3f} {row['cpu']:7.0f} {row['peak'] / 1e6:10.0f} "
            f"{row['requests']:9.1f} {os.getloadavg()[0]:6.1f}",
            flush=True,
        )
    for (few, spent), (many, more) in itertools.pairwise(zip(options.counts, cpu, strict=True)):
        print(f"from {few} to {many} trials: {(more - spent) / (many - few):.3f} processor seconds per trial")
    growth = max(overheads) / min(overheads)
    right &= growth <= GROWTH
    print(f"largest over smallest overhead: {growth:.2f}; {'within' if right else 'NOT within'} the targets")
    return 0 if right else 1


def measure(folder: Path, count: int) -> dict[str, float]:
    """One sweep of `count` trials, on a server of its own."""
    from skipray import tracking
    from skipray.spec import load_sweep

    file = folder / "overhead.yaml"
    file.write_text(SWEEP.format(count=count, seeds=list(range(count // 4))))
    servers = local_cluster.LocalCluster(folder / "servers", nodes=0)
    with servers:
        variables = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "MLFLOW_", "SKIPRAY_"))}
        variables |= {"MLFLOW_TRACKING_URI": servers.tracking_uri, "PYTHONPATH": str(ROOT)}
        before = requests(servers.log("mlflow"))
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, file], cwd=folder, env=variables, stdout=subprocess.PIPE, text=True
        )
        meter = Meter([child.pid, *(session.pid for session in servers.state.sessions.values())])
        output, _ = child.communicate()
        cpu = meter.stop()
        assert child.returncode == 0, output
        told = json.loads(output.splitlines()[-1])
        assert told["ran"] == count, told
        sent = requests(servers.log("mlflow")) - before
        sweep = load_sweep(file)
        table = tracking.read_trials(sweep, servers.database_uri)
        ends = [row.end_ms / 1000 for row in tracking.read_ledger(sweep, servers.database_uri).finished.values()]
    at_once = os.cpu_count() or 1
    own = float(table["time.train_seconds"].sum() + table["time.probe_seconds"].sum())
    overhead = (max(ends) - min(ends)) / (count - 1) - own / at_once / count
    return {
        "seconds": told["seconds"],
        "overhead": overhead,
        "cpu": cpu,
        "peak": told["peak"],
        "requests": sent / count,
    }


class Meter(threading.Thread):
    """Processor seconds of some processes and all that they start, those that end in between included."""

    def __init__(self, pids: list[int]):
        super().__init__(daemon=True)
        self._roots = [psutil.Process(pid) for pid in pids]
        self._spent: dict[tuple[int, float], float] = {}
        self._done = threading.Event()
        self._look()
        self._before = sum(self._spent.values())
        self.start()

    def run(self) -> None:
        while not self._done.wait(0.5):
            self._look()

    def stop(self) -> float:
        self._done.set()
        self.join()
        return sum(self._spent.values()) - self._before

    def _look(self) -> None:
        for root in self._roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                for process in (root, *root.children(recursive=True)):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        times = process.cpu_times()
                        self._spent[process.pid, process.create_time()] = times.user + times.system


def requests(log: Path) -> int:
    """Requests that the MLflow server has answered, by its own access log."""
    return log.read_text(errors="replace").count("HTTP/1.1") if log.exists() else 0


if __name__ == "__main__":
    sys.exit(main())
