"""A report made by a verb: read, judge, write, log."""

import gc
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skipray.results import kept
from skipray.spec import SweepSpec
from skipray.verbs.shared.speaking import tell

if TYPE_CHECKING:
    from skipray.analysis.aggregation import Aggregate
    from skipray.execution.ended import LaunchEnd
    from skipray.terminal.blocks import Block
    from skipray.tracking import Address

QUICK_TRIALS_SQL, QUICK_TRIALS_HTTP = 5000, 500
"""Trials that are read in a few seconds, from an SQL address and through a server."""


def import_report() -> None:
    """What a report needs: two seconds, in which the process that draws gets ready beside this one.

    What has been imported until then is no garbage: to look through it as Ray ends would take half a second.
    """
    from skipray.report import beside

    beside.make_ready()
    import skipray.analysis.aggregation
    import skipray.terminal.display  # noqa: F401

    gc.freeze()


@dataclass(frozen=True)
class Reported:
    """A report in its folder."""

    html: Path
    shown: "Sequence[Block]"
    """What the terminal shows of it."""

    def result(self) -> dict[str, Any]:
        """What `skipray aggregate --json` prints of it."""
        told: dict[str, Any] = json.loads((self.html.parent / kept.CLAIMS).read_text(encoding="utf-8"))
        return {key: value for key, value in told.items() if key not in ("schema_version", "kind")}


def report_on(
    spec: SweepSpec,
    tracking_uri: str | None,
    folder: Path,
    log_on: "Address | None" = None,
    parent_status: str = "FINISHED",
    *,
    force: bool = False,
    refresh_seconds: int | None = None,
) -> Reported:
    """Aggregate and write the report; log it on the sweep's run when that is given.

    Raises FewerTrials where the folder holds a report of more trials, unless that is to be written over (`force`); one
    of more trials on the sweep's run stays likewise, which is said.
    """
    from skipray import report as reporting
    from skipray import tracking
    from skipray.analysis.aggregation import aggregate as make
    from skipray.terminal.blocks import as_json
    from skipray.terminal.display import aggregate_blocks

    with tracking.one_look():
        result = make(spec, tracking_uri, say=progress(spec, tracking_uri))
        if not force:
            kept.keep_larger(folder, spec.name, len(result.trials))
        made_from = result.made_from if refresh_seconds is None else ""  # before anything is drawn or logged
        kept.forget(folder)
        files = reporting.write(result, folder, refresh_seconds=refresh_seconds)
        if log_on is not None:
            logged = kept.trials_of(tracking.logged_file(log_on, f"report/{kept.CLAIMS}"), spec.name)
            if logged > len(result.trials) and not force:
                of = f"this one of {len(result.trials)}"
                tell(f"the sweep's run keeps its report of {logged} trials; --force logs {of}")
            else:
                root = files.html.parent
                contents = {str(f.relative_to(root)): f.read_bytes() for f in files.all()}
                tracking.log_files(log_on, contents, folder="report")
                pages = frozenset(f"report/{name}" for name in contents)
                tracking.write_answer(log_on, reporting.sweep_answer(result, log_on, pages))
                _share(spec, tracking_uri, log_on, result)
            tracking.finish_sweep(log_on, parent_status)
    shown = aggregate_blocks(result)
    if refresh_seconds is None:
        kept.keep(folder, made_from, files.all(), as_json(shown))
    return Reported(files.html, shown)


def _share(spec: SweepSpec, tracking_uri: str | None, address: "Address", result: "Aggregate") -> None:
    """Leave what the report has read on the sweep's run, for other machines; a report does without."""
    from skipray import tracking

    if tracking.is_sql(tracking.resolve_uri(spec, tracking_uri)):
        return
    known = tracking.known_trials(spec, tracking_uri).trials
    ledger = tracking.read_ledger(spec, tracking_uri, trials=known)
    wanted = set(result.trials["trial_id"])
    trials = [t for t in known if t.trial_id in wanted]
    try:
        tracking.share_tables(address, spec, trials, ledger, progress(spec, tracking_uri))
    except (tracking.TrackingAway, tracking.TrackingRefused) as error:
        tell(f"{error}; another machine will ask for each run's layers and histories")


def standing_report(spec: SweepSpec, tracking_uri: str | None, folder: Path, ended: "LaunchEnd") -> Reported | None:
    """The report that a folder holds, where a launch had nothing to do and would make the same again; else None."""
    if ended.before is None or ended.address is not None:
        return None
    from skipray.analysis.made_from import made_from
    from skipray.terminal.blocks import from_json

    known, ledger = ended.before
    shown = kept.kept(folder, lambda: made_from(spec, tracking_uri, known.trials, ledger))
    return None if shown is None else Reported(folder / kept.PAGE, from_json(shown))


def progress(spec: SweepSpec, tracking_uri: str | None) -> Callable[[str], None]:
    """Says on stderr how far reading is, where that takes more than a few seconds."""
    from skipray import tracking

    quick = QUICK_TRIALS_SQL if tracking.is_sql(tracking.resolve_uri(spec, tracking_uri)) else QUICK_TRIALS_HTTP
    return tell if len(spec.trials()) > quick else lambda text: None
