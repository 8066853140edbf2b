"""Ten thousand trials on a cluster that is killed at random: none lost, none doubled, and a driver that does not grow.

    python tests/faults/size.py [--trials N] [--every SECONDS] [--seed N] [--keep FOLDER]

Three raylets of several CPUs each, an MLflow server on PostgreSQL and a shared folder, all on this machine. Every trial
trains a network of the user's own for about a second, of which it waits most, so that two cores carry a dozen at once.
Once trials finish, a worker, a whole node or the MLflow server is killed with SIGKILL every 20 seconds, as the seed
draws; a node or a server comes back some seconds later. First a few of the same trials run undisturbed.

What it must show: one FINISHED run for each trial, asked of PostgreSQL itself; no point logged twice; the values of the
trials that ran undisturbed equal, bit for bit; `skipray doctor` finds nothing; the storage holds no trial. The driver's
resident memory is printed for each tenth of the sweep; between the second tenth and the end it may grow by a fifth.
Exit code 1 when one of these is not so.
"""

import argparse
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
from launching import ROOT, Launch
from store import Database, read_values

from skipray import tracking
from skipray.spec import load_sweep

sys.path.append(str(ROOT / "infra"))
from local_cluster import LocalCluster

DEPTHS = 2
CALM_TRIALS = 24
AWAY_SECONDS = (3.0, 8.0)
"""How long a node or the server stays away."""
GROWTH = 1.2
UNDELIVERED = 3
"""Exit code of a launch that ends while results wait for the server."""
FAMILY = '''\
"""A family that waits: its networks train for a second and leave the processor to others meanwhile."""

import time

from skipray.architectures import plainnet

EPOCHS = 4


class Family:
    fields = staticmethod(plainnet.fields)
    check = staticmethod(plainnet.check)

    @staticmethod
    def build(model, input_shape, classes):
        network = plainnet.build(model, input_shape, classes)
        network.register_forward_pre_hook(wait)
        return network


def wait(network, inputs):
    if network.training:
        time.sleep(1 / EPOCHS)
'''
SWEEP = """\
name: {name}
question: Is every trial there once?
dataset: {{name: gaussian, options: {{features: 8, samples: 128, classes: 2}}}}
model:
  kind: mlp
  width: 4
  normalization: none
  initialisation: he_normal
  activation: relu
  residual_scale: 1
recipe:
  epochs: 4
  batch_size: 128
  learning_rate: 0.01
  momentum: 0
  weight_decay: 0
  schedule: constant
  augmentation: none
factors:
  architecture: ['waiting:Family']
  depth: [4, 6]
seeds: {seeds}
tracking: {{save_weights: false}}
"""


class Killer(threading.Thread):
    """Kills something every so many seconds, until it is told to stop; what it took away is back by then."""

    def __init__(self, cluster: LocalCluster, every: float, seed: int):
        super().__init__(name="killer", daemon=True)
        self.cluster = cluster
        self.every = every
        self.rng = random.Random(seed)
        self.struck: Counter[str] = Counter()
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(self.every):
            kind = self.rng.choice(("worker", "worker", "node", "server"))
            away = self.rng.uniform(*AWAY_SECONDS)
            getattr(self, f"_{kind}")(away)

    def stop(self) -> None:
        self._done.set()
        if self.is_alive():
            self.join()

    def _worker(self, _: float) -> None:
        working = [process for process in self.cluster.workers() if "TrialWorker" in " ".join(process.cmdline())]
        if working:
            self.rng.choice(working).kill()
            self.struck["workers"] += 1

    def _node(self, away: float) -> None:
        name = self.rng.choice(["node-1", "node-2"])
        self.cluster.kill_node(name)
        self.struck["nodes"] += 1
        time.sleep(away)
        self.cluster.start_node(name)

    def _server(self, away: float) -> None:
        self.cluster.kill_mlflow()
        self.struck["servers"] += 1
        time.sleep(away)
        self.cluster.start_mlflow()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000, help="a multiple of 2 (10000)")
    parser.add_argument("--every", type=float, default=20.0, help="seconds from kill to kill (20)")
    parser.add_argument("--cpus", type=int, default=4, help="of each of the three nodes: trials at once (4)")
    parser.add_argument("--seed", type=int, default=0, help="of what is killed (0)")
    parser.add_argument("--keep", type=Path, help="a new folder to keep everything in, logs included")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # also as a background job: the cluster is stopped at the end
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="skipray-size-") as temporary:
        folder = (options.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with LocalCluster(folder / "cluster", nodes=3, cpus=options.cpus) as cluster:
            wrong = disturb(folder, cluster, options)
    print("\n".join(f"WRONG: {words}" for words in wrong) or "none lost, none doubled, none different")
    return 1 if wrong else 0


def disturb(folder: Path, cluster: LocalCluster, options: argparse.Namespace) -> list[str]:
    """Run both sweeps; what is not as it must be."""
    sys.path.append(str(folder))
    (folder / "waiting.py").write_text(FAMILY)
    calm, large = (write(folder, *of) for of in (("calm", CALM_TRIALS), ("size", options.trials)))
    variables = cluster.environment | {"SKIPRAY_STORAGE": str(cluster.storage)}
    if code := Launch.start(calm, variables, "--no-report").wait(600):
        return [f"the undisturbed sweep ended with {code}"]
    print(f"{psutil.cpu_count()} cores; {options.trials} trials, {3 * options.cpus} at once", flush=True)
    began, launch = time.monotonic(), Launch.start(large, variables, "--no-report")
    killer = Killer(cluster, options.every, options.seed)
    grown = follow(launch, Database(f"{cluster.state.short}/pg"), options.trials, killer)
    killer.stop()
    seconds, code = time.monotonic() - began, launch.process.returncode
    killed = ", ".join(f"{count} {kind}" for kind, count in sorted(killer.struck.items()))
    print(f"{seconds / 60:.1f} min, killed: {killed}; exit code {code}", flush=True)
    if code == UNDELIVERED:  # the server was away at the very end: the next launch delivers what waits
        code = Launch.start(large, variables, "--no-report").wait(3600)
    wrong = [] if code == 0 else [f"exit code {code}: {launch.said()[-500:]!r}"]
    if min(killer.struck[kind] for kind in ("workers", "nodes", "servers")) < seconds / options.every / 12:
        wrong.append("less was killed than it should")
    if len(grown) > 2 and grown[-1] > GROWTH * grown[1]:
        wrong.append(f"the driver's memory grew {grown[-1] / grown[1]:.2f} times")
    return wrong + judge(calm, large, cluster)


def write(folder: Path, name: str, trials: int) -> Path:
    """A sweep of so many trials; those of a smaller one are among those of a larger."""
    file = folder / f"{name}.yaml"
    file.write_text(SWEEP.format(name=name, seeds=list(range(trials // DEPTHS))))
    return file


def follow(launch: Launch, database: Database, trials: int, killer: Killer) -> list[float]:
    """The driver's resident bytes at each tenth of the sweep, printed as they come, until the launch has ended.

    The killer begins with the first finished trial: a launch that finds no server refuses to start.
    """
    grown: list[float] = []
    began, driver = time.monotonic(), None
    print(f"{'finished':>9} {'min':>6} {'driver MB':>10} {'load':>6}")
    while launch.lives:
        time.sleep(2)
        driver = driver or next(iter(psutil.Process(launch.process.pid).children()), None)
        done = database.finished("size")
        if done and not killer.is_alive():
            killer.start()
        if driver is None or done < trials * (len(grown) + 1) / 10:
            continue
        try:
            grown.append(driver.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        minutes, load = (time.monotonic() - began) / 60, psutil.getloadavg()[0]
        print(f"{done:9d} {minutes:6.1f} {grown[-1] / 1e6:10.0f} {load:6.1f}", flush=True)
    launch.wait(600)
    return grown


def judge(calm: Path, large: Path, cluster: LocalCluster) -> list[str]:
    """What the database, the storage and what is read back say against the sweep."""
    database, wrong = Database(f"{cluster.state.short}/pg"), []
    wanted = {trial.trial_id for trial in load_sweep(large).trials()}
    runs = database.trial_runs("size")
    finished = {trial for trial, status, _ in runs if status == "FINISHED"}
    repeated, doubled = database.repeated_points("size"), len(runs) - len({trial for trial, _, _ in runs})
    print(f"{len(finished)} finished of {len(wanted)}, {doubled} doubled, {repeated} points logged twice", flush=True)
    if finished != wanted:
        wrong.append(f"{len(wanted - finished)} trials lost")
    if doubled or repeated:
        wrong.append(f"{doubled} trials doubled, {repeated} points logged twice")
    both = {trial.trial_id for trial in load_sweep(calm).trials()}
    differing = read_values(large, cluster.tracking_uri).of(both).differing(read_values(calm, cluster.tracking_uri))
    wrong += [f"values of {trial} differ in {column}" for trial, column in differing.items()]
    findings = tracking.examine(load_sweep(large, [f"tracking.storage={cluster.storage}"]), cluster.tracking_uri)
    wrong += [f"doctor: {finding.what}" for finding in findings]
    left = [path.name for path in (cluster.storage / "size").iterdir() if path.is_dir()]
    wrong += [f"the storage still holds {len(left)} trials"] if left else []
    return wrong


if __name__ == "__main__":
    sys.exit(main())
