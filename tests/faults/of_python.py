"""Faults of a launch from Python, within a Ray that is the user's own."""

import subprocess
import sys
import time

from launching import environment_of
from stage import LAUNCH_SECONDS, Stage

SCRIPT = """
import sys
import threading

import ray

from skipray.sweep import Sweep

ray.init(address="auto", log_to_driver=False)


@ray.remote
class Counter:
    def __init__(self):
        self.count = 0

    def add(self):
        self.count += 1
        return self.count


counter = Counter.options(num_cpus=0).remote()
assert ray.get(counter.add.remote()) == 1
ended = []
thread = threading.Thread(target=lambda: ended.append(Sweep.from_file(sys.argv[1]).launch(address="auto")))
thread.start()
thread.join()
assert ray.is_initialized(), "the user's Ray is the user's to end"
assert ray.get(counter.add.remote()) == 2, "its actors live on"
print(ended[0].ran, ended[0].failed, ended[0].undelivered)
"""


def own_ray_init(stage: Stage) -> None:
    """The user has begun Ray, and launches in a thread: afterwards Ray, and an actor of the user's, are still there."""
    with stage.disturb("own-ray-init") as it:
        it.strike()
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, it.file.name],
            cwd=it.file.parent,
            env=environment_of(it.file, it.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LAUNCH_SECONDS,
        )
        it.expect(done.returncode == 0, f"exit code {done.returncode}: {done.stderr[-500:]!r}")
        it.expect(done.stdout.split()[-3:] == [str(len(it.trials())), "0", "0"], f"all ran: {done.stdout[-200:]!r}")
        it.row.recovered_seconds = time.time() - it.struck
