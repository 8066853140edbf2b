"""The checks of `make gpu`: each returns what it has found, and raises where that is not as it must be."""

import gc
import math
import multiprocessing
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from skipray.datasets import gaussian
from skipray.records import TrialRecord
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, TrialSpec
from skipray.trial import run_trial

DATA = DatasetSpec(name="gaussian", options={"features": 16, "samples": 230, "classes": 4, "separation": 4.0})
AT_ONCE = 3


def trial(device: str, *, kind: str = "mlp", seed: int = 0, **recipe: Any) -> TrialSpec:
    """A residual network that learns its data within a second."""
    model = {"kind": kind, "depth": 8, "width": 12, "normalization": "batch", "initialisation": "he_normal"}
    values = {"epochs": 4, "batch_size": 50, "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}
    return TrialSpec(
        sweep="gpu",
        dataset=DATA,
        fingerprint=gaussian.FINGERPRINT,
        model=ModelSpec(architecture="resnet", activation="relu", residual_scale=1, **model),
        recipe=Recipe(**values | {"schedule": "cosine", "augmentation": "none"} | recipe),
        probe=ProbeSpec(samples=32),
        seed=seed,
        resources=Resources(device=device, checkpoint_seconds=1e6),
    )


def close(a: TrialRecord, b: TrialRecord, tolerance: float) -> None:
    """Losses and the probe's values of the first and the last epoch agree."""
    assert a.outcome == b.outcome, (a.outcome, b.outcome)
    for end in (0, -1):
        first, second = a.epochs[end].metrics, b.epochs[end].metrics
        assert first.keys() == second.keys()
        for name in ("train.loss", "test.loss", "hidden.effective_rank.last"):
            assert math.isclose(first[name], second[name], rel_tol=tolerance), (end, name, first[name], second[name])


def training(device: str) -> str:
    """The same network learns the same, but for rounding."""
    here, there = run_trial(trial(device)), run_trial(trial("cpu"))
    assert here.outcome == "trained"
    close(here, there, 0.05)
    losses = [record.epochs[-1].metrics["train.loss"] for record in (here, there)]
    return f"train loss {losses[0]:.4f}, on the CPU {losses[1]:.4f}"


class Interrupted(Exception):
    pass


class Kept:
    """A checkpoint in memory, and an interruption after some steps."""

    def __init__(self, steps: float = math.inf):
        self.state: bytes | None = None
        self.left = steps

    def load(self) -> bytes | None:
        return self.state

    def save(self, state: bytes) -> None:
        self.state = state

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Interrupted


def resumed_like(calm: TrialRecord, spec: TrialSpec) -> str:
    """A trial that is stopped in the middle and goes on ends like one that was not, which is given."""
    kept = Kept(steps=20)
    try:
        run_trial(spec, checkpoints=kept, interrupted=kept.step)
        raise AssertionError("the trial was to be interrupted")
    except Interrupted:
        assert kept.state is not None
    kept.left = math.inf
    resumed = run_trial(spec, checkpoints=kept, interrupted=kept.step)
    same = resumed.weights == calm.weights
    assert same or spec.resources.device != "cpu", "on a CPU every bit is the same"
    close(resumed, calm, 0.01)
    return "the same bits" if same else "within 1 %"


def resume(device: str) -> str:
    """A trial that is stopped in the middle and goes on ends like one that was not."""
    return resumed_like(run_trial(trial(device)), trial(device))


def probes(device: str) -> str:
    """Before the first step both devices hold the same weights, so that their spectra are the same up to rounding."""
    here, there = (run_trial(trial(d, epochs=1)) for d in (device, "cpu"))
    assert here.spectra.keys() == there.spectra.keys()
    rows, others = (r.layers[r.layers["epoch"] == 0] for r in (here, there))
    assert len(rows) == len(others) > 0
    both = rows.merge(others, on=["layer", "tensor", "statistic", "centred", "phase"], suffixes=("", "_there"))
    chosen = both[both["statistic"].isin(["effective_rank", "spectral_norm", "stable_rank"])].dropna(subset=["value"])
    assert len(chosen)
    worst = float(np.max(np.abs(chosen["value"] / chosen["value_there"] - 1)))
    assert worst < 1e-3, f"a statistic of epoch 0 differs by {worst:.1e}"
    return f"{len(chosen)} statistics of epoch 0, at most {worst:.1e} apart"


def memory(device: str) -> str:
    """A trial's memory is given back when it ends."""
    if device != "cuda":
        return "a GPU's memory: nothing to see here"
    run_trial(trial(device))
    gc.collect()
    before = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    for seed in range(3):
        run_trial(trial(device, seed=seed))
    after = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    assert after[0] <= before[0], (before, after)
    assert after[1] <= before[1], (before, after)
    return f"{after[0] / 2**20:.1f} MiB allocated and {after[1] / 2**20:.1f} reserved, before and after"


def _loss(device: str, seed: int) -> float:
    return run_trial(trial(device, seed=seed)).epochs[-1].metrics["train.loss"]


def together(device: str) -> str:
    """Several trials on one card, each in a process of its own, find what they find alone."""
    alone = [_loss(device, seed) for seed in range(AT_ONCE)]
    with multiprocessing.get_context("spawn").Pool(AT_ONCE) as pool:
        found = pool.starmap(_loss, [(device, seed) for seed in range(AT_ONCE)])
    for a, b in zip(alone, found, strict=True):
        assert math.isclose(a, b, rel_tol=0.05), (alone, found)
    return f"{AT_ONCE} at once"


def bfloat16(device: str) -> str:
    """It learns too, and its weights and probes stay float32."""
    low = run_trial(trial(device, precision="bfloat16"))
    assert low.outcome == "trained"
    full = run_trial(trial(device))
    a, b = (r.epochs[-1].metrics["train.accuracy"] for r in (low, full))
    assert abs(a - b) < 0.1, (a, b)
    assert low.weights != full.weights, "bfloat16 has changed something"
    return f"train accuracy {a:.3f}, in float32 {b:.3f}"


def compiled(device: str, mode: str = "default") -> str:
    """Compiled steps learn the same, but for rounding, in one piece or two; a trial that is stopped goes on so."""
    plain, here = run_trial(trial(device)), run_trial(trial(device, compile=mode))
    assert here.environment["compile"] == here.compiling["ran"] == mode
    close(here, plain, 0.05)
    close(run_trial(trial(device, compile=mode, gradient_accumulation=2)), plain, 0.25)
    how = resumed_like(here, trial(device, compile=mode))
    losses = [record.epochs[-1].metrics["train.loss"] for record in (here, plain)]
    seconds = here.compiling["compile_seconds"]
    return f"train loss {losses[0]:.4f}, plain {losses[1]:.4f}; {seconds:.1f} s to compile; resumed {how}"


def captured(device: str) -> str:
    """The same as CUDA graphs, whose memory is given back."""
    if device != "cuda":
        return "CUDA graphs: nothing to see here"
    found = compiled(device, "reduce-overhead")
    gc.collect()
    torch.cuda.empty_cache()
    allocated, reserved = torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    return f"{found}; {allocated / 2**20:.1f} MiB allocated and {reserved / 2**20:.1f} reserved after it"


CHECKS: tuple[Callable[[str], str], ...] = (training, resume, probes, memory, together, bfloat16, compiled, captured)
