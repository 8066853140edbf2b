"""What a launch waits for: one with nothing to do, from the prompt to the prompt, and the first step of one with work.

    python tests/benchmarks/bench_launch.py [--rounds 5] [--beside CHECKOUT] [--store FOLDER]

`nothing to do` is `python -m skipray.launch quickstart` where all 54 trials are finished and the report stands. `first
trial` is the time from the prompt until the first trial of a launch into an empty folder has its run, right before its
first step. Rounds alternate between this checkout and, where one is given, another (a `git worktree` of an earlier
commit), each with a copy of one finished store of its own. That store is made first (two minutes), unless --store names
a folder with one. The load is printed because other processes on the machine lengthen everything.
"""

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_NOTHING, LIMIT_FIRST = 3.0, 6.0
"""Seconds on quiet cores."""
SMALL = ("--set", "seeds=[0]", "--set", "factors.depth=[8]", "--set", "recipe.epochs=2", "--no-report")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, help="another checkout")
    parser.add_argument("--store", type=Path, help="a folder with a finished quickstart store")
    chosen = parser.parse_args()
    sides = {"this": ROOT} | ({"beside": chosen.beside.resolve()} if chosen.beside else {})
    nothing: dict[str, list[float]] = {side: [] for side in sides}
    first: dict[str, list[float]] = {side: [] for side in sides}
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
                nothing[side].append(launch(checkout, Path(place, side)))
                first[side].append(first_trial(checkout, Path(place, f"{side}-{number}")))
            print(f"round {number + 1}: " + "; ".join(shown(side, nothing, first) for side in sides), flush=True)
    print(f"load {os.getloadavg()[0]:.1f}; medians of {chosen.rounds} alternating rounds, seconds (allowed)")
    for name, found, limit in (("nothing to do", nothing, LIMIT_NOTHING), ("first trial", first, LIMIT_FIRST)):
        medians = "  ".join(f"{side} {statistics.median(values):6.2f}" for side, values in found.items())
        print(f"{name:14}  {medians}  ({limit:g})")


def launch(checkout: Path, folder: Path, *options: str) -> float:
    """Seconds of a launch of the quickstart."""
    began = time.perf_counter()
    subprocess.run(command(*options), cwd=folder, env=environment(checkout), check=True, capture_output=True)
    return time.perf_counter() - began


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
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "RAY_", "SKIPRAY_"))}
    return kept | {"PYTHONPATH": str(checkout)}


def shown(side: str, nothing: dict[str, list[float]], first: dict[str, list[float]]) -> str:
    return f"{side}: nothing to do {nothing[side][-1]:.2f} s, first trial {first[side][-1]:.2f} s"


if __name__ == "__main__":
    main()
