"""What a launch begins before it has looked at what is tracked."""

import os
from pathlib import Path

from skipray.execution.limits import check_limits
from skipray.records import DEFAULT_STORE
from skipray.scheduling.ray.addresses import local_address
from skipray.scheduling.ray.local_start import LocalStart, begin
from skipray.spec import SweepSpec


def begin_first(spec: SweepSpec, tracking_uri: str | None, address: str | None) -> LocalStart | None:
    """Begin a cluster of this machine where nothing can have been tracked yet, so that something is to be trained.

    Where there is a store, a launch begins it when that has told what is missing.

    Raises:
        InputRefused: there is no room for Ray's files, or a limit of the system is too low for it.
    """
    named = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or spec.tracking.uri
    if named or Path(DEFAULT_STORE).exists():
        return None
    check_limits(trains=local_address(address) is None)
    return begin(spec, address)
