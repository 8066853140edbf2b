"""How long reading a sweep back, aggregating and reporting takes at 1,000, 10,000 and 100,000 finished trials, and how
much memory.

The store is filled through MLflow's own tables, in bulk: runs, tags, params, latest metrics, and metrics of two epochs.

    python tests/benchmarks/bench_readback.py [--trials 1000 10000 100000] [--uri sqlite:///FILE | postgresql://...]
                                              [--http [--workers 2]]

With --http the same store is read through an MLflow server on this machine, started as `skipray ui` starts it, or with
more processes (`mlflow server` has four by itself).
"""

import argparse
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from _figures import print_figure

HERE = Path(__file__).resolve()
METRICS = 40
PROFILE_LAYERS = 8
DEPTHS = (8, 14, 20, 38, 56, 74, 110, 146, 182, 218)
FAMILIES = ("plainnet", "resnet")
BATCH = 2000
"""Trials inserted at a time."""


def make_sweep(count: int):
    """A sweep of `count` trials: two families, ten depths, as many seeds as it takes."""
    from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, SweepSpec, Tracking, TrialSpec

    dataset = DatasetSpec(name="digits")
    recipe = Recipe(
        epochs=1,
        batch_size=64,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=0.0,
        schedule="constant",
        augmentation="none",
    )
    probe, resources = ProbeSpec(), Resources()
    cells = tuple(
        TrialSpec(
            sweep=f"readback-{count}",
            dataset=dataset,
            fingerprint="ab" * 32,
            model=ModelSpec(
                architecture=family,
                depth=depth,
                kind="mlp",
                width=64,
                normalization="batch",
                initialisation="he_normal",
                activation="relu",
                residual_scale=1 if family == "resnet" else None,
            ),
            recipe=recipe,
            seed=0,
            probe=probe,
            resources=resources,
            factors=("architecture", "depth"),
        )
        for family in FAMILIES
        for depth in DEPTHS
    )
    return SweepSpec(
        path=Path("readback.yaml"),
        text="",
        overrides=(),
        name=f"readback-{count}",
        question="",
        dataset=dataset,
        factors={"architecture": FAMILIES, "depth": DEPTHS},
        seeds=tuple(range(count // len(cells))),
        probe=probe,
        resources=resources,
        tracking=Tracking(),
        cells=cells,
    )


def fill(uri: str, count: int, files: Mapping[str, bytes] | None = None) -> None:
    """A finished run for each trial, written straight into MLflow's tables.

    Args:
        files: name -> content, of each run: behind a server of this database.
    """
    import numpy as np
    import pandas as pd
    from sqlalchemy import MetaData, create_engine, insert

    from skipray import tracking
    from skipray.records import EpochRecord, TrialRecord
    from skipray.tracking.checksums import checksums_of
    from skipray.tracking.schema import ARTIFACTS, result_tags, run_params, run_tags

    sweep = make_sweep(count)
    address = tracking.prepare(sweep, uri)
    engine = create_engine(tracking.resolve_uri(sweep, uri))
    tables = MetaData()
    tables.reflect(engine, only=["runs", "tags", "params", "metrics", "latest_metrics"])
    rng = np.random.default_rng(0)
    keys = [f"hidden.statistic{k}.last" for k in range(METRICS - 4)]
    keys += ["train.loss", "train.accuracy", "test.accuracy", "hidden.log10_condition.median"]
    stamp = 1_700_000_000_000
    recorded = {ARTIFACTS: checksums_of(files)} if files else {}
    place = f"mlflow-artifacts:/{address.experiment_id}" if files else address.artifact_location
    trials = sweep.trials()
    for start in range(0, len(trials), BATCH):
        rows: dict[str, list[dict[str, object]]] = {
            name: [] for name in ("runs", "tags", "params", "metrics", "latest_metrics")
        }
        for trial in trials[start : start + BATCH]:
            run = uuid.uuid4().hex
            record = TrialRecord(
                trial.trial_id, "trained", (EpochRecord(1, stamp, {}),), pd.DataFrame(), environment={"torch": "2.15.0"}
            )
            rows["runs"].append(
                {
                    "run_uuid": run,
                    "name": trial.label,
                    "source_type": "UNKNOWN",
                    "source_name": "",
                    "entry_point_name": "",
                    "user_id": "bench",
                    "status": "FINISHED",
                    "start_time": stamp,
                    "end_time": stamp + 1000,
                    "source_version": "",
                    "lifecycle_stage": "active",
                    "artifact_uri": f"{place}/{run}/artifacts",
                    "experiment_id": int(address.experiment_id),
                }
            )
            for name, content in (files or {}).items():
                path = tracking.store_folder(uri) / "artifacts" / address.experiment_id / run / "artifacts" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            tags = run_tags(trial, address.parent_run_id, 1) | result_tags(trial, record, 1) | recorded
            rows["tags"] += [{"run_uuid": run, "key": k, "value": v} for k, v in tags.items()]
            rows["params"] += [{"run_uuid": run, "key": k, "value": v} for k, v in run_params(trial).items()]
            values = rng.normal(size=(2, len(keys)))
            for epoch in (0, 1):
                rows["metrics"] += [
                    _metric(run, k, float(v), stamp, epoch) for k, v in zip(keys, values[epoch], strict=True)
                ]
            latest = [_metric(run, k, float(v), stamp, 1) for k, v in zip(keys, values[1], strict=True)]
            latest += [_metric(run, k, 1.0, stamp, 1) for k in ("time.train_seconds", "time.probe_seconds")]
            latest.append(_metric(run, "profile.hidden.log10_condition", 1.0, stamp, PROFILE_LAYERS - 1))
            rows["latest_metrics"] += latest
            rows["metrics"] += latest[len(keys) : -1]
            rows["metrics"] += [
                _metric(run, "profile.hidden.log10_condition", 1.0, stamp, layer) for layer in range(PROFILE_LAYERS)
            ]
        with engine.begin() as connection:
            for name, values_of in rows.items():
                connection.execute(insert(tables.tables[name]), values_of)


def _metric(run: str, key: str, value: float, stamp: int, step: int) -> dict[str, object]:
    return {"run_uuid": run, "key": key, "value": value, "timestamp": stamp, "step": step, "is_nan": False}


def read(uri: str, count: int) -> None:
    """One read in this process: prints seconds by part and the process's peak memory."""
    started = time.perf_counter()
    from skipray import report, tracking
    from skipray.analysis.aggregation import aggregate

    sweep = make_sweep(count)
    seconds = {"import": time.perf_counter() - started}
    started = time.perf_counter()
    for trial in sweep.trials():
        trial.trial_id  # noqa: B018
    seconds["trial_ids"] = time.perf_counter() - started
    with tracking.one_look():  # as the verbs read
        started = time.perf_counter()
        states = tracking.states(sweep, uri)
        seconds["states"] = time.perf_counter() - started
        started = time.perf_counter()
        table = tracking.read_trials(sweep, uri)
        seconds["read_trials"] = time.perf_counter() - started
    assert len(states) == len(table) == count, (len(states), len(table), count)
    assert table["train.accuracy"].notna().all()
    seconds["total"] = sum(seconds.values())
    processor = seconds["total, CPU"] = time.process_time()
    started = time.perf_counter()
    made = aggregate(sweep, uri)
    seconds["aggregate"] = time.perf_counter() - started
    started = time.perf_counter()
    page = report.write(made, Path.cwd() / "report").html
    seconds["report"] = time.perf_counter() - started
    seconds["aggregate and report, CPU"] = time.process_time() - processor
    seconds["page_mb"] = page.stat().st_size / 1e6
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({k: round(v, 2) for k, v in seconds.items()} | {"peak_gb": round(peak_bytes / 1e9, 2)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--uri", help="an empty database; a SQLite file in a temporary folder when left out")
    parser.add_argument("--http", action="store_true", help="read through a server")
    parser.add_argument("--workers", type=int, default=1, help="processes of that server")
    parser.add_argument("--read", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        read(arguments.uri, arguments.read)
        return
    with tempfile.TemporaryDirectory(prefix="skipray-bench-") as folder:
        os.chdir(folder)
        uri = arguments.uri or f"sqlite:///{folder}/bench.db"
        print(f"{'trials':>8} {'fill s':>7}  read")
        for count in arguments.trials:
            started = time.perf_counter()
            fill(uri, count)
            filled = time.perf_counter() - started
            with server(uri, arguments.workers) if arguments.http else nullcontext(uri) as address:
                for what in ("cold", "next"):
                    done = subprocess.run(
                        [sys.executable, str(HERE), "--uri", address, "--read", str(count)],
                        capture_output=True,
                        text=True,
                        check=True,
                        env=os.environ | {"PYTHONPATH": str(HERE.parents[2])},
                    )
                    print(f"{count:>8} {filled:>7.1f}  {what} {done.stdout.strip()}", flush=True)
                    if what == "cold":
                        took = json.loads(done.stdout)
                        through = " through a server" if arguments.http else ""
                        print_figure(f"reading {count:,} trials back{through}", took["total"])
                        print_figure(f"aggregation of {count:,} trials{through}", took["aggregate"])
                        print_figure(f"report of {count:,} trials{through}", took["report"])


@contextmanager
def server(uri: str, workers: int = 1) -> Iterator[str]:
    """An MLflow server over a database; its address."""
    from skipray import tracking

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command, environment = tracking.ui_command(uri, port), tracking.ui_environment(uri)
    command[command.index("--workers") + 1] = str(workers)
    with Path(os.devnull).open("wb") as silent:
        process = subprocess.Popen(command, env=environment, stdout=silent, stderr=silent, start_new_session=True)
    try:
        for _ in range(600):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


if __name__ == "__main__":
    main()
