"""MLflow: what a worker records, what is finished, and everything read back as tables.

The only package that imports mlflow, and only where something is written or an HTTP address is read: reading from an
SQL address goes to MLflow's own tables and is ready in a fraction of a second.
"""

from skipray.tracking.address import (
    DEFAULT_URI,
    STORE_FOLDER,
    Address,
    BadAddress,
    TrackingAway,
    TrackingRefused,
    is_sql,
    redact,
    resolve_uri,
    storage_url,
    store_folder,
)
from skipray.tracking.client import import_client
from skipray.tracking.doctor import Finding, examine, repair
from skipray.tracking.read.known import Known, known_trials, read_study
from skipray.tracking.read.ledger import Ledger, exists, read_ledger, sweep_status
from skipray.tracking.read.readback import read_histograms, read_histories, read_layers, read_trials, winning_runs
from skipray.tracking.read.state import states
from skipray.tracking.read.sweeps import tracked_sweeps
from skipray.tracking.ui import ui_command, ui_environment, where_to_look
from skipray.tracking.write.delivery import Pending, deliver_pending, forget_finished
from skipray.tracking.write.experiment import finish_sweep, git_state, log_files, prepare
from skipray.tracking.write.measurement import Measured, add_measurement, address_of, finished_run, read_weights
from skipray.tracking.write.recorder import Recorder

__all__ = [
    "DEFAULT_URI",
    "STORE_FOLDER",
    "Address",
    "BadAddress",
    "Finding",
    "Known",
    "Ledger",
    "Measured",
    "Pending",
    "Recorder",
    "TrackingAway",
    "TrackingRefused",
    "add_measurement",
    "address_of",
    "deliver_pending",
    "examine",
    "exists",
    "finish_sweep",
    "finished_run",
    "forget_finished",
    "git_state",
    "import_client",
    "is_sql",
    "known_trials",
    "log_files",
    "prepare",
    "read_histograms",
    "read_histories",
    "read_layers",
    "read_ledger",
    "read_study",
    "read_trials",
    "read_weights",
    "redact",
    "repair",
    "resolve_uri",
    "states",
    "storage_url",
    "store_folder",
    "sweep_status",
    "tracked_sweeps",
    "ui_command",
    "ui_environment",
    "where_to_look",
    "winning_runs",
]
