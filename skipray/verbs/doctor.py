"""Find and mend what is wrong with a sweep's runs and storage."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from skipray.terminal.visible import visible
from skipray.verbs.shared.code import AcceptOption, check_code
from skipray.verbs.shared.loading import load_to_read
from skipray.verbs.shared.options import JsonOption, SetOption, SweepArgument, UriOption
from skipray.verbs.shared.speaking import print_json, tell
from skipray.wording import counted

if TYPE_CHECKING:
    from skipray.tracking import Problem

EXAMPLES = (
    "skipray doctor quickstart",
    "skipray doctor quickstart --repair",
)


def doctor(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    accept: AcceptOption = False,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what is found.")] = False,
) -> None:
    """List stale runs, duplicates, orphans, damaged files and undelivered results; with --repair, mend them."""
    from skipray import tracking

    with tracking.one_look(tell):
        spec = load_to_read(sweep, overrides, tracking_uri, gone_too=True)
        if accept:
            check_code(spec, tracking_uri, accept=True)
        findings = tracking.examine(spec, tracking_uri, say=tell)
    mended = tracking.repair(spec, findings, tracking_uri) if repair else []
    if repair and any(f.action == "measure" for f in findings):
        from skipray.execution.mending import mend

        mended += mend(spec, findings, tracking_uri, say=tell)
    if repair:
        recorded = tracking.record_checksums(spec, tracking_uri)
        if recorded:
            runs = counted(recorded, "run that had no checksums has", "runs that had no checksums have")
            tell(f"{runs} those of their files as they are now")
        own = tracking.record_own_checksums(spec, tracking_uri)
        if own:
            of_own = "of the sweep's own run that had no checksums"
            tell(f"{counted(own, f'file {of_own} has', f'files {of_own} have')} those that they have now")
        forgotten = tracking.forget_storage(spec, tracking_uri)
        if forgotten:
            tell(f"the next launch may keep its checkpoints elsewhere than in {forgotten}")
    if as_json:
        print_json(
            "doctor", {"sweep": spec.name, "findings": [asdict(f) | {"repaired": f in mended} for f in findings]}
        )
        return
    for finding in findings:
        remedy = _remedy(finding, mended=finding in mended, asked=repair)
        where = f" (trial {finding.trial_id[:8]}, run {finding.run_id[:8]})" if finding.run_id else ""
        print(visible(f"{finding.kind}: {finding.what}{where}: {remedy}"))
    print(f"{counted(len(findings), 'finding')}, {len(mended)} repaired" if findings else "nothing is wrong")


def _remedy(finding: "Problem", *, mended: bool, asked: bool) -> str:
    """What was done about a finding, or would be."""
    if mended:
        return f"repaired: {finding.remedy}"
    if not finding.action:
        return finding.remedy or "left alone"
    return "not repaired" if asked else f"with --repair: {finding.remedy}"
