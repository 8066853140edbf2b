"""Runs benchmarks and keeps what they print, dated, with the commit and the machine, so that a slower commit is seen.

    python tests/benchmarks [step sweep ...] [--folder docs/benchmarks]

Without names every bench_*.py runs, one after the other (hours). `step` or `bench_step`, and `"step --rounds 9"` with
arguments. A benchmark that fails, or misses its own target, ends the run with its exit code; what it and those before
it have printed is kept, so that no record is of the good days alone.
"""

import argparse
import os
import platform
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGES = ("torch", "ray", "mlflow", "numpy")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", nargs="*", help="names, with their arguments in the same word; all when left out")
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "benchmarks", help="of the records")
    chosen = parser.parse_args()
    commands = [shlex.split(word) for word in chosen.benchmarks] or [[p.stem] for p in sorted(HERE.glob("bench_*.py"))]
    files = [HERE / f"bench_{name.removeprefix('bench_')}.py" for name, *_ in commands]
    if unknown := [file.stem for file in files if not file.exists()]:
        known = ", ".join(sorted(p.stem.removeprefix("bench_") for p in HERE.glob("bench_*.py")))
        print(f"found no {', '.join(unknown)}; allowed: {known}", file=sys.stderr)
        return 2
    about = heading()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    record = chosen.folder / f"{datetime.now(UTC):%Y-%m-%d-%H%M}-{commit()}.md"
    for file, (_, *arguments) in zip(files, commands, strict=True):
        print(f"== {file.stem}", flush=True)
        began = time.monotonic()
        code, printed = run([sys.executable, str(file), *arguments])
        command = shlex.join(["python", str(file.relative_to(ROOT)), *arguments])
        ended = f", ended with {code}: a target was missed, or it failed" if code else ""
        about += f"\n## {file.stem.removeprefix('bench_')}\n\n`{command}`, {time.monotonic() - began:.0f} s{ended}\n\n"
        about += "".join(f"    {line}\n" for line in printed.splitlines())
        record.write_text(about, encoding="utf-8")
        if code:
            return code
    print(record.relative_to(ROOT) if record.is_relative_to(ROOT) else record)
    return 0


def run(command: list[str]) -> tuple[int, str]:
    """The exit code and what was printed, which is shown as it comes."""
    printed = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            printed.append(line)
    return process.returncode, "".join(printed)


def commit() -> str:
    """Its short name, with `-changed` where files differ from it."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty=-changed", "--exclude=*"], cwd=ROOT, capture_output=True, text=True
    )
    return found.stdout.strip() or "unknown"


def heading() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    busy = os.getloadavg()[0]
    return (
        f"# Benchmarks of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n"
        f"Commit {commit()}; {_processor()}, {cores} cores, {_memory_gib():.0f} GiB; Python "
        f"{platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in PACKAGES)}. {busy:.1f} other "
        "processes were running when it began: only ratios within a table count.\n"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gib() -> float:
    import psutil

    return float(psutil.virtual_memory().total) / 2**30


if __name__ == "__main__":
    sys.exit(main())
