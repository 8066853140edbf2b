"""Find and mend what is wrong with a sweep's runs and storage."""

from dataclasses import asdict
from typing import Annotated

import typer

from skipray.verbs._loading import load
from skipray.verbs._options import JsonOption, SetOption, SweepArgument, UriOption
from skipray.verbs._speaking import print_json


def doctor(
    sweep: SweepArgument,
    overrides: SetOption = None,
    as_json: JsonOption = False,
    tracking_uri: UriOption = None,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what is found.")] = False,
) -> None:
    """List stale runs, duplicates, orphans, damaged files and undelivered results; with --repair, mend them."""
    from skipray import tracking

    spec = load(sweep, overrides)
    findings = tracking.examine(spec, tracking_uri) if tracking.exists(spec, tracking_uri) else []
    mended = tracking.repair(spec, findings, tracking_uri) if repair else []
    if as_json:
        print_json({"sweep": spec.name, "findings": [asdict(f) | {"repaired": f in mended} for f in findings]})
        return
    for finding in findings:
        remedy = "repaired" if finding in mended else finding.remedy or "left alone"
        print(f"{finding.kind}: {finding.what} (trial {finding.trial_id[:8]}, run {finding.run_id[:8]}): {remedy}")
    print(f"{len(findings)} findings, {len(mended)} repaired" if findings else "nothing is wrong")
