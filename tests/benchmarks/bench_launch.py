"""What a launch waits for: one with nothing to do, from the prompt to the prompt, and the first step of one with work.

    python tests/benchmarks/bench_launch.py [--rounds 5] [--beside CHECKOUT] [--store FOLDER] [--nothing-alone]

`nothing to do` is `python -m skipray.launch quickstart` where all 54 trials are finished and the report stands. `first
trial` is the time from the prompt until the first trial of a launch into an empty folder has its run, right before its
first step. Rounds alternate between this checkout and, where one is given, another (a `git worktree` of an earlier
commit), each with a copy of one finished store of its own. That store is made first (two minutes), unless --store names
a folder with one. `CPU` is that of the launch with nothing to do and all its processes: on quiet cores hardly less than
its wall time, and little longer on busy ones. The load is printed because other processes lengthen everything else.
"""

import argparse
import os
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _figures import print_figure

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {"nothing to do": 3.0, "its CPU": 3.0, "first trial": 6.0}
"""Seconds, on quiet cores."""
ROWS = {"nothing to do": "launch with nothing to do", "first trial": "start-up, until the first trial's first step"}
"""Of the page of speeds."""
SMALL = ("--set", "seeds=[0]", "--set", "factors.depth=[8]", "--set", "recipe.epochs=2", "--no-report")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, help="another checkout")
    parser.add_argument("--store", type=Path, help="a folder with a finished quickstart store")
    parser.add_argument("--nothing-alone", action="store_true", help="leave out launches with work")
    chosen = parser.parse_args()
    sides = {"this": ROOT} | ({"beside": chosen.beside.resolve()} if chosen.beside else {})
    found: dict[str, dict[str, list[float]]] = {name: {side: [] for side in sides} for name in ALLOWED}
    with tempfile.TemporaryDirectory(prefix="skipray-bench-") as place:
        made = chosen.store or Path(place, "made")
        if chosen.store is None:
            made.mkdir()
            launch(ROOT, made)
        for side, checkout in sides.items():
            shutil.copytree(made, Path(place, side))
            launch(checkout, Path(place, side))  # its own report, caches and byte code
        for number in range(chosen.rounds):
            for side, checkout in sides.items():
                wall, cpu = launch(checkout, Path(place, side))
                found["nothing to do"][side].append(wall)
                found["its CPU"][side].append(cpu)
                if not chosen.nothing_alone:
                    found["first trial"][side].append(first_trial(checkout, Path(place, f"{side}-{number}")))
            print(f"round {number + 1}: {lasts(found)}", flush=True)
    print(f"load {os.getloadavg()[0]:.1f}; medians of {chosen.rounds} alternating rounds, seconds (allowed)")
    for name, of_side in found.items():
        medians = "  ".join(f"{side} {statistics.median(values):6.2f}" for side, values in of_side.items() if values)
        print(f"{name:14}  {medians or '-'}  ({ALLOWED[name]:g})")
        if name in ROWS and of_side["this"]:
            print_figure(ROWS[name], statistics.median(of_side["this"]))


def launch(checkout: Path, folder: Path, *options: str) -> tuple[float, float]:
    """Seconds and CPU seconds of a launch of the quickstart."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command(*options), cwd=folder, env=environment(checkout), check=True, capture_output=True)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_trial(checkout: Path, folder: Path) -> float:
    """Seconds until the first trial of a launch into an empty folder has begun."""
    folder.mkdir()
    began = time.time()
    launch(checkout, folder, *SMALL)
    with sqlite3.connect(folder / "skipray.db") as database:
        query = "select min(start_time) from runs join tags using (run_uuid) where key = 'skipray.trial_id'"
        (started,) = database.execute(query).fetchone()
    return float(started) / 1000 - began


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "skipray.launch", str(ROOT / "sweeps" / "quickstart.yaml"), *options]


def environment(checkout: Path) -> dict[str, str]:
    unkept = (
        "MLFLOW_",
        "RAY_",
        "SKIPRAY_",
        "PYTHONDONTWRITEBYTECODE",
    )  # a checkout without byte code is half a second slower
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unkept)}
    return kept | {"PYTHONPATH": str(checkout)}


def lasts(found: dict[str, dict[str, list[float]]]) -> str:
    """The values of the last round."""
    sides = {side for of_side in found.values() for side in of_side}
    told = {
        side: ", ".join(f"{name} {of_side[side][-1]:.2f} s" for name, of_side in found.items() if of_side[side])
        for side in sorted(sides)
    }
    return "; ".join(f"{side}: {words}" for side, words in told.items())


if __name__ == "__main__":
    main()
