"""One trial: build, train, probe. Knows neither Ray nor MLflow."""

from skipray.trial.run import CheckpointRefused, Checkpoints, numerics, run_trial

__all__ = ["CheckpointRefused", "Checkpoints", "numerics", "run_trial"]
