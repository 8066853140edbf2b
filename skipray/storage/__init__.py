"""What a sweep keeps while it runs: leases, checkpoints, and finished results that await delivery.

A folder, or any address that fsspec knows (`s3://bucket/prefix`). Nothing read back from it is ever unpickled.

    STORAGE/SWEEP/launch-000001.json                     the launch that owns the sweep, renewed every few seconds
    STORAGE/SWEEP/TRIAL_ID/attempt-000002.json           the attempt that owns the trial
    STORAGE/SWEEP/TRIAL_ID/state-000002-000007           its checkpoints, the last two
    STORAGE/SWEEP/TRIAL_ID/result-000002                 its result, until the tracking store has it
    STORAGE/SWEEP/TRIAL_ID/failure-000002.json           or its failure, likewise

A delivered trial's folder holds the newest attempt's file alone, and is removed when its launch knows of the end.
"""

from skipray.storage.folder import Folder, open_folder
from skipray.storage.launch_lease import SweepLease, living_launch, still_owns
from skipray.storage.owner import AlreadyRunning, Owner
from skipray.storage.place import (
    Failure,
    Fenced,
    Lease,
    TrialPlace,
    awaiting_delivery,
    foreign_files,
    local_path,
    trials_kept,
)
from skipray.storage.result import (
    artifacts_of,
    decode_result,
    encode_result,
    histograms_from_parquet,
    histograms_to_parquet,
    layers_from_parquet,
    layers_to_parquet,
    spectra_to_npz,
)

__all__ = [
    "AlreadyRunning",
    "Failure",
    "Fenced",
    "Folder",
    "Lease",
    "Owner",
    "SweepLease",
    "TrialPlace",
    "artifacts_of",
    "awaiting_delivery",
    "decode_result",
    "encode_result",
    "foreign_files",
    "histograms_from_parquet",
    "histograms_to_parquet",
    "layers_from_parquet",
    "layers_to_parquet",
    "living_launch",
    "local_path",
    "open_folder",
    "spectra_to_npz",
    "still_owns",
    "trials_kept",
]
