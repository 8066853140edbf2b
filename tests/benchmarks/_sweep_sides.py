"""The baselines of `bench_sweep.py`, each as one would write it without skipray, run as a process of its own:

    python _sweep_sides.py (ray_tune|ray_tuned|joblib|hydra|optuna|one_process) SWEEP.yaml SECONDS_LIMIT

in an empty folder. Prints one JSON object: trials that ended, and the seconds that they trained.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skipray.spec import TrialSpec

Trials = Sequence["TrialSpec"]
Log = Callable[[dict[str, float], int], object]
"""Takes an epoch's metrics and the epoch."""


def train_plainly(trial: "TrialSpec", log: Log | None) -> float:
    """Train a trial by a minimal loop: its network, batches and steps. Returns seconds of training, logging left out.

    Evaluates the validation split after each epoch, which no training goes without.
    """
    import torch
    from torch.nn.functional import cross_entropy

    from skipray import architectures
    from skipray.datasets import open_dataset, shape_and_classes

    recipe = trial.recipe
    torch.set_num_threads(1)
    start = time.perf_counter()
    splits = open_dataset(trial.dataset, trial.fingerprint)
    assert isinstance(splits.train_x, torch.Tensor)
    assert isinstance(splits.validation_x, torch.Tensor)
    x, y = splits.normalise(splits.train_x), splits.train_y
    test_x, test_y = splits.normalise(splits.validation_x), splits.validation_y
    network = architectures.build(trial.model, *shape_and_classes(trial.dataset), seed=trial.seed)
    optimizer = torch.optim.SGD(
        network.parameters(), recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )
    generator = torch.Generator().manual_seed(trial.seed)
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        total = torch.zeros(())
        chosen = torch.randperm(len(y), generator=generator).tensor_split(-(-len(y) // recipe.batch_size))
        for index in chosen:
            loss = cross_entropy(network(x[index]), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach()
        network.eval()
        with torch.no_grad():
            logits = network(test_x)
        metrics = {
            "train_loss": float(total) / len(chosen),
            "validation_loss": float(cross_entropy(logits, test_y)),
            "validation_accuracy": float((logits.argmax(1) == test_y).float().mean()),
        }
        if log is not None:
            paused = time.perf_counter()
            log(metrics, epoch)
            start += time.perf_counter() - paused
    return time.perf_counter() - start


def parameters(trial: "TrialSpec") -> dict[str, Any]:
    """What a user would log of a trial."""
    model, recipe = trial.model, trial.recipe
    return {"architecture": model.architecture, "depth": model.depth, "width": model.width, "seed": trial.seed} | {
        "learning_rate": recipe.learning_rate,
        "batch_size": recipe.batch_size,
        "epochs": recipe.epochs,
    }


def ray_tune(trials: Trials, limit: float) -> list[float]:
    """Stock Ray Tune: a function trainable, actors as they come, MLflowLoggerCallback. Stops after `limit` seconds."""
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    def trainable(config: dict[str, Any]) -> None:
        def log(metrics: dict[str, float], epoch: int) -> None:
            tune.report(metrics | {"seconds": time.perf_counter() - start, "epoch": epoch})

        start = time.perf_counter()
        train_plainly(trials[config["index"]], log)

    ray.init("local", log_to_driver=False, logging_level=logging.ERROR)  # never somebody else's cluster
    tuner = tune.Tuner(
        trainable,
        param_space={"index": tune.grid_search(range(len(trials)))},
        tune_config=tune.TuneConfig(time_budget_s=limit),
        run_config=tune.RunConfig(
            name="bench",
            storage_path=str(Path.cwd() / "ray"),
            callbacks=[MLflowLoggerCallback(tracking_uri=store(), experiment_name="bench")],
            verbose=0,
        ),
    )
    results = tuner.fit()
    ray.shutdown()
    assert not results.num_errors, results.errors
    return [
        r.metrics["seconds"]
        for r in map(results.__getitem__, range(len(results)))
        if r.metrics and r.metrics.get("epoch") == trials[0].recipe.epochs
    ]


def ray_tuned(trials: Trials, limit: float) -> list[float]:
    """Ray Tune by hand as well as one can without a scheduler of one's own: actors that are used again, no loggers of
    Tune's, and MLflow's client in the worker, one request for a trial's history. The limit is not needed."""
    import os

    import mlflow
    import ray
    from ray import tune

    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    uri = store()
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment("bench").experiment_id

    def trainable(config: dict[str, Any]) -> None:
        tune.report({"seconds": tracked_in_one_request(trials[config["index"]], uri, experiment)})

    ray.init("local", log_to_driver=False, logging_level=logging.ERROR)
    tuner = tune.Tuner(
        trainable,
        param_space={"index": tune.grid_search(range(len(trials)))},
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(name="bench", storage_path=str(Path.cwd() / "ray"), verbose=0),
    )
    results = tuner.fit()
    ray.shutdown()
    assert not results.num_errors, results.errors
    return [float((results[i].metrics or {})["seconds"]) for i in range(len(results))]


def tracked_in_one_request(trial: "TrialSpec", uri: str, experiment: str) -> float:
    """Train a trial and log it with MLflow's client. Returns seconds of training."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    history: list[Any] = []

    def log(metrics: dict[str, float], epoch: int) -> None:
        history.extend(Metric(key, value, int(time.time() * 1000), epoch) for key, value in metrics.items())

    client = MlflowClient(uri)
    run = client.create_run(experiment).info.run_id
    seconds = train_plainly(trial, log)
    client.log_batch(run, history, [Param(k, str(v)) for k, v in parameters(trial).items()])
    client.set_terminated(run)
    return seconds


def optuna_loop(trials: Trials, limit: float) -> list[float]:
    """Optuna's own loop, as its documentation has it for several processes: two of them call `optimize` on one study in
    SQLite, a grid over the trials, with MLflow's client as in `ray_tuned`. The limit is not needed."""
    import mlflow
    import optuna
    from joblib import Parallel, delayed

    uri, studies = store(), f"sqlite:///{Path.cwd() / 'optuna.db'}"
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment("bench").experiment_id
    grid = {"index": list(range(len(trials)))}
    optuna.create_study(study_name="bench", storage=studies)

    def work() -> None:
        def objective(trial: optuna.Trial) -> float:
            index = trial.suggest_int("index", 0, len(trials) - 1)
            return tracked_in_one_request(trials[index], uri, experiment)

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.GridSampler(grid, seed=0)
        optuna.load_study(study_name="bench", storage=studies, sampler=sampler).optimize(objective)

    Parallel(n_jobs=2)(delayed(work)() for _ in range(2))
    ended = optuna.load_study(study_name="bench", storage=studies).get_trials()
    return [trial.value for trial in ended if trial.value is not None]


def joblib_mlflow(trials: Trials, limit: float) -> list[float]:
    """A pool of two processes, each with MLflow's fluent API. The limit is not needed."""
    import mlflow
    from joblib import Parallel, delayed

    def run(trial: "TrialSpec") -> float:
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment("bench")
        with mlflow.start_run():
            mlflow.log_params(parameters(trial))
            return train_plainly(trial, lambda metrics, epoch: mlflow.log_metrics(metrics, step=epoch))

    uri = store()
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("bench")  # the schema, before two processes would make it at once
    return list(Parallel(n_jobs=2)(delayed(run)(trial) for trial in trials))


def hydra_joblib(trials: Trials, limit: float) -> list[float]:
    """Hydra's joblib launcher over two processes (`_hydra_side.py`). The limit is not needed."""
    import subprocess

    import mlflow

    mlflow.set_tracking_uri(store())
    mlflow.set_experiment("bench")  # the schema, before two processes would make it at once
    overrides = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", f"sweep={sys.argv[2]}"]
    command = [
        str(Path(__file__).with_name("_hydra_side.py")),
        "--multirun",
        *overrides,
        f"index=range(0,{len(trials)})",
    ]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return [float(line) for line in Path("seconds.txt").read_text().split()]


def one_process(trials: Trials, limit: float) -> list[float]:
    """One warm process, one trial after the other, nothing kept."""
    return [train_plainly(trial, None) for trial in trials]


def store() -> str:
    return f"sqlite:///{Path.cwd() / 'mlflow.db'}"


SIDES: dict[str, Callable[[Trials, float], list[float]]] = {
    "ray_tune": ray_tune,
    "ray_tuned": ray_tuned,
    "joblib": joblib_mlflow,
    "hydra": hydra_joblib,
    "optuna": optuna_loop,
    "one_process": one_process,
}


def main() -> None:
    from skipray.spec import load_sweep

    side, sweep, limit = sys.argv[1:4]
    seconds = SIDES[side](load_sweep(Path(sweep)).trials(), float(limit))
    print(json.dumps({"trials": len(seconds), "train_seconds": sum(seconds)}))


if __name__ == "__main__":
    main()
