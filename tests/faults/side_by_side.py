"""Faults on several clusters at once, each with its own raylets, server, database and folder."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
SHOWN = re.compile(r"^(\S+ +\d+ +\d+ +\d+ | {4}|the undisturbed sweep)")
"""Lines of a process that are shown: rows, what was wrong with them, and what it compares with."""
RESULT = re.compile(r"^(\d+) passed, (\d+) failed$")


def dealt(
    names: Sequence[str], jobs: int, *, together: Sequence[Sequence[str]], alone: Sequence[str], last: Sequence[str]
) -> tuple[list[list[str]], list[str]]:
    """The faults of each process, and those that need the machine for themselves.

    Args:
        together: faults that share a sweep.
        last: after these a cluster is another one.
    """
    rest = [name for name in names if name not in (*alone, *last)]
    blocks: list[list[str]] = []
    for name in rest:
        block = next((kind for kind in together if name in kind), None)
        if block is None:
            blocks.append([name])
        elif not any(name in found for found in blocks):
            blocks.append([one for one in rest if one in block])
    ends = [name for name in names if name in last]
    parts = [[name for block in blocks[i::jobs] for name in block] + ends[i::jobs] for i in range(max(1, jobs))]
    return [part for part in parts if part], [name for name in names if name in alone]


def run(parts: Sequence[Sequence[str]], seed: int, keep: Path | None) -> tuple[int, int]:
    """A process for each part, all at once: how many faults left no trace, and how many did.

    A process that ends without saying so counts all of its faults as wrong.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, str(HERE), *part, "--seed", str(seed)]
            + ([] if keep is None else ["--keep", str(keep / str(number))]),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for number, part in enumerate(parts, 1)
    ]
    found = [(0, len(part)) for part in parts]

    def follow(number: int, lines: IO[str]) -> None:
        for line in lines:
            if SHOWN.match(line):
                print(line, end="", flush=True)
            if told := RESULT.match(line):
                found[number] = (int(told[1]), int(told[2]))

    threads = []
    for number, process in enumerate(processes):
        assert process.stdout is not None
        threads.append(threading.Thread(target=follow, args=(number, process.stdout)))
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)  # it stops its cluster
            process.wait()
    return sum(right for right, _ in found), sum(wrong for _, wrong in found)
