"""Takes the results of earlier code for today's, as the user says, and keeps a record of it."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from skipray.spec import SweepSpec
from skipray.tracking.address import TrackingRefused, resolve_uri
from skipray.tracking.client import reach
from skipray.tracking.read.former import ACCEPTED_PREFIX, Accepted
from skipray.tracking.read.outdated import Outdated
from skipray.tracking.read.sweep_run import find_sweep_run


def accept_code(sweep: SweepSpec, tracking_uri: str | None, found: Iterable[Outdated]) -> list[Outdated]:
    """Accept what can be accepted: from now on those trials are finished ones of the sweep.

    Returns:
        What was accepted. Results of another version of skipray's numerics are not.
    """
    uri = resolve_uri(sweep, tracking_uri)
    run = find_sweep_run(uri, sweep.name)
    if run is None:
        raise TrackingRefused(f"sweep {sweep.name} has no run of its own: launch it first")
    done = []
    for one in found:
        if not one.can_be_accepted:
            continue
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        record = Accepted(one.name, one.old, one.new, one.changed, when, one.finished)
        # The key says what it is about, so that to accept twice is to accept once.
        key = f"{ACCEPTED_PREFIX}{one.old[:12] or 'unknown'}-{one.new[:12]}"
        _tag(uri, run.run_id, key, json.dumps(asdict(record)))
        done.append(one)
    return done


def _tag(uri: str, run_id: str, key: str, text: str) -> None:
    reach(uri, lambda c: c.set_tag(run_id, key, text))
