"""Hydra's side of `bench_sweep.py`, as its documentation has a sweep in two processes: `--multirun` with its joblib
launcher, a folder and a log per job, MLflow's client in the job as in `ray_tuned`. A program of its own, since Hydra's
is one that its command line calls.

    python _hydra_side.py --multirun hydra/launcher=joblib hydra.launcher.n_jobs=2 sweep=SWEEP.yaml 'index=range(0,24)'

Each job appends the seconds that it trained to seconds.txt in the folder that the program was started in.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _sweep_sides import store, tracked_in_one_request

EXPERIMENT = "bench"


@dataclass
class Job:
    """What a job is told."""

    sweep: str = ""
    index: int = 0


def run(job: Any) -> float:
    """Train one trial; returns its seconds, as Hydra's sweepers expect a number."""
    from hydra.utils import get_original_cwd
    from mlflow import MlflowClient

    from skipray.spec import load_sweep

    os.chdir(get_original_cwd())
    experiment = MlflowClient(store()).get_experiment_by_name(EXPERIMENT)
    assert experiment is not None, "made before the jobs"
    seconds = tracked_in_one_request(load_sweep(Path(job.sweep)).trials()[job.index], store(), experiment.experiment_id)
    with Path("seconds.txt").open("a") as file:
        file.write(f"{seconds}\n")
    return seconds


def main() -> None:
    import hydra
    from hydra.core.config_store import ConfigStore

    ConfigStore.instance().store(name="job", node=Job)
    hydra.main(version_base=None, config_name="job")(run)()


if __name__ == "__main__":
    main()
