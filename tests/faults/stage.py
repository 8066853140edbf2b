"""Where faults strike: one real cluster, the undisturbed values, and one sweep a fault."""

import contextlib
import importlib
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launching import ROOT, Launch
from storage_watch import Attempt, StorageWatch
from store import Database, Values, read_values

from skipray import tracking
from skipray.spec import load_sweep
from skipray.wording import counted
from sweeps import CHECKPOINT_SECONDS, SEEDS, write_sweep

sys.path.append(str(ROOT / "infra"))
local_cluster = importlib.import_module("local_cluster")

EPOCHS = 60
"""Of each trial: 1.5 to 4 seconds of one core, so that there are several checkpoints to lose."""
LAUNCH_SECONDS = 420.0
"""After which a launch is taken to hang."""
ALLOWANCE_SECONDS = 1.5
"""On top of a checkpoint interval: what is measured from outside holds the step and the evaluation that a checkpoint
waits for, writing it, and noticing that a process has died, on a machine with more work than cores."""
JITTER_SECONDS = 1.0
"""A fault strikes within so long after the trial that it hits has its first checkpoint; the seed says when."""


@dataclass
class Row:
    """A line of the table."""

    fault: str
    lost: int = 0
    """Trials that are not finished at the end."""
    doubled: int = 0
    """Trials with two runs, and points of a run that were logged twice."""
    differing: int = 0
    """Trials with a value that is not the undisturbed one."""
    repeated_seconds: float = 0.0
    """The most that one attempt had to train again."""
    allowed_seconds: float | None = CHECKPOINT_SECONDS + ALLOWANCE_SECONDS
    """How much that may be; None where the fault took the checkpoint itself."""
    recovered_seconds: float | None = None
    launches: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    """What was not as it must be: also a fault that is not proven to have struck."""

    def judge(self) -> None:
        """Turn counts into words."""
        for count, words in ((self.lost, "lost"), (self.doubled, "doubled")):
            if count:
                self.wrong.append(f"{count} trials {words}")
        if self.allowed_seconds is not None and self.repeated_seconds > self.allowed_seconds:
            self.wrong.append(
                f"{self.repeated_seconds:.1f} s trained again, {self.allowed_seconds:.1f} allowed "
                f"(checkpoints every {CHECKPOINT_SECONDS:g} s)"
            )


class Disturbed:
    """One sweep, while a fault strikes it."""

    def __init__(
        self,
        stage: "Stage",
        fault: str,
        *,
        storage: Path | None = None,
        variables: dict[str, str],
        report: bool = False,
        **options: Any,
    ):
        """
        Args:
            report: its launches end with a report, which takes seconds of a core.
            options: as `write_sweep` has them.
        """
        self.name = fault + stage.suffix
        self.row = Row(self.name)
        self.stage = stage
        self.storage = storage or stage.cluster.storage
        self.variables = stage.cluster.environment | {"SKIPRAY_STORAGE": str(self.storage)} | variables
        self.file = write_sweep(stage.folder / self.name, self.name, **{"epochs": EPOCHS} | options)
        self.watch = StorageWatch(self.storage / self.name)
        self.report = report
        self.launches: list[Launch] = []
        self.struck = 0.0
        self.expected_failures = 0
        """Trials that can never finish."""
        self.parts: dict[str, list[str]] = {}
        """Of faults that share the sweep: what was wrong with each."""

    def launch(self, *options: str) -> Launch:
        started = Launch.start(self.file, self.variables, *([] if self.report else ["--no-report"]), *options)
        self.launches.append(started)
        return started

    def run(self, *options: str) -> Launch:
        """A launch from start to end."""
        started = self.launch(*options)
        started.wait(LAUNCH_SECONDS)
        return started

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Within, one of several faults strikes: what is not as it must be is its own."""
        before = len(self.row.wrong)
        try:
            yield
        finally:
            self.parts.setdefault(name, []).extend(self.row.wrong[before:])
            del self.row.wrong[before:]

    def expect(self, true: object, words: str) -> None:
        """Note what must be so, and is not."""
        if not true:
            self.row.wrong.append(f"not so: {words}")

    def expect_exit(self, launch: Launch, code: int, *words: str) -> None:
        """Wait for a launch's end; its exit code and what it tells its user must be as given."""
        found = launch.wait(LAUNCH_SECONDS)
        said = launch.said()
        if found != code:
            self.row.wrong.append(f"exit code {found} instead of {code}: {said[-300:]!r}")
        for word in words:
            self.expect(word in said, f"the launch says {word!r} (it says {said[-300:]!r})")
        self.expect("Traceback" not in said, f"no traceback for the user: {said[-500:]!r}")

    def expect_failed(self, launch: Launch, trials: int) -> None:
        """A launch ends with 3 and counts so many failed trials, in its JSON object and for its reader."""
        self.expect_exit(launch, 3, f"{counted(trials, 'trial')} failed: `skipray status")
        found = launch.told().get("failed")
        self.expect(found == trials, f"the launch counts {trials} failed trials, not {found}")

    def wait(self, ready: Callable[[], object], what: str, seconds: float = 180.0) -> Any:
        """What `ready` returns once it is true."""
        end = time.monotonic() + seconds
        while not (found := ready()):
            living = any(launch.lives for launch in self.launches) or not self.launches
            if time.monotonic() > end or not living:
                last = self.launches[-1].said() if self.launches else ""
                raise AssertionError(f"waited in vain for {what}; the launch says:\n{last}")
            time.sleep(0.02)
        return found

    def training(self, which: Callable[[Attempt], bool] = lambda attempt: True) -> tuple[str, Attempt]:
        """A trial that is being trained and has a checkpoint, at a moment that the seed chooses."""

        def some() -> tuple[str, Attempt] | None:
            found = [(t, a) for t, a in self.watch.running().items() if which(a)]
            return max(found, key=lambda pair: pair[1].acquired) if found else None

        self.wait(some, "a trial that is being trained")
        time.sleep(self.stage.rng.uniform(0, JITTER_SECONDS))
        return self.wait(some, "a trial that is being trained")

    def strike(self) -> None:
        """The fault begins now."""
        self.struck = time.time()

    def finished(self) -> int:
        return self.stage.database.finished(self.name)

    def trials(self) -> set[str]:
        return {t.trial_id for t in load_sweep(self.file).trials()}


class Stage:
    """The cluster that faults share, and what an undisturbed sweep gives on it."""

    def __init__(self, folder: Path, seed: int):
        self.folder = folder
        self.rng = random.Random(seed)
        self.cluster = local_cluster.LocalCluster(folder / "cluster", nodes=3, cpus=1)
        self.rows: list[Row] = []
        self.suffix = ""
        """Of the names of sweeps."""
        self.wanted: tuple[str, ...] = ()
        """The faults that are to strike."""
        self.shared: dict[str, dict[str, Row]] = {}
        """Name of a sweep that several faults share -> their rows."""
        self.reference: Values | None = None

    @property
    def database(self) -> Database:
        return Database(f"{self.cluster.state.short}/pg")

    def __enter__(self) -> "Stage":
        self.cluster.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cluster.stop()

    def reads(self, sweep: Path) -> None:
        """Find the user's own code of a sweep here too, as its launches do: to read it, it is imported."""
        sys.path.append(str(sweep.parent))

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """Sweeps of other names, for a fault that strikes once more."""
        self.suffix = "-again"
        try:
            yield
        finally:
            self.suffix = ""

    def remove(self, node: str) -> None:
        """Take a node away, if it is there."""
        if node in self.cluster.state.sessions:
            self.cluster.kill_node(node)

    def renew(self, node: str) -> None:
        """A fresh node in place of one that a fault has struck."""
        self.remove(node)
        self.cluster.start_node(node)

    def run_undisturbed(self) -> float:
        """Run the reference sweep; seconds that it took."""
        began = time.monotonic()
        calm = Disturbed(self, "undisturbed", variables={}, seeds=SEEDS, report=True)
        launch = calm.run()
        if launch.process.returncode != 0:
            raise SystemExit(f"the undisturbed sweep ended with {launch.process.returncode}:\n{launch.said()}")
        self.reference = read_values(calm.file, self.cluster.tracking_uri)
        missing = calm.trials() - set(self.reference.trials["trial_id"])
        if missing or not len(self.reference.layers) or not len(self.reference.histories):
            raise SystemExit(f"the undisturbed sweep is not whole: {len(missing)} trials are missing")
        return time.monotonic() - began

    @contextlib.contextmanager
    def disturb(
        self, fault: str, *, storage: Path | None = None, variables: dict[str, str] | None = None, **options: Any
    ) -> Iterator[Disturbed]:
        """One fault's sweep; what became of it is judged at the end."""
        began = time.monotonic()
        disturbed = Disturbed(self, fault, storage=storage, variables=variables or {}, **options)
        try:
            with disturbed.watch:
                yield disturbed
            self._compare(disturbed)
        except AssertionError as error:
            disturbed.row.wrong.append(str(error))
        finally:
            for launch in disturbed.launches:
                if launch.lives:
                    launch.kill()
            disturbed.row.launches = len(disturbed.launches)
            disturbed.row.seconds = time.monotonic() - began
            disturbed.row.judge()
            self.rows.append(disturbed.row)
        if not disturbed.row.wrong:
            shutil.rmtree(disturbed.file.parent)

    def _compare(self, disturbed: Disturbed) -> None:
        row = disturbed.row
        wanted = disturbed.trials()
        runs = [run for run in self.database.trial_runs(disturbed.name) if run[0] in wanted]
        finished = [trial for trial, status, _ in runs if status == "FINISHED"]
        row.lost = len(wanted - set(finished)) - disturbed.expected_failures
        row.doubled = len(runs) - len({trial for trial, _, _ in runs}) + self.database.repeated_points(disturbed.name)
        assert self.reference is not None
        both = wanted & set(self.reference.trials["trial_id"])
        found = read_values(disturbed.file, self.cluster.tracking_uri)
        differing = found.of(both).differing(self.reference.of(both))
        row.differing = len(differing)
        disturbed.expect(not differing, f"equal values; differing in {sorted(set(differing.values()))}")
        row.repeated_seconds = max(disturbed.watch.repeated(), default=0.0)
        spec = load_sweep(disturbed.file, [f"tracking.storage={disturbed.storage}"])
        findings = tracking.examine(spec, self.cluster.tracking_uri)
        disturbed.expect(not findings, f"`skipray doctor` finds nothing wrong: {[f.what for f in findings]}")
        status = self.database.sweep_status(disturbed.name)
        expected = ["FAILED" if disturbed.expected_failures else "FINISHED"]
        disturbed.expect(status == expected, f"the sweep's own run is {expected}: {status}")
        left = [p.name for p in (disturbed.storage / disturbed.name).iterdir() if p.is_dir()]
        disturbed.expect(
            len(left) == disturbed.expected_failures, f"the storage holds nothing of finished trials: {left}"
        )
