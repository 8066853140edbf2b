"""When a sweep's own claims were declared: with the first launch whose manifest has them."""

from skipray.spec import SweepSpec
from skipray.tracking.address import resolve_uri
from skipray.tracking.read.manifest import read_manifests
from skipray.tracking.read.sweep_run import find_sweep_run


def declarations(sweep: SweepSpec, tracking_uri: str | None = None) -> dict[str, int | None]:
    """Id of each own claim -> milliseconds since 1970 of the first launch that declared it as it is now; None where no
    launch did. Its words may change, what is tested may not.

    Raises:
        TrackingAway: the store cannot be reached.
    """
    if not sweep.claims.own:
        return {}
    uri = resolve_uri(sweep, tracking_uri)
    run = find_sweep_run(uri, sweep.name)
    manifests = read_manifests(uri, run) if run is not None else []
    found: dict[str, int | None] = {}
    for claim in sweep.claims.own:
        tested = claim.tested
        times = [m.written_ms for m in manifests if any(c.tested == tested for c in m.sweep.claims.own)]
        found[claim.id] = min(times, default=None)
    return found
