"""MLflow: what a worker records, what is finished, and everything read back as tables.

The only package that imports mlflow, and only where something is written or an HTTP address is read: reading from an
SQL address goes to MLflow's own tables and is ready in a fraction of a second.
"""

from skipray.extension.field_docs import show_fields
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
    sqlite_path,
    storage_url,
    store_folder,
)
from skipray.tracking.client import import_client
from skipray.tracking.doctor import Problem, examine, forget_storage, repair
from skipray.tracking.old_database import refuse_other_schema
from skipray.tracking.read.code_at_hand import lacking, lacks
from skipray.tracking.read.damage import measurement_of
from skipray.tracking.read.declared import declarations
from skipray.tracking.read.former import accepted_code
from skipray.tracking.read.former_names import finished_elsewhere
from skipray.tracking.read.gone import gone
from skipray.tracking.read.integrity import Damage, damaged, damaged_beside, store_damage
from skipray.tracking.read.known import KnownTrials, known_trials, read_study
from skipray.tracking.read.launches import Launches, living_owner, read_launches
from skipray.tracking.read.ledger import Ledger, exists, read_ledger
from skipray.tracking.read.look import looking_anew, one_look
from skipray.tracking.read.manifest import stored_sweep
from skipray.tracking.read.other_probes import other_probes
from skipray.tracking.read.other_settings import other_settings
from skipray.tracking.read.outdated import Outdated, outdated
from skipray.tracking.read.readback import read_histograms, read_histories, read_layers, read_trials, winning_runs
from skipray.tracking.read.state import states
from skipray.tracking.read.sweep_run import (
    SweepRun,
    find_sweep_run,
    sweep_runs,
    sweep_status,
)
from skipray.tracking.read.sweeps import renamed_sweeps, tracked_sweeps
from skipray.tracking.ui import run_page, sweep_pages, ui_command, ui_environment, where_to_look
from skipray.tracking.write.accepting import accept_code
from skipray.tracking.write.answer import Answer, write_answer
from skipray.tracking.write.delivery import Pending, deliver_pending, forget_finished
from skipray.tracking.write.doubles import take_back_doubles
from skipray.tracking.write.experiment import (
    begin_sweep,
    finish_sweep,
    git_state,
    log_files,
    logged_file,
    open_sweep,
    prepare,
)
from skipray.tracking.write.late_checksums import record_checksums, record_own_checksums
from skipray.tracking.write.manifest import has_manifest, is_latest, write_manifest
from skipray.tracking.write.measurement import (
    Finished,
    Measured,
    add_measurement,
    address_of,
    finished_run,
    measurement_files,
    read_weights,
    replace_files,
    torn_files,
    why_no_weights,
)
from skipray.tracking.write.recorder import Recorder
from skipray.tracking.write.run_server import RunServer
from skipray.tracking.write.sharing import share_tables
from skipray.tracking.write.store_lease import StoreLease
from skipray.tracking.write.views import TRAINING

__all__ = [
    "DEFAULT_URI",
    "STORE_FOLDER",
    "TRAINING",
    "Address",
    "Answer",
    "BadAddress",
    "Damage",
    "Finished",
    "KnownTrials",
    "Launches",
    "Ledger",
    "Measured",
    "Outdated",
    "Pending",
    "Problem",
    "Recorder",
    "RunServer",
    "StoreLease",
    "SweepRun",
    "TrackingAway",
    "TrackingRefused",
    "accept_code",
    "accepted_code",
    "add_measurement",
    "address_of",
    "begin_sweep",
    "damaged",
    "damaged_beside",
    "declarations",
    "deliver_pending",
    "examine",
    "exists",
    "find_sweep_run",
    "finish_sweep",
    "finished_elsewhere",
    "finished_run",
    "forget_finished",
    "forget_storage",
    "git_state",
    "gone",
    "has_manifest",
    "import_client",
    "is_latest",
    "is_sql",
    "known_trials",
    "lacking",
    "lacks",
    "living_owner",
    "log_files",
    "logged_file",
    "looking_anew",
    "measurement_files",
    "measurement_of",
    "one_look",
    "open_sweep",
    "other_probes",
    "other_settings",
    "outdated",
    "prepare",
    "read_histograms",
    "read_histories",
    "read_launches",
    "read_layers",
    "read_ledger",
    "read_study",
    "read_trials",
    "read_weights",
    "record_checksums",
    "record_own_checksums",
    "redact",
    "refuse_other_schema",
    "renamed_sweeps",
    "repair",
    "replace_files",
    "resolve_uri",
    "run_page",
    "share_tables",
    "sqlite_path",
    "states",
    "storage_url",
    "store_damage",
    "store_folder",
    "stored_sweep",
    "sweep_pages",
    "sweep_runs",
    "sweep_status",
    "take_back_doubles",
    "torn_files",
    "tracked_sweeps",
    "ui_command",
    "ui_environment",
    "where_to_look",
    "why_no_weights",
    "winning_runs",
    "write_answer",
    "write_manifest",
]

show_fields(__all__, globals())
