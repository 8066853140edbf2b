"""What is wrong with a sweep's runs, their files and the storage, and how it is put right."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from skipray.spec import SweepSpec, TrialSpec
from skipray.storage import awaiting_delivery, foreign_files
from skipray.tracking.address import resolve_uri, storage_url
from skipray.tracking.checksums import are_listed, read_checksums
from skipray.tracking.client import reach
from skipray.tracking.files import local_folder, read_file
from skipray.tracking.read.artifacts import HISTOGRAMS
from skipray.tracking.read.damage import WEIGHTS, broken, can_be_measured
from skipray.tracking.read.former import aliases, renamed
from skipray.tracking.read.gone import gone, stray_runs
from skipray.tracking.read.integrity import damaged, damaged_beside, words_beside
from skipray.tracking.read.known import known_trials
from skipray.tracking.read.launches import FORGOTTEN, living_owner, read_launches
from skipray.tracking.read.ledger import Ledger, child_runs, ledger_of
from skipray.tracking.read.outdated import outdated
from skipray.tracking.read.row import RunRow
from skipray.tracking.read.sweep_run import sweep_runs
from skipray.tracking.schema import PARENT
from skipray.tracking.several import reads_at_once, several
from skipray.wording import counted

if TYPE_CHECKING:
    from mlflow import MlflowClient

SHOWN = 10
"""Foreign files that are named."""
Kind = Literal[
    "stale", "duplicate", "orphan", "truncated", "undelivered", "deleted", "renamed", "stray", "other code", "storage"
]
Action = Literal["", "end", "delete", "restore", "restore run", "rename", "adopt", "measure", "forget"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    kind: Kind
    """stale: RUNNING although no launch is living. duplicate: a second run of a finished trial, or of the sweep.
    orphan: a run of no trial of the sweep. truncated: a finished run whose files are missing or damaged. undelivered: a
    result in the storage. deleted: the sweep's experiment, or its own run, was deleted in MLflow. renamed: its
    experiment was. stray: runs of trials under another run than the sweep's own. other code: finished with other code
    than today's. storage: the last launch kept its checkpoints elsewhere."""
    trial_id: str
    run_id: str
    what: str
    """In plain words."""
    remedy: str
    """What `repair` does about it, or what to know of it; empty when it leaves it alone."""
    action: Action = ""
    """How it is mended; `measure` by skipray.execution.mending, since that needs the network."""
    under: str = ""
    """The run that stray runs are under; `run_id` is then the one that they belong under."""


_OF_GONE: Mapping[str, tuple[Kind, str, Action]] = {
    "experiment deleted": ("deleted", "restored, with its runs", "restore"),
    "experiment renamed": ("renamed", "named as the sweep again", "rename"),
    "run deleted": ("deleted", "restored", "restore run"),
}
"""How a sweep can be gone -> kind of the finding, its remedy, and how it is mended."""


def examine(
    sweep: SweepSpec,
    tracking_uri: str | None = None,
    *,
    trials: Iterable[TrialSpec] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Problem]:
    """Look at every run of the sweep's experiment, at its files, and at the storage. Changes nothing."""
    uri = resolve_uri(sweep, tracking_uri)
    storage = storage_url(sweep, uri)
    waiting = awaiting_delivery(storage, sweep.name)
    foreign = foreign_files(storage, sweep.name)
    if foreign:
        more = f", and {len(foreign) - SHOWN} more" if len(foreign) > SHOWN else ""
        say(f"the storage holds what is not skipray's, and is left alone: {', '.join(foreign[:SHOWN])}{more}")
    lost = gone(uri, sweep.name)
    if lost is not None:
        held = f", and {counted(len(waiting), 'result waits', 'results wait')} in the storage" if waiting else ""
        kind, remedy, action = _OF_GONE[lost.how]
        return [Problem(kind, "", lost.key, lost.what + held, remedy, action)]
    known = tuple(known_trials(sweep, uri).trials if trials is None else trials)
    wanted = {t.trial_id for t in known}
    rows = list(renamed(child_runs(uri, sweep.name), aliases(sweep, uri, known)))
    ledger = ledger_of(rows)
    findings = list(_of_sweeps_run(uri, sweep.name))
    findings += _of_runs(rows, wanted, ledger, launched=living_owner(sweep, uri) is not None)
    findings += _of_files(uri, [ledger.finished[i] for i in wanted if i in ledger.finished], say)
    findings += [Problem("other code", "", "", str(one), "") for one in outdated(sweep, uri, known)]
    findings += [
        Problem("undelivered", i, "", "a result waits in the storage; the next launch delivers it", "") for i in waiting
    ]
    return findings


def repair(sweep: SweepSpec, findings: Iterable[Problem], tracking_uri: str | None = None) -> list[Problem]:
    """Put right what `examine` found, as each finding's remedy says, but for what has to be measured. Nothing is
    removed for good.

    Returns:
        The findings that were repaired.
    """
    uri = resolve_uri(sweep, tracking_uri)
    done = []
    for finding in findings:
        if finding.action in ("", "measure"):
            continue

        def mend(mlflow: "MlflowClient", finding: Problem = finding) -> None:
            if finding.action == "end":
                mlflow.set_terminated(finding.run_id, "KILLED")
            elif finding.action == "restore":
                mlflow.restore_experiment(finding.run_id)
            elif finding.action == "restore run":
                mlflow.restore_run(finding.run_id)
            elif finding.action == "rename":
                mlflow.rename_experiment(finding.run_id, sweep.name)
            elif finding.action == "adopt":
                for run_id in stray_runs(uri, sweep.name, finding.run_id).get(finding.under, ()):
                    mlflow.set_tag(run_id, PARENT, finding.run_id)
            else:
                mlflow.delete_run(finding.run_id)

        reach(uri, mend)
        done.append(finding)
    return done


def forget_storage(sweep: SweepSpec, tracking_uri: str | None = None) -> str | None:
    """Let the next launch use another storage than the last one, whose launch it names; None where there was none."""
    uri = resolve_uri(sweep, tracking_uri)
    run = next(iter(sweep_runs(uri, sweep.name)), None)
    launches = read_launches(uri, run.run_id) if run is not None else None
    if run is None or launches is None or launches.last is None or launches.forgotten == str(launches.number):
        return None
    run_id, number = run.run_id, str(launches.number)
    reach(uri, lambda c: c.set_tag(run_id, FORGOTTEN, number))
    return launches.last.storage


def _of_sweeps_run(uri: str, name: str) -> Iterator[Problem]:
    runs = sweep_runs(uri, name)
    if not runs:
        return
    for said in words_beside(name, damaged_beside(uri, runs[0], thorough=True)):
        yield Problem("truncated", "", runs[0].run_id, said, "")
    for run in runs[1:]:
        what = f"a second run of the sweep's own; {runs[0].run_id} is older"
        yield Problem("duplicate", "", run.run_id, what, "marked as deleted", "delete")
    for parent, under in stray_runs(uri, name, runs[0].run_id).items():
        state = "is a second one" if parent in {run.run_id for run in runs} else "was deleted in MLflow"
        what = f"{counted(len(under), 'run')} of trials under {parent}, a run of the sweep's own that {state}"
        yield Problem("stray", "", runs[0].run_id, what, "put under the sweep's run", "adopt", parent)


def _of_runs(rows: Sequence[RunRow], wanted: set[str], ledger: Ledger, *, launched: bool) -> Iterator[Problem]:
    by_trial: dict[str, list[RunRow]] = defaultdict(list)
    for row in rows:
        by_trial[row.trial_id].append(row)
    for trial_id, of_trial in by_trial.items():
        if trial_id not in wanted:
            for row in of_trial:
                what = "a run of no trial of this sweep, as the file is now"
                yield Problem("orphan", trial_id, row.run_id, what, "")
            continue
        winner = ledger.finished.get(trial_id)
        for row in of_trial:
            if winner is not None and row.run_id != winner.run_id:
                what = f"a second run of a trial that run {winner.run_id} has finished ({row.status})"
                yield Problem("duplicate", trial_id, row.run_id, what, "marked as deleted", "delete")
            elif row.status == "RUNNING" and not launched:
                what = "RUNNING although no launch of the sweep is living"
                yield Problem("stale", trial_id, row.run_id, what, "ended as KILLED; the next launch resumes it", "end")


def _of_files(uri: str, rows: Sequence[RunRow], say: Callable[[str], None]) -> Iterator[Problem]:
    """Files that are not what was recorded, or, where no checksums were kept, not whole by their own account."""
    wrong: Mapping[str, list[str]] = defaultdict(list)
    files: Mapping[str, set[str]] = defaultdict(set)
    unchecked = sum(not are_listed(row.artifacts) for row in rows)
    if unchecked:
        runs = counted(unchecked, "run was", "runs were")
        say(
            f"{runs} recorded without checksums, by an earlier skipray: their files can be read, or are named; a "
            "number in them that has changed cannot be told. --repair records checksums of the files as they are now"
        )
    for damage in damaged(uri, rows, thorough=True, say=say):
        wrong[damage.run_id].append(f"{damage.file} {damage.what}")
        files[damage.run_id].add(damage.file)

    def of_unlisted(row: RunRow) -> list[tuple[str, str]]:
        return [] if are_listed(row.artifacts) else list(broken(uri, row))

    for row, unlisted in zip(rows, several(of_unlisted, rows, at_once=reads_at_once(uri)), strict=True):
        folder = local_folder(uri, row.artifact_uri, row.run_id)
        has_files = not are_listed(row.artifacts) or bool(read_checksums(row.artifacts))  # an imported table has none
        if has_files and folder is not None and not folder.is_dir():
            wrong[row.run_id][:] = [f"its files are gone ({folder})"]
            files[row.run_id].update(("layers.parquet", WEIGHTS))
        else:
            wrong[row.run_id] += [f"{name} {what}" for name, what in unlisted]
            files[row.run_id].update(name for name, _ in unlisted)
        if wrong[row.run_id]:
            said = "; ".join(dict.fromkeys(wrong[row.run_id]))
            yield _damage(uri, row, files[row.run_id], said)


def _damage(uri: str, row: RunRow, files: set[str], said: str) -> Problem:
    if can_be_measured(files) and WEIGHTS not in files and read_file(uri, row.artifact_uri, row.run_id, WEIGHTS):
        remedy = "measured again from its weights, without training"
        return Problem("truncated", row.trial_id, row.run_id, said, remedy, "measure")
    if files.isdisjoint(("layers.parquet", "spectra.npz", HISTOGRAMS)):
        # Its numbers stand without it: to train again for a file that serves later measurements is the user's call.
        return Problem("truncated", row.trial_id, row.run_id, said, "")
    remedy = "marked as deleted; the next launch runs the trial again"
    return Problem("truncated", row.trial_id, row.run_id, said, remedy, "delete")
