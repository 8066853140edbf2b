"""What a launch begins before it has looked at what is tracked."""

import os
from pathlib import Path

from skipray.records import DEFAULT_STORE
from skipray.scheduling.ray.local_start import LocalStart, begin
from skipray.spec import SweepSpec


def begin_first(spec: SweepSpec, tracking_uri: str | None, address: str | None) -> LocalStart | None:
    """Begin a cluster of this machine where nothing can have been tracked yet, so that something is to be trained.

    Where there is a store, a launch begins it when that has told what is missing.

    Raises:
        InputRefused: there is no room for Ray's files.
    """
    named = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or spec.tracking.uri
    return None if named or Path(DEFAULT_STORE).exists() else begin(spec, address)
