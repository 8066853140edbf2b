"""One trial: build, train, probe. Knows neither Ray nor MLflow."""

from skipray.trial.numerics import numerics
from skipray.trial.run import CheckpointRefused, Checkpoints, run_trial

__all__ = ["CheckpointRefused", "Checkpoints", "numerics", "run_trial"]
