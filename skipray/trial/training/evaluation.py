"""Loss and accuracy of a network on a split, without changing the network."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache

import torch

from skipray.datasets import Images, Splits, batches, fixed_order, subset_size
from skipray.metrics import Absent, Entry, GapMetric, SplitMetric, entries
from skipray.metrics.computing.judged import Judged
from skipray.metrics.computing.own import of_batch, of_splits
from skipray.trial.training.losses import Objective, counted, mean_cross_entropy

INPUTS_PER_BATCH = 2**20
"""Numbers in an evaluation batch's input, about: 4096 digits, 341 images of CIFAR; large batches spare launches."""


@dataclass(frozen=True)
class Evaluation:
    values: Mapping[str, float]
    """Metric key -> mean over the labels: `loss` (cross-entropy in nats where the recipe has no other), `accuracy`."""

    @property
    def loss(self) -> float:
        """Not finite where the network overflows."""
        return self.values.get("loss", math.nan)

    @property
    def accuracy(self) -> float:
        """NaN where there are no classes."""
        return self.values.get("accuracy", math.nan)


def evaluate(
    network: Callable[[torch.Tensor], torch.Tensor],
    splits: Splits,
    part: str,
    *,
    whole: bool,
    objective: Objective = mean_cross_entropy,
    autocast: AbstractContextManager[object] | None = None,
    tick: Callable[[], None] | None = None,
    workers: int = 1,
    names: Sequence[str] = (),
) -> Evaluation:
    """Loss, accuracy and metrics of the user's own on `train`, `validation` or `test`.

    Args:
        network: gives the scores of normalised inputs; a module in its present mode.
        objective: mean loss of a batch.
        whole: all samples; else at most `subset_size` of them, the same in every trial.
        tick: called before each batch; may raise.
        workers: processes that decode images which are read while they are used.
        names: of metrics, as in `probe: {metrics: [...]}`; those of a split are measured besides skipray's own.
    """
    images: Images = getattr(splits, f"{part}_x")
    labels: torch.Tensor = getattr(splits, f"{part}_y")
    index = torch.arange(len(labels)) if whole else _part(len(labels), subset_size(len(splits.train_y)))
    index = index.to(labels.device)
    size = max(64, INPUTS_PER_BATCH // images[index[:1]].numel())
    metrics = _split_metrics(names, has_classes=not labels.is_floating_point())
    sums: dict[str, torch.Tensor] = {}
    absent: set[str] = set()
    count = 0
    with torch.no_grad():
        for x, y in batches(images, labels, index.tensor_split(-(-len(index) // size)), workers=workers):
            if tick:
                tick()
            with autocast or nullcontext():
                scores = network(splits.normalise(x))
            labelled = counted(y)
            count += labelled
            if not labelled:
                continue
            plain = objective is mean_cross_entropy and y.ndim == 1
            _add(Judged(scores, y, labelled, None if plain else objective), metrics, sums, absent)
    return Evaluation({key: total.item() / count for key, total in sums.items() if key not in absent})


def judge(scores: torch.Tensor, labels: torch.Tensor, objective: Objective, names: Sequence[str] = ()) -> Evaluation:
    """What `evaluate` says of one batch.

    Args:
        names: as in `evaluate`.
    """
    sums: dict[str, torch.Tensor] = {}
    absent: set[str] = set()
    batch = Judged(scores, labels, counted(labels), objective)
    _add(batch, _split_metrics(names, has_classes=not labels.is_floating_point()), sums, absent)
    return Evaluation({key: total.item() / batch.count for key, total in sums.items() if key not in absent})


def _add(batch: Judged, metrics: Sequence[Entry], sums: dict[str, torch.Tensor], absent: set[str]) -> None:
    """Add what each metric is of a batch to its sum."""
    for entry in metrics:
        key = entry.metric.key
        try:
            found = of_batch(entry, batch)
        except Absent:
            absent.add(key)
            continue
        # Counts are summed as whole numbers, means in float64.
        wide = found.double() if found.is_floating_point() else found
        sums[key] = sums[key] + wide if key in sums else wide


@lru_cache(maxsize=8)
def _part(samples: int, wanted: int) -> torch.Tensor:
    """Which samples are judged, in rising order; every epoch of every trial of a process asks for the same few."""
    return torch.from_numpy(fixed_order("evaluation", samples)[:wanted]).sort().values


def _split_metrics(names: Sequence[str], *, has_classes: bool) -> list[Entry]:
    return [
        entry
        for entry in entries(names)
        if isinstance(entry.metric, SplitMetric) and (has_classes or not entry.metric.needs_classes)
    ]


def gaps(train: Evaluation, test: Evaluation, names: Sequence[str] = ()) -> dict[str, float]:
    """The differences between the splits, under their MLflow keys.

    Args:
        names: as in `evaluate`.
    """
    found = {}
    for entry in entries(names):
        metric = entry.metric
        if isinstance(metric, GapMetric) and metric.of in train.values and metric.of in test.values:
            with suppress(Absent):
                found[metric.key] = of_splits(entry, train.values[metric.of], test.values[metric.of])
    return found
