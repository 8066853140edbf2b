"""What a metric's file declares of itself: plain values, which are read without torch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from skipray.metrics._words import check_words

REPRESENTATIONS = ("hidden", "branch", "skip")
GRADIENTS = ("weight_update", "weight_gradient", "output_gradient")
TENSORS = (*REPRESENTATIONS, "weight", *GRADIENTS)
"""Kinds of tensors that a layer has, as they stand in layers.parquet. Besides, `attention`, (samples, heads, tokens,
tokens), is read by metrics that name it alone: it has no spectra."""

Asked = Literal["always", "full", "hessian", "jacobian", "by name"]
"""What has a metric measured besides its name in `probe: {metrics: [...]}`: nothing need be asked, the preset `full`,
`probe.hessian`, `probe.jacobian`, or nothing else does."""


LayerAggregate = Literal["last", "max", "median", "min", "last_block"]
AGGREGATES = get_args(LayerAggregate)
SPLITS = ("train", "test", "validation")


class Absent(ValueError):
    """Raised by a metric's `measure` where there is no value; the words say why, and stand beside the gap."""


@dataclass(frozen=True)
class Tracked:
    """One number of a run: its MLflow key, which is also its column and its name in figures, and what is made of it."""

    key: str
    metric: "Metric"
    axis: str
    """What an axis says: `log₁₀ κ, median layer`."""
    part: str
    """What sets it apart from the metric's other numbers: an aggregate over layers, a split, a quantile."""
    trend: bool = False
    """Whether a depth trend is fitted to it."""
    by_epoch: bool = False
    """Whether it is drawn by epoch."""
    listed: bool = False
    """Whether MLflow's saved view shows it."""
    needs_training: bool = False
    """Whether it says nothing of a network at initialisation."""

    @property
    def low(self) -> float | None:
        """No value lies below; None where there is no such bound."""
        return self.metric.low

    @property
    def high(self) -> float | None:
        """No value lies above."""
        return self.metric.high


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What all metrics declare. The file's name is the key with underscores for dots."""

    key: str
    definition: str
    """In one line, as the documentation's table and a figure's caption show it."""
    source: str
    axis: str
    """What an axis says, without the aggregate."""
    unit: str = ""
    """Empty: a pure number."""
    low: float | None = None
    """Natural bounds: no trend, band or interval leaves them."""
    high: float | None = None
    better: Literal["lower", "higher"] | None = None
    """None where neither side is."""
    version: int = 1
    """Of the definition: another one, another number."""
    asked: Asked = "always"
    scale: Literal["linear", "log"] = "linear"
    """How its axis is spread."""
    figure: str | None = ""
    """Which figure by depth shows its trends; empty: one of its own, None: none."""
    MEASURES: ClassVar[tuple[str, ...]] = ()
    """What `measure` is called with."""

    def __post_init__(self) -> None:
        check_words(self, {})

    def tracked(self) -> Iterator[Tracked]:
        """Its numbers of a run."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Headline:
    """Which of a layer metric's values become numbers of the run, aggregated over the layers.

    They are of the headline phase and unfolding (`headline_rows`). Few: a tracking server draws
    a chart for each, and layers.parquet has all.
    """

    tensor: str
    centred: bool = False
    aggregates: tuple[LayerAggregate, ...]
    """Of all layers' values; last_block: the largest of the last hidden layer's, where a layer has several weights or
    the classifier comes behind."""
    trends: tuple[str, ...] = ()
    """Aggregates with a depth trend, in the order of a figure's panels."""
    listed: tuple[str, ...] = ()
    """Aggregates that MLflow's saved view shows."""

    def __post_init__(self) -> None:
        tracked = dict.fromkeys((*self.aggregates, *self.trends))
        check_words(self, {"tensor": (*TENSORS, "attention"), "trends": AGGREGATES, "listed": tuple(tracked)})


@dataclass(frozen=True, kw_only=True)
class LayerMetric(Metric):
    """A number of each tensor of each layer.

    `measure` takes, as `reads` says, a `computing.spectra.Spectra` of many tensors and returns an array with a value
    for each (NaN where there is none), or such an array and one that says where it is a bound (1: the truth is above,
    -1: below); or the `computing.entries.Entries` of one tensor, and returns a number.

    Spectra lie side by side, padded with zeros to the longest: `values.shape[1]` is no spectrum's own length (that is
    `lengths`), and the value of a spectrum must be the same whatever lies beside it. Of one that is all zero there is
    nothing to measure (`Spectra.present` makes it NaN), unless `values_needed` is 0.
    """

    reads: Literal["spectrum", "entries"]
    tensors: tuple[str, ...] = TENSORS
    unfoldings: tuple[str, ...] | None = None
    """Of a spectrum, which unfoldings are measured; None: all of them."""
    centrings: tuple[bool, ...] = (False, True)
    """Of a spectrum: raw, centred, or both."""
    axes: int | None = None
    """Of entries: how many axes a tensor must have to have it at all; None: any."""
    of_samples: bool = False
    """Of entries: whether it compares samples, so that one axis has to be known as theirs."""
    finite_only: bool = True
    """Whether a tensor with NaN or infinite entries has no value."""
    values_needed: int = 1
    """How many values above the precision floor a spectrum must have to have a value: 0 where an all-zero one has."""
    absent: str = "all-zero matrix"
    """Why a spectrum's value is NaN: in words, what `values_needed` says in numbers."""
    headlines: tuple[Headline, ...] = ()
    MEASURES: ClassVar[tuple[str, ...]] = ("spectra or entries",)

    def __post_init__(self) -> None:
        check_words(self, {"tensors": (*TENSORS, "attention")})

    def name_of(self, headline: Headline) -> str:
        """`hidden.log10_condition`, `hidden.centred.log10_condition`: the key without the aggregate."""
        return f"{headline.tensor}.{'centred.' if headline.centred else ''}{self.key}"

    def tracked(self) -> Iterator[Tracked]:
        for headline in self.headlines:
            ordered = dict.fromkeys((*headline.trends, *headline.aggregates))
            for aggregate in ordered:
                yield Tracked(
                    f"{self.name_of(headline)}.{aggregate}",
                    self,
                    f"{self.axis}, {'centred, ' if headline.centred else ''}{_layer_words(headline.tensor, aggregate)}",
                    aggregate,
                    trend=aggregate in headline.trends,
                    listed=aggregate in headline.listed,
                )


@dataclass(frozen=True, kw_only=True)
class NetworkMetric(Metric):
    """A number of the network, or a few, measured on the probe batch at the end of training.

    `measure` takes a `computing.network.TrainedNetwork` and returns the number, or part -> number.
    """

    parts: tuple[str, ...] = ("",)
    """Where there are several numbers: what the key ends in for each; empty: the key itself."""
    trends: tuple[str, ...] = ()
    """Which parts have a depth trend."""
    needs_classes: bool = True
    """Whether each sample has to have one class."""
    at_initialisation: bool = False
    """Whether it says something of a network before training, and is measured where a trial has 0 epochs."""
    MEASURES: ClassVar[tuple[str, ...]] = ("network",)

    def __post_init__(self) -> None:
        check_words(self, {"trends": self.parts})

    def tracked(self) -> Iterator[Tracked]:
        for part in self.parts:
            words = f"{self.axis}, {part.replace('_', ' ')}" if part else self.axis
            yield Tracked(
                self.key_of(part),
                self,
                words,
                part,
                trend=part in self.trends,
                needs_training=not self.at_initialisation,
            )

    def key_of(self, part: str) -> str:
        """The MLflow key of a part."""
        return f"{self.key}.{part}" if part else self.key


@dataclass(frozen=True, kw_only=True)
class SplitMetric(Metric):
    """A mean over the labels of each split, at every epoch.

    `measure` takes a `computing.judged.Judged` batch, and returns a sum over its labels, a tensor without axes.
    """

    trends: tuple[str, ...] = ()
    """Splits whose values have a depth trend."""
    by_epoch: tuple[str, ...] = ()
    """Splits that are drawn by epoch."""
    listed: tuple[str, ...] = ()
    needs_classes: bool = True
    """Whether the labels have to be classes, of samples or of positions."""
    MEASURES: ClassVar[tuple[str, ...]] = ("batch",)

    def __post_init__(self) -> None:
        check_words(self, {"trends": SPLITS, "by_epoch": SPLITS, "listed": SPLITS})

    def tracked(self) -> Iterator[Tracked]:
        for split in SPLITS:
            yield Tracked(
                f"{split}.{self.key}",
                self,
                f"{split} {self.axis}",
                split,
                trend=split in self.trends,
                by_epoch=split in self.by_epoch,
                listed=split in self.listed,
                needs_training=True,
            )


@dataclass(frozen=True, kw_only=True)
class GapMetric(Metric):
    """A difference between splits, at every epoch at which the network has learned anything.

    `measure` takes the values of the training and of the test split of the metric `of`.
    """

    of: str
    trend: bool = False
    MEASURES: ClassVar[tuple[str, ...]] = ("train", "test")

    def tracked(self) -> Iterator[Tracked]:
        yield Tracked(self.key, self, self.axis, "", trend=self.trend, needs_training=True)


_WORDS = {"hidden": "hidden layer", "weight": "weight", "attention": "block"}


def _layer_words(tensor: str, aggregate: str) -> str:
    words = _WORDS.get(tensor, tensor.replace("_", " "))
    if aggregate == "last_block":
        return f"largest {words} of the last block"
    if tensor == "hidden" and aggregate != "last":
        words = "layer"
    return {"max": "largest of all ", "min": "smallest of all "}.get(aggregate, f"{aggregate} ") + (
        f"{words}s" if aggregate in ("max", "min") else words
    )
