"""Launches of one process, as by a notebook's cells: after some that were interrupted the next one ends as ever."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

SCRIPT = """
import json, os, signal, sys, threading
from skipray import Sweep

sweep = Sweep(
    name="cells", question="Does the next cell run?", dataset={"name": "digits", "train_samples": 80},
    model={"kind": "mlp", "width": 8, "initialisation": "he_normal", "normalization": "batch", "activation": "relu",
           "residual_scale": 1},
    recipe={"epochs": 1, "batch_size": 40, "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.0,
            "schedule": "constant", "augmentation": "none"},
    factors={"architecture": ["plainnet", "resnet"], "depth": [8, 14]}, seeds=[0],
)
for seconds in map(float, sys.argv[1:]):
    timer = threading.Timer(seconds, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    try:
        sweep.launch()
        timer.join()
    except KeyboardInterrupt:
        pass
ended = sweep.launch()
print(json.dumps([ended.failed, ended.interrupted, ended.total, len(sweep.results())]))
"""


@pytest.mark.cluster
@pytest.mark.xdist_group("ray")
@pytest.mark.timeout(240)
def test_launches_that_were_interrupted_as_they_began_cost_the_next_one_nothing(tmp_path: Path) -> None:
    """In the imports, while Ray starts, while the tracking store is made."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "0.2", "0.4", "0.8", "1.6"],
        cwd=tmp_path, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0, False, 4, 4]
    # By the runs, for no launch counts a trial whose worker finishes after it was interrupted.
    client = MlflowClient(f"sqlite:///{tmp_path}/skipray.db")
    experiment = client.get_experiment_by_name("cells")
    assert experiment is not None
    runs = client.search_runs(
        [experiment.experiment_id], "attributes.status = 'FINISHED' and tags.`skipray.kind` = 'trial'"
    )
    assert len(runs) == len({r.data.tags["skipray.trial_id"] for r in runs}) == 4
