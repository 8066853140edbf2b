"""Whether a launch's last line is its report, on a machine that is busy with other things.

    python tests/benchmarks/bench_quiet_end.py [--launches 50] [--load 8] [--at-once 1]

Each launch trains two one-epoch trials and writes its report, while `--load` processes count; several launches at once
are each other's load. A launch speaks out of turn where standard output ends in another line than the report's path, or
either stream has a traceback, an error or an ignored exception. Ends with 1, and shows what was said, where one did.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("seeds=[0]", "factors.depth=[8]", "factors.architecture=[plainnet, resnet]", "recipe.epochs=1")
OUT_OF_TURN = re.compile(r"Exception ignored|Traceback|Error\b|Errno|leaked", flags=re.M)
BUSY = "while True: pass"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launches", type=int, default=50)
    parser.add_argument("--load", type=int, default=8, help="processes that count meanwhile")
    parser.add_argument("--at-once", type=int, default=1, help="launches that run at a time")
    chosen = parser.parse_args()
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(chosen.load)]
    loud, seconds = 0, []
    try:
        with tempfile.TemporaryDirectory(prefix="skipray-bench-") as place:
            folders = [Path(place, str(number + 1)) for number in range(chosen.launches)]
            with ThreadPoolExecutor(chosen.at_once) as pool:
                for folder, (said, took) in zip(folders, pool.map(timed, folders), strict=True):
                    seconds.append(took)
                    loud += bool(said)
                    for line in said:
                        print(f"launch {folder.name}: {line}", flush=True)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    print(f"{loud} of {chosen.launches} launches spoke out of turn; {max(seconds):.0f} s at most; {chosen.at_once} at")
    print(f"once beside {chosen.load} busy processes, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    return int(loud > 0)


def timed(folder: Path) -> tuple[list[str], float]:
    folder.mkdir()
    began = time.perf_counter()
    return launch(folder), time.perf_counter() - began


def launch(folder: Path) -> list[str]:
    """What one launch says that it should not."""
    options = [word for value in SMALL for word in ("--set", value)]
    done = subprocess.run(
        [sys.executable, "-m", "skipray.launch", str(ROOT / "sweeps" / "quickstart.yaml"), *options],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
        | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = [f"exit code {done.returncode}"] if done.returncode else []
    found += [line for line in (done.stdout + done.stderr).splitlines() if OUT_OF_TURN.search(line)]
    last = done.stdout.strip().splitlines()[-1:] or ["nothing"]
    if "report" not in last[0] or not any(word in last[0] for word in (".html", "index")):
        found.append(f"last line: {last[0]}")
    return found


if __name__ == "__main__":
    sys.exit(main())
