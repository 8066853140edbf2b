"""What Ray reads from the environment: settings of the processes that a launch starts, and of its workers."""

import os
from pathlib import Path
from typing import Any

from skipray.planning.cores import usable_cores
from skipray.spec import SweepSpec

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a worker stays in the launch's folder
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the coming default; else a warning a start
    # Else Ray ends this process, in mid-sentence, when the head was away for a minute; see head_watch.py.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    # Else a launch under `uv run` has Ray copy its folder, data and all, and run workers by `uv run` in the copy.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # prints tables of its own even when told to be quiet
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # they write every result, and keep every configuration
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # see stopping.py
    "TUNE_DISABLE_AUTO_INIT": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",  # Tune's own state is never read
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_STATE_REFRESH_PERIOD": "1e9",  # it asks Ray for its resources, which aborts this process at another head
    "TUNE_WARN_THRESHOLD_S": "1e9",
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1e9",  # `feasible` has checked them
}
"""Settings that Ray reads from the environment. What the user has set stays."""

LOCAL = {
    # Ray's own switch for a machine that takes part in no cluster: its node is 127.0.0.1, so that nothing listens on
    # another interface.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Each worker does so as soon as it starts, while this process still makes the tracking store ready.
    "RAY_preload_python_modules": "skipray.scheduling.ray.worker_imports",
    "RAY_idle_worker_killing_time_threshold_ms": "600000",  # else Ray ends those that import for longer than a second
    # Ray gives workers a niceness of 15, with which they get a few per cent of a core beside anything else that runs.
    # Trials are what the user waits for, as of any other command.
    "RAY_worker_niceness": "0",
}
"""The same where this process starts Ray itself; read when ray is imported."""

_ALLOCATOR = "GLIBC_TUNABLES"
_TUNABLES = {
    "hugetlb": 1,  # madvise
    "mmap_threshold": 32 << 20,  # the largest that it takes
    "trim_threshold": 4 << 30,
    "top_pad": 16 << 20,
}
_AHEAD = "RAY_prestart_worker_first_driver"
_INSIDE_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def apply_settings(*, local: bool) -> None:
    """Set them in this process's environment, before ray is imported."""
    for key, value in (QUIET | LOCAL if local else QUIET).items():
        os.environ.setdefault(key, value)


def runtime_env(sweep: SweepSpec) -> dict[str, Any]:
    """What workers on a cluster need beyond what their node has: the thread count, skipray and the `module:name` code.

    Both as they are here; inside `ray job submit` the job's own environment has brought the code.
    """
    env: dict[str, Any] = {"env_vars": worker_variables(sweep)}
    if _INSIDE_A_JOB not in os.environ:
        env["py_modules"] = [str(path) for path in code_paths(sweep)]
    return env


def worker_variables(sweep: SweepSpec) -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return dict.fromkeys(threads, str(sweep.resources.threads)) | allocator_variables()


def allocator_variables() -> dict[str, str]:
    """How glibc's malloc gives out memory in workers: none where the user has set it.

    A step of a convolutional network frees tensors of some megabytes each, which malloc gives back to the system, and
    asks for them anew: a tenth of the step is page faults. Here it keeps them (until the trial's end, see `worker.py`),
    and asks for huge pages where the system grants them on advice. Other libraries do not read it.
    """
    if _ALLOCATOR in os.environ:
        return {}
    return {_ALLOCATOR: ":".join(f"glibc.malloc.{key}={value}" for key, value in _TUNABLES.items())}


def workers_ahead(sweep: SweepSpec, trials: int | None, *, forks: bool = False) -> dict[str, str]:
    """Whether Ray starts a worker a core before it is asked for one: only where trials will take every core. What the
    user has set stays.

    Args:
        trials: how many are to be run; as many as the sweep has when left out.
        forks: workers are forks, which start in a moment when they are asked for; a driver that connects would wait for
            those that are started ahead.
    """
    if _AHEAD in os.environ:
        return {}
    resources, cores = sweep.resources, usable_cores()
    at_once = min(resources.max_concurrent or cores, len(sweep.trials()) if trials is None else trials)
    every = not forks and resources.device == "cpu" and resources.threads == 1 and at_once >= cores
    return {_AHEAD: "1" if every else "0"}


def code_paths(sweep: SweepSpec) -> tuple[Path, ...]:
    """Folders and files of skipray and of the user's own code that a sweep names."""
    import importlib

    import skipray

    paths = [Path(skipray.__file__).parent]
    names = {name for trial in sweep.trials() for name, _ in trial.source_hashes}
    for module in sorted({name.partition(":")[0].partition(".")[0] for name in names} - {"skipray"}):
        source = importlib.import_module(module).__file__
        if source is not None:
            path = Path(source)
            paths.append(path.parent if path.name == "__init__.py" else path)
    return tuple(dict.fromkeys(paths))
