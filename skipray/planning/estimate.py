"""How long a trial will take, from its sizes: what orders a sweep, and what `plan` shows before anything is timed.

A step's time is its arithmetic (three forward passes' FLOPs: Kaplan et al. 2020, section 2.1), the traffic of what it
keeps for the backward pass, and the launches of its layers, which are most of a narrow network's time. Evaluation is a
third of the first two. A probe's time is its spectra: of what each layer hands on, and of its weights.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from skipray.architectures import Sizes
from skipray.datasets import evaluated_samples
from skipray.extension import catalog
from skipray.spec import ProbeSpec, TrialSpec
from skipray.spec.recipes import piece_sizes
from skipray.spec.samples import samples_left


@dataclass(frozen=True)
class Speed:
    """A machine's speed, one trial's share of it."""

    flops_per_second: float
    """Of convolutions and matrix products."""
    bytes_per_second: float
    """At which a step writes and reads again what it keeps for its backward pass."""
    layer_step_seconds: Mapping[str, float]
    """By kind: launching a weight layer's forward, backward and update, with its normalization and activation."""
    layer_probe_seconds: Mapping[str, float]
    """By kind: what a probe costs per layer, however small it is."""
    source: str


CPU = Speed(
    flops_per_second=1.0e11,
    bytes_per_second=1.3e9,
    layer_step_seconds=MappingProxyType({"mlp": 1.25e-4, "cnn": 4.25e-4}),
    layer_probe_seconds=MappingProxyType({"mlp": 1.0e-4, "cnn": 4.0e-3}),
    source="one core of a 2-core AMD EPYC virtual machine",
)
"""Fitted to 73 timed networks of all families (tests/benchmarks/bench_estimate.py): 16 % root mean square error."""
CUDA = Speed(
    flops_per_second=1.0e13,
    bytes_per_second=3.0e11,
    layer_step_seconds=MappingProxyType({"mlp": 2.0e-4, "cnn": 2.0e-4}),
    layer_probe_seconds=MappingProxyType({"mlp": 1.0e-3, "cnn": 5.0e-3}),
    source="a guess for a data-centre GPU; `launch` shows the measured rate",
)
PROBE_SECONDS_PER_KEPT_BYTE = 3.0e-9
"""Of the probe batch: the spectra of hidden representations."""
PROBE_SECONDS_PER_PARAMETER = 1.5e-7
"""The spectra of the weights."""
UNKNOWN_KIND = "cnn"
"""What a user's own family that does not say is estimated as: the dearer of the two."""
GRADIENTS_FACTOR, FULL_FACTOR = 2, 6
"""How much more than the default probe these cost."""
TRIAL_SECONDS, LAYER_START_SECONDS = 0.06, 3.5e-4
"""Opening and recording a trial; building and initialising one layer."""
COMPILE_SECONDS, LAYER_COMPILE_SECONDS = 4.0, MappingProxyType({"mlp": 0.3, "cnn": 1.2})
"""Compiling the steps of a network with batches of one size, and of each of its layers, by kind, on the same machine:
what is compiled for the first time there."""
OPTIMISER_COPIES = 3
"""A parameter, its gradient, its momentum."""


def estimate_seconds(trial: TrialSpec, sizes: Sizes | None, speed: Speed) -> float:
    """Building, training, evaluation and probes of one trial; what can be said without sizes where there are none."""
    samples, recipe, model = train_samples(trial), trial.recipe, trial.model
    kind = model.kind or UNKNOWN_KIND
    flops, kept, parameters = (sizes.flops, sizes.activation_bytes, sizes.parameters) if sizes else (0, 0, 0)
    sample_seconds = 3 * flops / speed.flops_per_second + kept / speed.bytes_per_second
    steps = recipe.epochs * math.ceil(samples / recipe.batch_size)
    training = recipe.epochs * samples * sample_seconds + steps * model.depth * speed.layer_step_seconds[kind]
    evaluation = evaluated_samples(trial.dataset, samples, recipe.epochs) * sample_seconds / 3
    probe = model.depth * speed.layer_probe_seconds[kind]
    probe += trial.probe.samples * kept * PROBE_SECONDS_PER_KEPT_BYTE + parameters * PROBE_SECONDS_PER_PARAMETER
    start = TRIAL_SECONDS + model.depth * LAYER_START_SECONDS
    if recipe.compile not in ("none", "auto") and recipe.epochs:  # auto only where the whole then takes less
        start += compiled_sizes(trial) * (COMPILE_SECONDS + model.depth * LAYER_COMPILE_SECONDS[kind])
    return start + training + evaluation + _probes(trial.probe, recipe.epochs) * probe


def _probes(probe: ProbeSpec, epochs: int) -> float:
    """How many default probes' worth of time a trial's probes take."""
    if probe.preset == "none":
        return 0
    every = probe.every_epochs
    times = 1 + (epochs > 0) + (max(0, epochs - 1) // every if every else 0)
    return times * (FULL_FACTOR if probe.preset == "full" else GRADIENTS_FACTOR if probe.gradients else 1)


def compiled_sizes(trial: TrialSpec) -> int:
    """Sizes of batches that are compiled, each by itself."""
    return len(piece_sizes(trial.recipe, train_samples(trial)))


def memory_bytes(trial: TrialSpec, sizes: Sizes) -> int:
    """What training keeps in memory: activations of what goes through the network at once, and the optimiser's copies
    of the parameters."""
    together = max(piece_sizes(trial.recipe, train_samples(trial)))
    return sizes.activation_bytes * together + 4 * OPTIMISER_COPIES * sizes.parameters


def train_samples(trial: TrialSpec) -> int:
    """Training samples of an epoch, after the validation split."""
    entry = catalog.find("datasets", trial.dataset.name)
    left = samples_left(entry, trial.dataset)
    return min(left, trial.dataset.train_samples or left)
