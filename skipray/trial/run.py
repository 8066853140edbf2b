"""One trial: build, train, probe. Knows neither Ray nor MLflow.

What an epoch's record holds, under its MLflow keys:
- `train.*`, `validation.*`, `test.*`: mean cross-entropy and accuracy of the network as it stands at the epoch's end,
  in evaluation mode (at epoch 0 with batch statistics, because the running ones are still the identity). The last epoch
  is judged on all samples, the others on a fixed random part of each split (`skipray.trial.training.evaluation`: 256 of
  the digits, 2,500 of CIFAR). Nothing is a running average over a changing network.
- `part.train.*`, `part.validation.*`, `part.test.*`, at the last epoch: the same on that fixed part, so that a curve
  over epochs compares like with like, and `part.samples`, how many of the training split these are.
- `chance.accuracy`, `chance.loss`, at the last epoch: what the best constant answer gets on the training split.
- `gap.accuracy` = train - test, `gap.loss` = test - train; only where the network has learned anything.
- `learning_rate` of the epoch's last step; the probe's aggregates; at the end the generalization measures.
A value that is not finite is absent.
"""

import gc
import logging
import math
import platform
import socket
import sys
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save as save_tensors

from skipray import __version__, architectures
from skipray.datasets import Splits, labels_are, open_dataset, shape_and_classes
from skipray.datasets._partition import subset_size
from skipray.metrics.computing.as_found import as_found
from skipray.probe import Measurement, measure
from skipray.probe.generalization import generalization_measures, initial_weights
from skipray.records import LAYER_COLUMNS, EpochRecord, Histogram, Outcome, TrialRecord
from skipray.spec import TrialSpec
from skipray.storage import histograms_from_parquet, histograms_to_parquet
from skipray.trial.chance import chance, constant_loss
from skipray.trial.lone_block import lone_blocks
from skipray.trial.numerics import numerics, random_state, set_random_state
from skipray.trial.rehearsal import batch_statistics_checked, check_scores, check_trainable, smallest_piece
from skipray.trial.training import EpochEnd, TrainingProgress, autocast, make_optimizer, to_device, train
from skipray.trial.training.evaluation import Evaluation, evaluate, evaluation_mode, gaps
from skipray.trial.training.losses import judging_loss, probing_loss
from skipray.trial.training.state import CheckpointRefused, apart, network_tensors, pack, restore_network, unpack

__all__ = ["CheckpointRefused", "Checkpoints", "run_trial"]

logger = logging.getLogger(__name__)

_LAYER_TYPES = dict.fromkeys(LAYER_COLUMNS, object) | {
    "epoch": "int64",
    "layer_index": "int64",
    "centred": "bool",
    "version": "int64",
    "value": "float64",
    "censored": "int64",
}


class Checkpoints(Protocol):
    """Where a trial's own state is kept."""

    def load(self) -> bytes | None:
        """The latest valid state, or None."""
        ...

    def save(self, state: bytes) -> None:
        """Durable when it returns, and atomic. Raises when a newer attempt owns the trial."""
        ...


def run_trial(
    trial: TrialSpec,
    *,
    data_root: str | None = None,
    checkpoints: Checkpoints | None = None,
    on_saved: Callable[[Sequence[EpochRecord]], None] | None = None,
    interrupted: Callable[[], None] | None = None,
) -> TrialRecord:
    """Run a trial to its end, from its last checkpoint if it has one.

    On a CPU the record follows from the trial alone, bit for bit (but for times and the environment): in a fresh or a
    reused process, resumed or not.

    Args:
        data_root: folder of the data sets; else SKIPRAY_DATA, else ./data.
        checkpoints: where the state is saved about every `resources.checkpoint_seconds`; a state that cannot be used is
            refused, and the trial starts over.
        on_saved: gets the records that a checkpoint has made durable and that it has not had in this attempt.
        interrupted: called between steps; when it raises, the state is saved and the exception goes on.

    Raises:
        DataMissing, DataCorrupt: see skipray.datasets.
        Exception: whatever a user's own code raises.
    """
    with numerics(trial):
        attempt = _Attempt(trial, data_root, checkpoints, on_saved, interrupted)
        try:
            return attempt.run()
        finally:
            del attempt
            if trial.resources.device == "cuda":
                gc.collect()
                torch.cuda.empty_cache()


class _Attempt:
    """What the steps of an attempt share."""

    def __init__(
        self,
        trial: TrialSpec,
        data_root: str | None,
        checkpoints: Checkpoints | None,
        on_saved: Callable[[Sequence[EpochRecord]], None] | None,
        interrupted: Callable[[], None] | None,
    ):
        self.trial = trial
        self.checkpoints, self.on_saved, self.interrupted = checkpoints, on_saved, interrupted
        self.device = torch.device(trial.resources.device)
        self.splits: Splits = open_dataset(trial.dataset, trial.fingerprint, data_root).to(self.device)
        shape, classes = shape_and_classes(trial.dataset)
        self.network = to_device(architectures.build(trial.model, shape, classes, seed=trial.seed), self.device)
        self._refuse_untrainable(classes)
        few = self.splits.normalise(self.splits.train_x[torch.arange(2)])
        self.lone = lone_blocks(trial, self.network, few, shape, classes)
        """Names of its blocks, where there are too few to be found by structure."""
        self.initial = initial_weights(self.network)
        """For the distance from initialisation. A resumed trial builds its network anew first, so has it too."""
        self.optimizer = make_optimizer(self.network, trial.recipe)
        self.progress = TrainingProgress()
        self.records: list[EpochRecord] = []
        self.sent = 0
        self.layers: list[pd.DataFrame] = []
        self.spectra: dict[str, np.ndarray] = {}
        self.histograms: tuple[Histogram, ...] = ()
        self.final = Evaluation({})
        """On the training split, after the last epoch."""
        self.last: Measurement | None = None
        """The last epoch's probe."""
        self.train_seconds = 0.0
        self.probe_seconds = 0.0
        self.mark = time.perf_counter()
        """When the time that is not yet in train_seconds or probe_seconds began."""
        self.saved_at = time.monotonic()

    def _refuse_untrainable(self, classes: int) -> None:
        """Before the first step, and not by what it would record."""
        trial, who = self.trial, self.trial.model.architecture
        if ":" in who:
            two_samples = self.splits.normalise(self.splits.train_x[torch.arange(2)])
            check_scores(self.network, two_samples, classes, who, labels_are(trial.dataset))
        if trial.recipe.epochs:
            check_trainable(self.network, who)
            smallest = smallest_piece(trial, len(self.splits.train_y))
            if smallest == 1:
                one = self.splits.normalise(self.splits.train_x[torch.arange(1)])
                with as_found(self.network), torch.no_grad(), batch_statistics_checked(self.network, trial):
                    self.network.train()(one)

    def run(self) -> TrialRecord:
        recipe = self.trial.recipe
        if not self._resume():
            self._record(0, {}, None, final=recipe.epochs == 0)
        finite = train(
            self.network,
            self.splits,
            recipe,
            self.trial.seed,
            optimizer=self.optimizer,
            progress=self.progress,
            on_step=self._between_steps,
            on_epoch=self._after_epoch,
            keep_updates=lambda epoch: self.trial.probe.preset == "full" and self._probes(epoch),
            workers=self.trial.resources.threads,
        )
        self.train_seconds += self._lap()
        outcome = self._outcome() if finite else "diverged"
        return TrialRecord(
            trial_id=self.trial.trial_id,
            outcome=outcome,
            epochs=tuple(self.records),
            layers=_concatenate(self.layers),
            spectra=self.spectra,
            profiles=self.last.profiles if self.last and outcome != "diverged" else {},
            profile_layers=self.last.profile_layers if self.last and outcome != "diverged" else {},
            histograms=self.histograms,
            weights=self._weights() if self.trial.save_weights else None,
            train_seconds=self.train_seconds,
            probe_seconds=self.probe_seconds,
            environment=_environment(self.device) | self._layers_rule(),
        )

    def _after_epoch(self, end: EpochEnd) -> None:
        final = end.epoch == self.trial.recipe.epochs
        self._record(end.epoch, {"learning_rate": end.learning_rate}, end.weight_updates, final=final)
        if not final:
            self._save_when_due(TrainingProgress(end.epoch + 1, 0, self.progress.warm))

    def _between_steps(self) -> None:
        if self.interrupted:
            try:
                self.interrupted()
            except BaseException:
                self._save(self.progress)
                raise
        self._save_when_due(self.progress)

    def _record(
        self, epoch: int, metrics: dict[str, float], updates: dict[str, torch.Tensor] | None, *, final: bool
    ) -> None:
        """Evaluate, probe, and note what was found."""
        metrics = dict(metrics)
        found = self._evaluate(epoch, whole=final)
        for part, evaluation in found.items():
            metrics |= {f"{part}.{key}": value for key, value in evaluation.values.items()}
        if self._is_trained(found["train"]):
            metrics |= gaps(found["train"], found["test"])
        if final and epoch > 0:
            metrics |= chance(self.splits, self.trial.recipe) | self._on_part(epoch)
        self.train_seconds += self._lap()
        if self._probes(epoch):
            inputs, labels = self.splits.probe_batch(self.trial.probe.samples)
            self.last = measure(
                self.network,
                inputs,
                labels,
                self.trial.probe,
                epoch=epoch,
                weight_updates=updates,
                loss=probing_loss(self.trial.recipe, labels),
                lone=self.lone,
            )
            self.layers.append(self.last.layers)
            self.spectra |= self.last.spectra
            self.histograms += self.last.histograms
            metrics |= self.last.metrics
            if final and epoch > 0 and labels.ndim == 1:  # the measures are of scores of classes
                metrics |= self._generalization(inputs, labels)
        self.probe_seconds += self._lap()
        finite = {key: float(value) for key, value in metrics.items() if math.isfinite(value)}
        self.records.append(EpochRecord(epoch, time.time_ns() // 1_000_000, finite))
        self.final = found["train"]

    def _evaluate(self, epoch: int, *, whole: bool) -> dict[str, Evaluation]:
        with evaluation_mode(self.network, batch_statistics=epoch == 0):
            return {
                part: evaluate(
                    self.network,
                    self.splits,
                    part,
                    whole=whole,
                    objective=judging_loss(self.trial.recipe),
                    autocast=autocast(self.trial.recipe, self.device),
                    tick=self.interrupted,
                    workers=self.trial.resources.threads,
                )
                for part in ("train", "validation", "test")
            }

    def _on_part(self, epoch: int) -> dict[str, float]:
        """The last epoch on the samples that the epochs before it were judged on, and how many of the training split's
        these are."""
        metrics = {"part.samples": float(min(len(self.splits.train_y), subset_size(len(self.splits.train_y))))}
        for part, evaluation in self._evaluate(epoch, whole=False).items():
            metrics |= {f"part.{part}.{key}": value for key, value in evaluation.values.items()}
        return metrics

    def _generalization(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
        return generalization_measures(
            self.network,
            inputs,
            labels,
            initial=self.initial,
            spec=self.trial.probe,
            loss=judging_loss(self.trial.recipe),
            seed=self.trial.seed,
            lone=self.lone,
        )

    def _layers_rule(self) -> dict[str, str]:
        """How the layers of a network of one's own were found."""
        return {"layers": self.last.layers_rule} if self.last and self.last.layers_rule else {}

    def _is_trained(self, found: Evaluation) -> bool:
        """Better than always naming the most frequent class, by more than 3 binomial standard errors; for values a loss
        below that of their mean, by more than 3 of its standard errors' share, 3 / sqrt(samples)."""
        if self.splits.train_y.is_floating_point():
            return found.loss < constant_loss(self.splits, self.trial.recipe) * (
                1 - 3 / math.sqrt(len(self.splits.train_y))
            )
        share = self.splits.majority_share
        error = math.sqrt(share * (1 - share) / self.splits.labelled)
        return math.isfinite(found.loss) and found.accuracy > share + 3 * error

    def _outcome(self) -> Outcome:
        if not math.isfinite(self.final.loss):
            return "diverged"
        return "trained" if self._is_trained(self.final) else "untrained"

    def _probes(self, epoch: int) -> bool:
        every = self.trial.probe.every_epochs
        wanted = epoch in (0, self.trial.recipe.epochs) or (every > 0 and epoch % every == 0)
        return wanted and self.trial.probe.preset != "none"

    def _lap(self) -> float:
        now = time.perf_counter()
        seconds, self.mark = now - self.mark, now
        return seconds

    def _save_when_due(self, progress: TrainingProgress) -> None:
        if time.monotonic() - self.saved_at >= self.trial.resources.checkpoint_seconds:
            self._save(progress)

    def _save(self, progress: TrainingProgress) -> None:
        if self.checkpoints is None:
            return
        self.train_seconds += self._lap()
        values: dict[str, Any] = {
            "epoch": progress.epoch,
            "step": progress.step,
            "warm": progress.warm,
            "records": [[r.epoch, r.time_ms, r.metrics] for r in self.records],
            "train_seconds": self.train_seconds,
            "probe_seconds": self.probe_seconds,
            "random": random_state(),
        }
        tensors = network_tensors(self.network, self.optimizer)
        tensors |= {"loss": progress.loss, "correct": progress.correct, "rng": torch.get_rng_state()}
        if self.device.type == "cuda":
            tensors["rng_cuda"] = torch.cuda.get_rng_state(self.device)
        packed = BytesIO()
        _concatenate(self.layers).to_parquet(packed)
        tensors["layers"] = _bytes(packed.getvalue())
        tensors["histograms"] = _bytes(histograms_to_parquet(self.histograms))
        tensors |= {f"spectra/{key}": torch.from_numpy(np.asarray(s)) for key, s in self.spectra.items()}
        self.checkpoints.save(pack(self.trial.trial_id, tensors, values))
        self.saved_at = time.monotonic()
        self._lap()
        self._send()

    def _send(self) -> None:
        if self.on_saved and self.sent < len(self.records):
            self.on_saved(self.records[self.sent :])
        self.sent = len(self.records)

    def _resume(self) -> bool:
        blob = self.checkpoints.load() if self.checkpoints else None
        if blob is None:
            return False
        try:
            tensors, values = unpack(self.trial.trial_id, blob)
            restore_network(self.network, self.optimizer, tensors)
        except CheckpointRefused as refused:
            logger.warning("%s starts over: %s", self.trial.label, refused)
            return False
        self.progress = TrainingProgress(
            values["epoch"], values["step"], values["warm"], tensors["loss"], tensors["correct"]
        )
        self.records = [EpochRecord(epoch, time_ms, metrics) for epoch, time_ms, metrics in values["records"]]
        self.train_seconds, self.probe_seconds = values["train_seconds"], values["probe_seconds"]
        self.layers = [pd.read_parquet(BytesIO(tensors["layers"].numpy().tobytes()))]
        if "histograms" in tensors:  # a state from before them has none
            self.histograms = histograms_from_parquet(tensors["histograms"].numpy().tobytes())
        self.spectra = {k.removeprefix("spectra/"): t.numpy() for k, t in tensors.items() if k.startswith("spectra/")}
        torch.set_rng_state(tensors["rng"])
        if "random" in values:  # a state from before it has none
            set_random_state(values["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["rng_cuda"], self.device)
        self._send()
        return True

    def _weights(self) -> bytes:
        return save_tensors(apart(self.network.state_dict()), {"skipray": self.trial.trial_id})


def _bytes(content: bytes) -> torch.Tensor:
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)


def _concatenate(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """One table with fixed column types, whether its parts were just measured or come from a checkpoint."""
    tables = [table for table in tables if len(table)]
    if not tables:
        return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in _LAYER_TYPES.items()})
    return pd.concat(tables, ignore_index=True).astype(_LAYER_TYPES)


def _environment(device: torch.device) -> dict[str, str]:
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{platform.processor() or platform.machine()} ({torch.backends.cpu.get_cpu_capability()})"
    return {
        "skipray": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "platform": sys.platform,
        "device": name,
        "threads": str(torch.get_num_threads()),
        "hostname": socket.gethostname(),
    }
