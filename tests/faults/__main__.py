"""The fault suite: a real cluster, real processes, one fault after the other, and a table.

    python tests/faults [FAULT ...] [--seed N] [--keep FOLDER]

Three raylets, an MLflow server on PostgreSQL and a shared folder, all on this machine (`infra/local_cluster.py`). First
a sweep runs undisturbed; then each fault strikes a sweep of the same trials, at a moment that the seed chooses. Each
sweep must end, after the fault is removed and the launch repeated where it had to stop, with every trial finished once
and every value that is read back equal, bit for bit, to the undisturbed one. Evidence comes from PostgreSQL, the
storage and the processes, not from what skipray says; a fault that is not proven to have struck is a wrong row.

Columns: `lost`, `doubled`, `differ`: trials, of which there must be none. `repeated`: the most seconds of work that one
attempt had to do again, an upper bound of its training, in brackets what is allowed (one checkpoint interval and what
measuring from outside adds). `recovered`: from the fault, or its end where it lasts, or the repeated launch, until
trials ran or results arrived again. A fault that missed its moment, on a machine with more work than cores, strikes
once more (`-again`); lost, doubled and differing trials have no second try. Exit code 1 when a fault stays wrong.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import of_processes
import of_storage
import of_tracking
import of_trials
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
    "nan-loss": of_trials.nan_loss,
    "exception-in-one-family": of_trials.exception_in_one_family,
    "head-killed": of_processes.head_killed,
    "head-restarted": of_processes.head_restarted,
}
"""In the order in which they strike: those after which the cluster is another one come last."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"all when left out: {', '.join(FAULTS)}")
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which faults strike (0)")
    parser.add_argument("--keep", type=Path, help="a new folder to keep everything in, logs included")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # also as a background job: the cluster is stopped at the end
        signal.signal(number, signal.default_int_handler)
    unknown = set(options.faults) - set(FAULTS)
    if unknown:
        parser.error(f"found {', '.join(sorted(unknown))}; allowed: {', '.join(FAULTS)}")
    names = [name for name in FAULTS if not options.faults or name in options.faults]
    with tempfile.TemporaryDirectory(prefix="skipray-faults-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with Stage(folder.resolve(), options.seed) as stage:
            print(f"3 raylets, MLflow, PostgreSQL: {time.monotonic() - began:.0f} s; seed {options.seed}", flush=True)
            print(f"the undisturbed sweep: {stage.run_undisturbed():.0f} s", flush=True)
            print(HEADER, flush=True)
            wrong = []
            for name in names:
                row = strike(name, stage)
                if row.wrong and not (row.lost or row.doubled or row.differing):
                    with stage.again():
                        row = strike(name, stage)
                wrong += [name] if row.wrong else []
        right = len(names) - len(wrong)
        print(f"{right} of {len(names)} faults left no trace; {(time.monotonic() - began) / 60:.1f} min")
        if wrong and options.keep is None:
            print("\n--keep FOLDER keeps the logs")
    print(f"{right} passed, {len(wrong)} failed")
    return 1 if wrong else 0


def strike(name: str, stage: Stage) -> Row:
    """One fault, and its line, also printed."""
    before = len(stage.rows)
    try:
        FAULTS[name](stage)
    except Exception as error:
        if len(stage.rows) == before:
            stage.rows.append(Row(name))
        stage.rows[-1].wrong.append(f"{type(error).__name__}: {error}")
    row = stage.rows[-1]
    print(line(row), *(f"    {said}" for said in row.wrong), sep="\n", flush=True)
    return row


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
