"""What a trial gets of a machine: CPU threads, and a share of a GPU."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from skipray.spec import SweepSpec, TrialSpec, canonical_json

MARGIN = 1.15
"""Over the measured peak: the allocator's fragments grow with the time that a process runs."""
CONTEXT_BYTES = 600 * 2**20
"""What a process takes of a GPU besides its tensors: CUDA's context and the libraries' kernels. A guess for data-centre
GPUs, to be measured on yours with nvidia-smi."""
MOST_ON_A_GPU = 8
"""More processes on one GPU gain nothing: they take turns."""
PROBE_STEPS = 2


class Shares:
    """CPUs and GPUs of each trial."""

    def __init__(self, sweep: SweepSpec, fractions: Mapping[str, float] | None = None):
        """
        Args:
            fractions: `memory_key` -> fraction of a GPU, as measured by `measure_fractions`.
        """
        self._resources = sweep.resources
        self._fractions = dict(fractions or {})

    def of(self, trial: TrialSpec, factor: int = 1) -> tuple[float, float]:
        """(CPUs, GPUs) of an attempt with `factor` times the usual resources."""
        resources = self._resources
        if resources.device == "cpu":
            return float(resources.threads * factor), 0.0
        gpus = resources.gpu_fraction or self._fractions.get(memory_key(trial), 1.0)
        gpus *= factor
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
    """Trials with the same key need the same memory: the network, the batch, the precision, how it is compiled and what
    is probed."""
    return canonical_json(
        {
            "dataset": {"name": trial.dataset.name, "options": trial.dataset.options},
            "model": trial.model.model_dump(),
            "batch_size": trial.recipe.batch_size,
            "precision": trial.recipe.precision,
            "compile": trial.recipe.compile,
            "probe": trial.probe.model_dump(),
        }
    )


def fraction_of(peak_bytes: int, total_bytes: int) -> float:
    """The share of a GPU for a trial: 1, 1/2, 1/3, ... so that as many fit as have room.

    Args:
        peak_bytes: most that the trial's tensors took, without the process's own share.
        total_bytes: of the GPU.

    >>> fraction_of(20 * 2**30, 80 * 2**30) == 1 / 3
    True
    """
    need = peak_bytes * MARGIN + CONTEXT_BYTES
    return 1.0 / max(1, min(MOST_ON_A_GPU, math.floor(total_bytes / need)))


def measure_fractions(trials: Iterable[TrialSpec], data_root: str | None = None) -> dict[str, float]:
    """Memory of each cell on a GPU of the connected cluster: a few steps and a probe, as the trial will run them.

    Cells that need the same memory are measured once, one after the other on one GPU. A cell that does not fit at all
    gets the whole GPU, and its trials say so themselves.

    Returns:
        `memory_key` -> fraction, for `Shares`.
    """
    import ray

    cells = {memory_key(trial): trial for trial in trials}
    measure = ray.remote(num_gpus=1, num_cpus=1, max_retries=2)(_peak_memory)
    found = ray.get([measure.remote(trial, data_root) for trial in cells.values()])
    return {key: fraction_of(peak, total) for key, (peak, total) in zip(cells, found, strict=True)}


def _peak_memory(trial: TrialSpec, data_root: str | None) -> tuple[int, int]:
    """(most bytes reserved while the trial's first steps and probe ran, bytes of the GPU), in a worker."""
    import torch

    from skipray.trial import run_trial
    from skipray.trial.compiling import CompilationFailed

    total = int(torch.cuda.get_device_properties(0).total_memory)
    torch.cuda.reset_peak_memory_stats()
    short = replace(
        trial,
        dataset=trial.dataset.model_copy(update={"train_samples": PROBE_STEPS * trial.recipe.batch_size}),
        recipe=trial.recipe.model_copy(update={"epochs": 1, "warmup_epochs": 0.0}),
        save_weights=False,
    )
    # So short a trial auto leaves plain, where a whole one may become graphs, which take more.
    mode = "reduce-overhead" if trial.recipe.compile == "auto" else trial.recipe.compile
    try:
        try:
            run_trial(_compiled_as(short, mode), data_root=data_root)
        except CompilationFailed:  # which the trials say themselves, or under auto run plain
            run_trial(_compiled_as(short, "none"), data_root=data_root)
    except torch.OutOfMemoryError:
        return total, total
    return int(torch.cuda.max_memory_reserved()), total


def _compiled_as(trial: TrialSpec, mode: str) -> TrialSpec:
    return replace(trial, recipe=trial.recipe.model_copy(update={"compile": mode}))
