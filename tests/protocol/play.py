"""One run of the protocol: a sweep of one trial, launched until it is done, and what must be so at its end.

Everything between the stores is skipray's own code: the launches' leases, attempts and theirs, checkpoints, the
recorder, the runs, deliveries, the ledger, doubles. Training is a few epochs whose numbers follow from their number;
the folder, the server and the clock are in memory (`stores.py`, `world.py`).
"""

import contextlib
import functools
import json
import logging
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from unittest import mock

import greenlet
import pandas as pd
from leases import Held, held, of_processes
from stores import SWEEP_RUN, Files, MemoryFolder, MemoryServer
from world import Disturbance, Endless, Process, World

from skipray.records import LAYER_COLUMNS, EpochRecord, TrialRecord
from skipray.scheduling.ray.attempt import TrialAttempt, WorkerContext
from skipray.scheduling.ray.run_attempt import run_attempt
from skipray.spec import SweepSpec, TrialSpec, load_sweep
from skipray.storage import AlreadyRunning, Lease, trials_kept
from skipray.tracking import Address, TrackingAway, deliver_pending, forget_finished, take_back_doubles
from skipray.tracking.client import reach
from skipray.tracking.read.ledger import Ledger, http_runs, ledger_of
from skipray.tracking.read.row import row_of
from skipray.tracking.schema import OUTCOME, run_params
from skipray.tracking.write.run import TrialRun
from skipray.tracking.write.run_server import write_in_hand

EPOCHS = 2
ADDRESS = Address("http://in-memory", "1", SWEEP_RUN, "mlflow-artifacts:/1")
STORAGE = "memory"
LAUNCHES_AT_MOST = 12
ATTEMPTS_AT_MOST = 8
MAX_FAILURES = 1
ARTIFACTS = {"layers.parquet": b"layers", "spectra.npz": b"spectra", "weights.safetensors": b"weights"}
HAND = "the launch's hand"
LAYERS = pd.DataFrame(columns=list(LAYER_COLUMNS))


def one_trial() -> TrialSpec:
    return one_sweep().trials()[0]


@functools.cache
def one_sweep() -> SweepSpec:
    return load_sweep("quickstart", ["factors.depth=[8]", "seeds=[0]"])


def measured(epoch: int) -> dict[str, float]:
    return {"train.loss": 1 / (epoch + 1), "train.accuracy": epoch / (epoch + 1)}


class Run:
    """One run. `wrong` is what was not as it must be at its end.

    Args:
        in_hand: a worker leaves its result in the hands of its launch, which writes it while the trial counts as
            finished, as on one machine. Else the worker writes it, as on a cluster.
    """

    def __init__(self, trial: TrialSpec, disturbing: Sequence[Disturbance] = (), *, in_hand: bool = False):
        self.trial, self.in_hand = trial, in_hand
        self.world = World(tuple(disturbing))
        self.files: Files = {}
        self.server = MemoryServer(self.world)
        self.wrong: list[str] = []
        self._launches = 0
        self._working: list[Process] = []
        """Launches that hold the leases, or have not heard yet that they do not."""
        self._numbers = 0
        self._trained = 0
        self.world.launch_another = self._start_launch

    def play(self) -> "Run":
        with self._in_memory():
            try:
                for _ in range(LAUNCHES_AT_MOST):
                    if self._launch() == "done":
                        break
                self.world.run_rest()
                self.world.calm()
                self._launch()
                before = self._trained
                ended = self._launch()
                if ended != "done" or self._trained != before:
                    self.wrong.append(
                        f"a launch with nothing to do ended {ended}, {self._trained - before} epochs trained"
                    )
            except Endless as error:
                self.wrong.append(str(error))
            self._judge()
        return self

    def _launch(self) -> str:
        process = self._start_launch()
        self.world.run(process)
        return str(process.result)

    def _start_launch(self) -> Process:
        self._launches += 1
        return self.world.start(f"launch {self._launches}", self._drive)

    def _drive(self) -> str:
        """What a launch does, from its leases to its end."""
        driver = self.world.current
        assert driver is not None
        try:
            with held(ADDRESS, one_sweep(), STORAGE, self.world, self.server) as lease:
                beside = [p.name for p in self._working if not p.ended and not p.was_silent]
                if beside and not driver.was_silent:
                    self.wrong.append(f"{driver.name} works beside {', '.join(beside)}")
                self._working.append(driver)
                try:
                    return self._work(lease, driver)
                finally:
                    self._working.remove(driver)
        except AlreadyRunning:
            return "refused"
        except (TrackingAway, OSError):
            return "away"

    def _work(self, lease: Held, driver: Process) -> str:
        deliver_pending(ADDRESS, [self.trial], STORAGE)
        ledger = self._ledger()
        forget_finished(ledger.finished, STORAGE, self.trial.sweep)
        failures = attempts = 0
        while self.trial.trial_id not in ledger.finished and failures <= MAX_FAILURES and not lease.taken_over():
            attempts += 1
            if attempts > ATTEMPTS_AT_MOST:
                break
            result = self._attempt(lease.mark, attempts, ledger.run_id(self.trial.trial_id), driver)
            failures += result == "failed"
            if result == "finished":
                break
        hands = [p for p in self.world.processes if p.name == HAND and p.launch is driver]
        self.world.wait(lambda: all(one.ended or one.given_up for one in hands))
        if lease.taken_over():
            return "taken over"
        pending = deliver_pending(ADDRESS, [self.trial], STORAGE)
        take_back_doubles(ADDRESS, self.trial.sweep)
        if trials_kept(STORAGE, self.trial.sweep):
            ledger = self._ledger()
            forget_finished(ledger.finished, STORAGE, self.trial.sweep)
        return "done" if not pending.left and not failures else "undone"

    def _attempt(self, mark: str, number: int, run_id: str | None, driver: Process | None) -> str:
        """A worker's, as its launch hears of it: finished, failed or lost."""
        self._numbers += 1
        runs = "of the launch" if self.in_hand else None
        context = WorkerContext(ADDRESS, STORAGE, credentials={}, launch_mark=mark, runs=runs)
        attempt = TrialAttempt(self.trial, number, 1, 1.0, 0.0, context, run_attempt, run_id)
        worker = self.world.start(
            f"worker {self._numbers}", lambda: run_attempt(attempt, lambda: None).status, launch=driver
        )
        self.world.wait(lambda: worker.ended or worker.given_up)
        return "lost" if worker.given_up or worker.error is not None else str(worker.result)

    def _ledger(self) -> Ledger:
        return ledger_of(row_of(run) for run in http_runs(ADDRESS.uri, self.trial.sweep))

    def _train(
        self,
        trial: TrialSpec,
        *,
        data_root: Any,
        checkpoints: Any,
        on_saved: Any,
        interrupted: Any,
        on_refused: Any,
    ) -> TrialRecord:
        """A trial whose epochs go on from the newest checkpoint."""
        state = checkpoints.load()
        epochs = [EpochRecord(*words) for words in json.loads(state)] if state else []
        for epoch in range(len(epochs), EPOCHS + 1):
            if self.world.step(f"train epoch {epoch}", "train") == "error":
                raise ValueError("the user's own code raises")
            self._trained += 1
            epochs.append(EpochRecord(epoch, int(1000 * self.world.now()), measured(epoch)))
            checkpoints.save(json.dumps([[e.epoch, e.time_ms, e.metrics] for e in epochs]).encode())
            on_saved(tuple(epochs))
        return TrialRecord(trial.trial_id, "trained", tuple(epochs), LAYERS, train_seconds=1.0)

    @contextlib.contextmanager
    def _in_memory(self) -> Iterator[None]:
        world = self.world

        def write_files(
            uri: str, artifact_uri: str, run_id: str, files: Mapping[str, bytes], *, before: Callable[[], None]
        ) -> None:
            reach(uri, lambda c: c.write_files(run_id, files), before=before)  # type: ignore[attr-defined]

        def list_files(uri: str, artifact_uri: str, run_id: str) -> list[str]:
            return reach(uri, lambda c: c.list_files(run_id))  # type: ignore[attr-defined,no-any-return]

        def open_folder(url: str, *parts: str) -> MemoryFolder:
            return MemoryFolder(world, self.files, "/".join(parts))

        replaced: dict[str, Any] = {
            "skipray.storage.place.open_folder": open_folder,
            "skipray.storage.launch_lease.open_folder": open_folder,
            "skipray.storage.place.encode_result": lambda record, artifacts: pickle.dumps(record),
            "skipray.storage.place.decode_result": pickle.loads,
            "skipray.tracking.client.client": lambda uri: self.server,
            "skipray.tracking.write.run.write_files": write_files,
            "skipray.tracking.write.run.list_files": list_files,
            "skipray.tracking.write.run.artifacts_of": lambda record: ARTIFACTS,
            "skipray.tracking.write.recorder.artifacts_of": lambda record: ARTIFACTS,
            "skipray.tracking.write.recorder._away_until": _OfEachProcess(world),
            "skipray.tracking.write.recorder.RemoteRun": _Handed,
            **of_processes(world),
            "skipray.scheduling.ray.run_attempt.run_trial": self._train,
            "time.sleep": world.sleep,
            "time.time": world.now,
            "time.monotonic": world.now,
            "time.time_ns": lambda: int(1e9 * world.now()),
        }
        with contextlib.ExitStack() as stack:
            for target, value in replaced.items():
                stack.enter_context(mock.patch(target, value))
            logging.disable(logging.CRITICAL)
            stack.callback(logging.disable, logging.NOTSET)
            yield

    def _judge(self) -> None:
        for process in self.world.processes:
            if process.error is not None and not isinstance(process.error, SystemExit):
                self.wrong.append(f"{process.name} raised {type(process.error).__name__}: {process.error}")
        left = [f"{path}/{name}" for path, names in self.files.items() for name in names]
        if left:
            self.wrong.append(f"the storage still holds {', '.join(left)}")
        active = [r for r in self.server.runs.values() if r.info.lifecycle_stage == "active"]
        finished = [r for r in active if r.info.status == "FINISHED"]
        if len(finished) != 1 or len(active) != 1:
            self.wrong.append(f"runs: {', '.join(f'{r.info.run_id} {r.info.status}' for r in active) or 'none'}")
            return
        (run,) = finished
        # The cause of a failure stays beside it where an attempt was frozen in the middle of the request that says it.
        if run.data.tags.get(OUTCOME) != "trained":
            self.wrong.append(f"the run's outcome is {run.data.tags.get(OUTCOME)}")
        if run.data.params != run_params(self.trial):
            self.wrong.append("the run's params are not the trial's")
        if not set(ARTIFACTS) <= set(run.files):
            self.wrong.append(f"the run's files are {sorted(run.files)}")
        for key in measured(0):
            found = sorted((step, value) for step, _, value in run.points.get(key, ()))
            if found != [(epoch, measured(epoch)[key]) for epoch in range(EPOCHS + 1)]:
                self.wrong.append(f"{key} is {found}")


class _Handed(TrialRun):
    """A run that the launch writes: the result beside what the worker does next, all else while the worker waits."""

    def __init__(
        self, place: str, address: Address, trial: TrialSpec, lease: Lease, *, run_id: str | None, look_first: bool
    ):
        super().__init__(address, trial, attempt=lease.attempt, guard=lease.check, run_id=run_id, look_first=look_first)
        self._lease = lease

    def hand_over(self, record: TrialRecord, artifacts: dict[str, bytes]) -> None:
        worker = greenlet.getcurrent()
        assert isinstance(worker, Process)
        worker.world.start(HAND, lambda: write_in_hand(self, self._lease, record, artifacts), launch=worker.launch)


class _OfEachProcess(dict):  # type: ignore[type-arg]
    """What a module remembers, which each process has of its own."""

    def __init__(self, world: World):
        super().__init__()
        self._world = world

    def get(self, key: str, default: Any = None) -> Any:
        return super().get((self._world.current, key), default)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__((self._world.current, key), value)
