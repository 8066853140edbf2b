"""What a trial gets of a machine: CPU threads, and a share of a GPU."""

from collections.abc import Mapping

from skipray.spec import SweepSpec, TrialSpec
from skipray.spec.trial import canonical_json


class Shares:
    """CPUs and GPUs of each trial."""

    def __init__(self, sweep: SweepSpec, fractions: Mapping[str, float] | None = None):
        """
        Args:
            fractions: `memory_key` -> fraction of a GPU, as measured by `measure_fractions`.
        """
        self._resources = sweep.resources
        self._fractions = dict(fractions or {})

    def of(self, trial: TrialSpec, share: int = 1) -> tuple[float, float]:
        """(CPUs, GPUs) of an attempt with `share` times the usual resources."""
        resources = self._resources
        if resources.device == "cpu":
            return float(resources.threads * share), 0.0
        gpus = resources.gpu_fraction or self._fractions.get(memory_key(trial), 1.0)
        gpus *= share
        if gpus > 1:
            gpus = float(round(gpus))  # Ray gives fractions of one GPU, or whole ones
        return float(resources.threads), gpus

    def smallest(self) -> tuple[float, float]:
        """(CPUs, GPUs) of the smallest trial: what says how many can run at once."""
        resources = self._resources
        if resources.device == "cpu":
            return float(resources.threads), 0.0
        return float(resources.threads), resources.gpu_fraction or min(self._fractions.values(), default=1.0)


def memory_key(trial: TrialSpec) -> str:
    """Trials with the same key need the same memory: the network, the batch, the precision and what is probed."""
    return canonical_json(
        {
            "dataset": trial.dataset.name,
            "model": trial.model.model_dump(),
            "batch_size": trial.recipe.batch_size,
            "precision": trial.recipe.precision,
            "probe": trial.probe.model_dump(),
        }
    )
