"""The fault suite: a real cluster, real processes, one fault after the other, and a table.

    python tests/faults [FAULT ...] [--seed N] [--jobs N] [--keep FOLDER]
    python tests/faults random [--minutes N] [--seed N]
    python tests/faults "worker-killed@3.2 mlflow-killed@2.0+5.0"

Three raylets, an MLflow server on PostgreSQL and a shared folder, all on this machine (`infra/local_cluster.py`). First
a sweep runs undisturbed; then each fault strikes a sweep of the same trials, at a moment that the seed chooses. Each
sweep must end, after the fault is removed and the launch repeated where it had to stop, with every trial finished once
and every value that is read back equal, bit for bit, to the undisturbed one. Evidence comes from PostgreSQL, the
storage and the processes, not from what skipray says; a fault that is not proven to have struck is a wrong row.

Columns: `lost`, `doubled`, `differ`: trials, of which there must be none. `repeated`: the most seconds of work that one
attempt had to do again, an upper bound of its training, in brackets what is allowed (one checkpoint interval and what
measuring from outside adds). `recovered`: from the fault, or its end where it lasts, or the repeated launch, until
trials ran or results arrived again. `random` draws several faults for each sweep, with moment, place and duration, for
so many minutes, and shrinks what goes wrong to the command that repeats it; a text with moments is such a script
(`of_chance.py`). A fault that missed its moment, on a machine with more work than cores, strikes
once more (`-again`); lost, doubled and differing trials have no second try. Exit code 1 when a fault stays wrong. With
`--jobs` rows strike side by side, on so many clusters (`side_by_side.py`).
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import of_answers
import of_chance
import of_code
import of_hands
import of_processes
import of_python
import of_secrets
import of_signals
import of_storage
import of_tracking
import of_trials
import side_by_side
from stage import Row, Stage

FAULTS: dict[str, Callable[[Stage], None]] = {
    "worker-killed": of_processes.worker_killed,
    "raylet-killed": of_processes.raylet_killed,
    "raylet-added": of_processes.raylet_added,
    "node-frozen": of_processes.node_frozen,
    "driver-killed": of_processes.driver_killed,
    "driver-killed-at-once": of_processes.driver_killed_at_once,
    "driver-killed-while-reporting": of_processes.driver_killed_while_reporting,
    "sigterm": of_processes.sigterm,
    "two-launches": of_processes.two_launches,
    "worker-out-of-memory": of_processes.worker_out_of_memory,
    "mlflow-killed-60s": of_tracking.mlflow_killed_for_a_minute,
    "mlflow-killed-for-good": of_tracking.mlflow_killed_for_good,
    "mlflow-killed-at-the-end": of_tracking.mlflow_killed_at_the_end,
    "mlflow-away-at-the-start": of_tracking.mlflow_away_at_the_start,
    "mlflow-500": of_tracking.mlflow_500,
    "mlflow-slow": of_tracking.mlflow_slow,
    "mlflow-403": of_tracking.mlflow_403,
    "mlflow-cuts-answers": of_tracking.mlflow_cuts_answers,
    "postgres-restarted": of_tracking.postgres_restarted,
    "storage-full": of_storage.storage_full,
    "storage-read-only": of_storage.storage_read_only,
    "storage-full-while-delivering": of_storage.storage_full_while_delivering,
    "checkpoint-truncated": of_storage.checkpoint_truncated,
    "checkpoint-other-version": of_storage.checkpoint_of_another_version,
    **of_answers.FAULTS,
    **of_hands.FAULTS,
    "nan-loss": of_trials.nan_loss,
    "exception-in-one-family": of_trials.exception_in_one_family,
    **of_code.FAULTS,
    "secrets-planted": of_secrets.secrets_planted,
    "own-ray-init": of_python.own_ray_init,
    **of_signals.FAULTS,
    "head-killed": of_processes.head_killed,
    "head-restarted": of_processes.head_restarted,
}
"""In the order in which they strike: those after which the cluster is another one come last."""

TOGETHER = (of_answers.FAULTS, of_hands.FAULTS, of_code.FAULTS, of_signals.FAULTS)
"""Faults that share a sweep."""
ALONE = ("worker-out-of-memory",)
"""Faults of the whole machine."""
LAST = ("head-killed", "head-restarted")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"all when left out: {', '.join(FAULTS)}; or random")
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which faults strike (0)")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long random faults are drawn (20)")
    parser.add_argument("--jobs", type=int, default=1, help="clusters with faults at once; four cores each suit (1)")
    parser.add_argument("--keep", type=Path, help="a new folder to keep everything in, logs included")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # also as a background job: the cluster is stopped at the end
        signal.signal(number, signal.default_int_handler)
    signal.signal(signal.SIGHUP, lambda *_: None)  # with nohup too: what is ignored here, launches would ignore
    moments = [word for word in options.faults if "@" in word]
    try:
        script = of_chance.read(" ".join(moments))
    except ValueError as error:
        parser.error(str(error))
    unknown = set(options.faults) - set(FAULTS) - {"random", *moments}
    if unknown:
        parser.error(f"found {', '.join(sorted(unknown))}; allowed: {', '.join(FAULTS)}; random; a script of moments")
    names = [name for name in FAULTS if not options.faults or name in options.faults]
    if options.jobs > 1:
        if script or "random" in options.faults:
            parser.error("--jobs: found with random faults or moments; allowed: with named faults")
        return several(names, options.jobs, options.seed, options.keep)
    with tempfile.TemporaryDirectory(prefix="skipray-faults-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with Stage(folder.resolve(), options.seed) as stage:
            print(f"3 raylets, MLflow, PostgreSQL: {time.monotonic() - began:.0f} s; seed {options.seed}", flush=True)
            print(f"the undisturbed sweep: {stage.run_undisturbed():.0f} s", flush=True)
            print(HEADER, flush=True)
            stage.wanted = tuple(names)
            wrong = []
            for name in names:
                row = strike(name, stage, FAULTS[name])
                if row.wrong and not (row.lost or row.doubled or row.differing):
                    with stage.again():
                        row = strike(name, stage, FAULTS[name])
                wrong += [name] if row.wrong else []
            tried = len(names)
            if script:
                wrong += [] if chance(stage, "script", script) else [" ".join(moments)]
                tried += 1
            if "random" in options.faults:
                drawn, found = by_chance(stage, options.seed, options.minutes)
                tried, wrong = tried + drawn, wrong + found
        right = tried - len(wrong)
        print(f"{right} of {tried} left no trace; {(time.monotonic() - began) / 60:.1f} min")
        if wrong and options.keep is None:
            print("\n--keep FOLDER keeps the logs")
    print(f"{right} passed, {len(wrong)} failed")
    return 1 if wrong else 0


def several(names: Sequence[str], jobs: int, seed: int, keep: Path | None) -> int:
    """Faults on several clusters at once; then, one after the other, those that need the machine for themselves."""
    began = time.monotonic()
    parts, alone = side_by_side.dealt(names, jobs, together=[tuple(kind) for kind in TOGETHER], alone=ALONE, last=LAST)
    print(f"{len(parts)} clusters at once; seed {seed}", HEADER, sep="\n", flush=True)
    right, wrong = side_by_side.run(parts, seed, keep)
    if alone:
        more, less = side_by_side.run([alone], seed, None if keep is None else keep / "alone")
        right, wrong = right + more, wrong + less
    print(f"{right} of {right + wrong} left no trace; {(time.monotonic() - began) / 60:.1f} min")
    print(f"{right} passed, {wrong} failed")
    return 1 if wrong else 0


def strike(name: str, stage: Stage, fault: Callable[[Stage], None]) -> Row:
    """One fault, and its line, also printed."""
    before = len(stage.rows)
    try:
        fault(stage)
    except Exception as error:
        if len(stage.rows) == before:
            stage.rows.append(Row(name))
        stage.rows[-1].wrong.append(f"{type(error).__name__}: {error}")
    row = stage.rows[-1]
    print(line(row), *(f"    {said}" for said in row.wrong), sep="\n", flush=True)
    return row


def chance(stage: Stage, name: str, script: Sequence[of_chance.Chance]) -> bool:
    """Whether a script leaves no trace; its line is printed."""
    print(f"  {' '.join(map(str, script))}", flush=True)
    return not strike(name, stage, lambda stage: of_chance.play(stage, name, script)).wrong


def by_chance(stage: Stage, seed: int, minutes: float) -> tuple[int, list[str]]:
    """Scripts of a seed for so long: how many, and those that go wrong, each without what it does not need for that."""
    end, number, wrong = time.monotonic() + 60 * minutes, 0, []
    while time.monotonic() < end:
        script, number = of_chance.draw(seed, number), number + 1
        if chance(stage, f"random-{seed}-{number}", script):
            continue
        script = shrunk(stage, f"random-{seed}-{number}", script)
        words = " ".join(map(str, script))
        print(f'to repeat it: python tests/faults "{words}"', flush=True)
        wrong.append(words)
    return number, wrong


def shrunk(stage: Stage, name: str, script: list[of_chance.Chance]) -> list[of_chance.Chance]:
    """The script without what it does not need to go wrong."""
    for part, smaller in enumerate(of_chance.fewer(script)):
        if not chance(stage, f"{name}-{part}", smaller):
            return shrunk(stage, f"{name}-{part}", smaller)
    return script


COLUMNS = "{:30} {:>5} {:>8} {:>7}  {:>14} {:>10} {:>9} {:>8}  {}"
HEADER = COLUMNS.format("fault", "lost", "doubled", "differ", "repeated s", "recovered", "launches", "seconds", "")


def line(row: Row) -> str:
    allowed = "" if row.allowed_seconds is None else f" ({row.allowed_seconds:.1f})"
    recovered = "-" if row.recovered_seconds is None else f"{row.recovered_seconds:.1f} s"
    return COLUMNS.format(
        row.fault,
        row.lost,
        row.doubled,
        row.differing,
        f"{row.repeated_seconds:.2f}{allowed}",
        recovered,
        row.launches,
        f"{row.seconds:.0f}",
        "WRONG" if row.wrong else "",
    ).rstrip()


if __name__ == "__main__":
    sys.exit(main())
