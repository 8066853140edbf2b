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
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cached_property
from types import ModuleType

import torch
from safetensors.torch import save as save_tensors

from skipray import architectures
from skipray.architectures.building.passes.running import Passes
from skipray.datasets import Splits, labels_are, open_dataset, shape_and_classes, subset_size
from skipray.extension import as_launched
from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.modes import evaluation_mode
from skipray.metrics.computing.remembered import Remembered
from skipray.probe import measure
from skipray.probe.generalization import (
    NetworkMeasures,
    generalization_measures,
    initial_weights,
    learned_weights,
)
from skipray.records import EpochRecord, Outcome, TrialRecord
from skipray.spec import TrialSpec
from skipray.torch_private import is_watched
from skipray.trial.chance import chance, constant_loss
from skipray.trial.checkpoints import Checkpoints, Saving
from skipray.trial.clock import Clock
from skipray.trial.compiling import forward_of
from skipray.trial.counted_blocks import blocks_of_depth
from skipray.trial.environment import environment, own_metrics
from skipray.trial.findings import Findings, findings_of
from skipray.trial.numerics import numerics, random_state, set_random_state
from skipray.trial.own_network import check_trained
from skipray.trial.rehearsal import batch_statistics_checked, check_scores, check_trainable
from skipray.trial.training import EpochEnd, TrainingProgress, autocast, make_optimizer, to_device, train
from skipray.trial.training.evaluation import Evaluation, evaluate, gaps
from skipray.trial.training.losses import judging_loss, probing_loss
from skipray.trial.training.rest import Rest
from skipray.trial.training.state import (
    CheckpointRefused,
    apart,
    network_tensors,
    pack,
    restore_network,
    saved_tensors,
    unpack,
)  # fmt: skip
from skipray.trial.training.step import written_out

__all__ = ["CheckpointRefused", "Checkpoints", "run_trial"]

logger = logging.getLogger(__name__)


def run_trial(
    trial: TrialSpec,
    *,
    data_root: str | None = None,
    checkpoints: Checkpoints | None = None,
    on_saved: Callable[[Sequence[EpochRecord]], None] | None = None,
    interrupted: Callable[[], None] | None = None,
    on_refused: Callable[[str], None] = lambda why: None,
) -> TrialRecord:
    """Run a trial to its end, from its last checkpoint if it has one.

    On a CPU the record follows from the trial alone, bit for bit (but for times and the environment): in a fresh or a
    reused process, resumed or not. With `recipe.compile` of auto it follows also from what was decided, which
    `TrialRecord.compiling` has, and which a resumed trial keeps.

    Args:
        data_root: folder of the data sets; else SKIPRAY_DATA, else ./data.
        checkpoints: where the state is saved about every `resources.checkpoint_seconds`; a state that cannot be used is
            refused, and the trial starts over.
        on_saved: gets the records that a checkpoint has made durable and that it has not had in this attempt.
        interrupted: called between steps; when it raises, the state is saved and the exception goes on.
        on_refused: told why the trial starts over, where it has a state that cannot be used.

    Raises:
        DataMissing, DataCorrupt: see skipray.datasets.
        CompilationFailed: recipe.compile asks for what cannot be compiled here.
        CodeEdited: the user's own code is not the trial's: this process imported it before it was edited.
        Exception: whatever a user's own code raises.
    """
    as_launched.check_imported(trial.source_hashes, trial.dataset.name)
    with numerics(trial):
        modules = as_launched.modules_of(trial.source_hashes)
        before = Remembered(torch.nn.Module(), modules)
        try:
            attempt = _Attempt(trial, data_root, checkpoints, on_saved, interrupted, modules)
            try:
                return attempt.run(on_refused)
            finally:
                attempt.rest.as_built.put_back()
                del attempt
        finally:
            before.put_back()
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
        modules: Sequence[ModuleType],
    ):
        """
        Args:
            modules: of the user's, that its code is in.
        """
        self.trial, self.interrupted = trial, interrupted
        self.saving = Saving(checkpoints, on_saved, trial.resources.checkpoint_seconds)
        self.splits: Splits = open_dataset(trial.dataset, trial.fingerprint, data_root).to(self.device)
        shape, classes = shape_and_classes(trial.dataset)
        self.network = to_device(architectures.build(trial.model, shape, classes, seed=trial.seed), self.device)
        self.rest = Rest(self.network, modules=modules)
        self._refuse_untrainable(classes)
        few = self.splits.normalise(self.splits.train_x[torch.arange(2)])
        self.counted = blocks_of_depth(trial, self.network, few, shape, classes)
        """Names of its blocks, where the structure alone does not tell them."""
        self.initial = initial_weights(self.network)
        """For the distance from initialisation. A resumed trial builds its network anew first, so has it too."""
        self.optimizer = make_optimizer(self.network, trial.recipe)
        self.progress = TrainingProgress()
        self.found = Findings()
        self.final = Evaluation({})
        """On the training split, after the last epoch."""
        self.clock = Clock()

    @property
    def device(self) -> torch.device:
        return torch.device(self.trial.resources.device)

    def _refuse_untrainable(self, classes: int) -> None:
        """Before the first step, and not by what it would record."""
        trial, who = self.trial, self.trial.model.architecture
        if ":" in who:
            two_samples = self.splits.normalise(self.splits.train_x[torch.arange(2)])
            check_scores(self.network, two_samples, classes, who, labels_are(trial.dataset))
        if trial.recipe.epochs:
            check_trainable(self.network, who)
            if trial.recipe.smallest_piece(len(self.splits.train_y)) == 1:
                one = self.splits.normalise(self.splits.train_x[torch.arange(1)])
                with as_found(self.network), torch.no_grad(), batch_statistics_checked(self.network, trial):
                    self.network.train()(one)

    def run(self, on_refused: Callable[[str], None]) -> TrialRecord:
        recipe = self.trial.recipe
        if not self._resume(on_refused):
            self._record(0, {}, None, final=recipe.epochs == 0)
        with forward_of(self.trial, self.network, self.splits, self.found.compiling) as forward:
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
                weights_of=learned_weights,
                workers=self.trial.resources.threads,
                forward=forward or self._passes,
            )
        self.clock.trained()
        outcome = self._outcome() if finite else "diverged"
        last = self.found.last if outcome != "diverged" else None
        return TrialRecord(
            trial_id=self.trial.trial_id,
            outcome=outcome,
            epochs=tuple(self.found.records),
            layers=self.found.table(),
            spectra=self.found.spectra,
            profiles=last.profiles if last else {},
            profile_layers=last.profile_layers if last else {},
            histograms=self.found.histograms,
            weights=self._weights() if self.trial.save_weights else None,
            train_seconds=self.clock.train_seconds,
            probe_seconds=self.clock.probe_seconds,
            environment=environment(self.device) | self.found.told() | own_metrics(self.trial.probe.metrics),
            compiling=self.found.compiling,
        )

    def _after_epoch(self, end: EpochEnd) -> None:
        if ":" in self.trial.model.architecture:
            who = self.trial.model.architecture
            check_trained(self.network, self.optimizer, who, from_the_start=self.rest.trained)
        final = end.epoch == self.trial.recipe.epochs
        self._record(end.epoch, {"learning_rate": end.learning_rate}, end.weight_updates, final=final)
        if not final and self.saving.is_due:
            self._save(TrainingProgress(end.epoch + 1, 0, self.progress.warm))

    def _between_steps(self) -> None:
        if self.interrupted:
            try:
                self.interrupted()
            except BaseException:
                self._save(self.progress)
                raise
        if self.saving.is_due:
            self._save(self.progress)

    def _record(
        self, epoch: int, metrics: dict[str, float], updates: dict[str, torch.Tensor] | None, *, final: bool
    ) -> None:
        """Evaluate, probe, and note what was found."""
        metrics = dict(metrics)
        judged = self._evaluate(epoch, whole=final)
        for part, evaluation in judged.items():
            metrics |= {f"{part}.{key}": value for key, value in evaluation.values.items()}
        if self._is_trained(judged["train"]):
            metrics |= gaps(judged["train"], judged["test"], self.trial.probe.metrics)
        if final and epoch > 0:
            metrics |= chance(self.splits, self.trial.recipe) | self._on_part(epoch)
        self.clock.trained()
        if self._probes(epoch):
            inputs, labels = self.splits.probe_batch(self.trial.probe.samples)
            measured = measure(
                self.network,
                inputs,
                labels,
                self.trial.probe,
                epoch=epoch,
                weight_updates=updates,
                loss=probing_loss(self.trial.recipe, labels),
                counted=self.counted,
                trained_together=self.trial.recipe.trained_together,
            )
            self.found.add(measured)
            metrics |= measured.metrics
            if final:
                measures = self._generalization(inputs, labels, trained=epoch > 0)
                metrics |= measures.values
                self.found.absent = measures.reasons
        self.clock.probed()
        finite = {key: float(value) for key, value in metrics.items() if math.isfinite(value)}
        self.found.records.append(EpochRecord(epoch, time.time_ns() // 1_000_000, finite))
        self.final = judged["train"]

    @cached_property
    def _passes(self) -> Passes | None:
        return written_out(self.network, self.trial.recipe)

    def _evaluate(self, epoch: int, *, whole: bool) -> dict[str, Evaluation]:
        # Before the first step normalizations are not in evaluation mode. A metric of the user's own may leave hooks.
        written = self._passes if epoch and not is_watched(self.network) else None
        forward = written.evaluated if written else self.network
        with nullcontext() if written else evaluation_mode(self.network, batch_statistics=epoch == 0):
            return {
                part: evaluate(
                    forward,
                    self.splits,
                    part,
                    whole=whole,
                    objective=judging_loss(self.trial.recipe),
                    autocast=autocast(self.trial.recipe, self.device),
                    tick=self.interrupted,
                    workers=self.trial.resources.threads,
                    names=self.trial.probe.metrics,
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

    def _generalization(self, inputs: torch.Tensor, labels: torch.Tensor, *, trained: bool) -> NetworkMeasures:
        return generalization_measures(
            self.network,
            inputs,
            labels,
            initial=self.initial,
            spec=self.trial.probe,
            loss=judging_loss(self.trial.recipe),
            seed=self.trial.seed,
            counted=self.counted,
            trained=trained,
        )

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

    def _save(self, progress: TrainingProgress) -> None:
        if not self.saving.is_wanted:
            return
        self.clock.trained()
        tensors, values = self.found.state()
        values |= {
            "epoch": progress.epoch,
            "step": progress.step,
            "warm": progress.warm,
            "train_seconds": self.clock.train_seconds,
            "probe_seconds": self.clock.probe_seconds,
            "random": random_state(),
        }
        tensors |= network_tensors(self.network, self.optimizer) | self.rest.tensors()
        tensors |= {"loss": progress.loss, "correct": progress.correct, "rng": torch.get_rng_state()}
        if self.device.type == "cuda":
            tensors["rng_cuda"] = torch.cuda.get_rng_state(self.device)
        self.saving.save(pack(self.trial.trial_id, tensors, values))
        self.clock.pass_over()
        self.saving.send(self.found.records)

    def _resume(self, on_refused: Callable[[str], None]) -> bool:
        blob = self.saving.load()
        if blob is None:
            return False
        try:
            tensors, values = unpack(self.trial.trial_id, blob)
            rest = self.rest.read(tensors)
            restore_network(self.network, self.optimizer, tensors)
            self.rest.put(rest)
        except CheckpointRefused as refused:
            logger.warning("%s starts over: %s", self.trial.label, refused)
            on_refused(str(refused))
            return False
        self.progress = TrainingProgress(
            values["epoch"], values["step"], values["warm"], tensors["loss"], tensors["correct"]
        )
        self.found = findings_of(tensors, values)
        self.clock.train_seconds, self.clock.probe_seconds = values["train_seconds"], values["probe_seconds"]
        torch.set_rng_state(tensors["rng"])
        if "random" in values:  # a state from before it has none
            set_random_state(values["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["rng_cuda"], self.device)
        self.saving.send(self.found.records)
        return True

    def _weights(self) -> bytes:
        """Whose they are, and what the network has beside them; one text, since several have no order."""
        header = f"{self.trial.trial_id} {self.rest.text()}".strip()
        return save_tensors(apart(saved_tensors(self.network)), {"skipray": header})
