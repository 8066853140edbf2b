"""One pass through a network, each tensor reduced as it appears."""

import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from skipray.metrics import Entry, LayerMetric
from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.graph_leaves import graph_leaves
from skipray.metrics.computing.linear_end import linear_end
from skipray.metrics.computing.outputs import tensors_at, tensors_in
from skipray.probe.axes import Axes, axes_of
from skipray.probe.batch import Batch, given_loss, score_loss
from skipray.probe.histogram import histogram
from skipray.probe.layers import REAL, Layers, Tap
from skipray.probe.reduction import (
    Reduced,
    TensorPlace,
    absent_tensor,
    is_small,
    reduce_entries,
    reduce_matrices,
    reduce_tensor,
)
from skipray.probe.weights import WeightParameter, weight_layers


@dataclass(frozen=True)
class Wanted:
    """What to measure besides hidden representations."""

    metrics: tuple[Entry, ...]
    """Layer metrics; those of the entries are measured in the pass."""
    gradients: bool
    """With respect to weights and to layer outputs."""
    branches: bool
    """Branches before the addition, and skips."""
    centre_all: bool
    """Everything centred too, not only hidden representations."""
    weights: bool = True
    norms_only: bool = False
    """Of all tensors only how large the gradients at the layers' outputs are."""
    histograms: bool = False
    """Of hidden representations and weights at the first and the last layer, as in the paper."""

    @property
    def attention(self) -> bool:
        """Whether a metric reads how much tokens look at each other."""
        return any("attention" in e.metric.tensors for e in self.metrics if isinstance(e.metric, LayerMetric))


def capture(
    network: nn.Module,
    batch: Batch,
    layers: Layers,
    wanted: Wanted,
    *,
    phase: str,
    weight_updates: Mapping[str, Tensor] | None = None,
    no_updates: str = "",
    loss: Callable[[Any, Any], Tensor] | None = None,
) -> list[Reduced]:
    """Reduced tensors: hidden ones in the order of the pass, weights, updates, gradients.

    Args:
        batch: with labels where gradients are wanted.
        layers: the hidden representations to look at.
        phase: `train` or `eval`, what the mode is called that the network is in.
        no_updates: why there are no weight updates, where they are to be named as absent.
        loss: of the output and the labels; the mean cross-entropy of class scores when left out.
    """
    hooks: list[Any] = []
    pass_ = _Pass(wanted, phase, batch.samples, axes_of(network), ends_before_scores=not layers.whole)
    weights = weight_layers(network, layers) if wanted.weights else []
    # Inside, a parametrised weight is one tensor, whose gradient can be asked for.
    with as_found(network), torch.inference_mode(False), parametrize.cached():
        try:
            taps = layers.taps(branches=wanted.branches, attention=wanted.attention)
            pass_.last = layers.tensors - 1
            for tap in taps:
                hooks.append(tap.module.register_forward_hook(pass_.hook(tap)))
            with torch.set_grad_enabled(wanted.gradients):
                leaves: list[Tensor] = []
                output = batch.passed(network, leaves=leaves if wanted.gradients else None)
                pass_.weights(weights, {layer.name: layer.weight() for layer in weights}, "weight")
                pass_.weights(weights, _by_outputs(weights, weight_updates or {}), "weight_update")
                if no_updates:
                    pass_.no_weights(weights, "weight_update", no_updates)
                if wanted.gradients:
                    trained = [w for w in weights if w.learned.requires_grad]
                    learned = [p for p in network.parameters() if p.requires_grad]
                    pass_.backward(output, batch.labels, trained, loss, lambda value: _reached(value, leaves, learned))
        finally:
            for hook in hooks:
                hook.remove()
    return pass_.reduced


def _reached(value: Tensor, inputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> Sequence[Tensor]:
    """The inputs, so that the pass goes all the way where no weight is trained; where it reaches none of them, as
    behind an embedding of tokens, the parameters."""
    wanted = set(map(id, inputs))
    return inputs if wanted and any(id(leaf) in wanted for leaf in graph_leaves(value)) else parameters


@dataclass
class _Scores:
    """What a backward pass knows of the class scores."""

    classes: int | None = None
    narrow: list[TensorPlace] = field(default_factory=list)
    """The logits, and what reaches them linearly: the rank of their gradients is at most classes - 1."""
    classifier: Tensor | None = None
    """The weight that makes the logits, where one does."""


class _Pass:
    """What one forward (and backward) pass has found so far."""

    def __init__(self, wanted: Wanted, phase: str, samples: int, axes: Axes, *, ends_before_scores: bool) -> None:
        self.wanted, self.phase, self.samples, self.axes = wanted, phase, samples, axes
        self.ends_before_scores = ends_before_scores
        """Whether the scores are no hidden layer: their gradient is then that of a layer behind the last one."""
        self.reduced: list[Reduced] = []
        self.calls: Counter[str] = Counter()
        self.order = 0
        self.last = -1
        """The index of the last hidden layer."""
        self.functions: list[tuple[Any, TensorPlace]] = []
        """Autograd's function of each hidden tensor."""
        self.scores = _Scores()
        self.real: Tensor | None = None
        """(samples, tokens) which tokens are no padding, where the network says it."""
        self.latest: tuple[weakref.ref[Tensor], TensorPlace] | None = None

    def hook(self, tap: Tap) -> Callable[..., None]:
        def see(module: nn.Module, arguments: Any, output: Any) -> None:
            if tap.tensor == REAL:
                self.real = output.detach()
                return
            for suffix, tensor in tensors_at(output, tap.places):
                self._see(tap, suffix, tensor)

        return see

    def _see(self, tap: Tap, suffix: str, tensor: Tensor) -> None:
        name = f"{tap.layer}/{tap.tensor}"
        call = self.calls[name + suffix] = self.calls[name + suffix] + 1
        layer = tap.layer + suffix + (f"#{call}" if call > 1 else "")
        if tap.layer_index is None:
            index = self.order
            self.order += 1
        else:
            index = tap.layer_index
        tensor, of_samples = _samples_first(tensor, self.samples)
        place = TensorPlace(layer, index, tap.tensor, self.phase, of_samples, self.axes.channels_first(tensor))
        if tap.tensor == "attention":
            self.reduced.append(reduce_entries(tensor, place, self.wanted.metrics, real=self.real))
            return
        if not self.wanted.norms_only:
            both = of_samples and (tap.tensor == "hidden" or self.wanted.centre_all)
            self.reduced.append(reduce_tensor(tensor, place, self.wanted.metrics, centred=both, real=self.real))
        if not self.wanted.norms_only and tap.tensor == "hidden" and index in (0, self.last):
            self._add_histogram(-1, tensor)
        if tap.tensor != "hidden" or not (self.wanted.gradients and tensor.requires_grad):
            return
        self.latest = weakref.ref(tensor), place
        self.functions.append((tensor.grad_fn, place))
        tensor.register_hook(lambda gradient: self._see_gradient(gradient, place))

    def _see_gradient(self, gradient: Tensor, place: TensorPlace) -> None:
        where = replace(place, tensor="output_gradient")
        if self.wanted.norms_only:
            self.reduced.append(reduce_entries(gradient, where, self.wanted.metrics))
            return
        cap = self.scores.classes - 1 if self.scores.classes is not None and place in self.scores.narrow else None
        metrics, both = self.wanted.metrics, self.wanted.centre_all and place.of_samples
        self.reduced.append(reduce_tensor(gradient, where, metrics, centred=both, rank_cap=cap))

    def _add_histogram(self, which: int, tensor: Tensor) -> None:
        """The distribution of a tensor's entries, to what was reduced of it."""
        reduced = self.reduced[which]
        if self.wanted.histograms and not reduced.absent.keys() & {"spectrum"}:
            self.reduced[which] = replace(reduced, histogram=histogram(tensor))

    def _see_logits(self, scores: Tensor) -> None:
        """Of the mean cross-entropy's scores, whose gradients have one rank less than there are classes."""
        self.scores.classes = scores.shape[1]
        chain, self.scores.classifier = linear_end(scores)
        self.scores.narrow += [place for function, place in self.functions if any(function is f for f in chain)]
        self.scores.narrow += self._see_scores(scores)

    def _see_scores(self, scores: Tensor) -> list[TensorPlace]:
        """Looks at the gradient of scores that are no hidden layer; where that is."""
        if self.latest is None or self.latest[0]() is scores or not self.ends_before_scores:
            return []
        place = TensorPlace("classifier", self.latest[1].layer_index + 1, "hidden", self.phase)
        scores.register_hook(lambda gradient: self._see_gradient(gradient, place))
        return [place]

    def backward(
        self,
        output: Any,
        labels: Any,
        weights: Sequence[WeightParameter],
        loss: Callable[[Any, Any], Tensor] | None,
        reached: Callable[[Tensor], Sequence[Tensor]],
    ) -> None:
        if loss is None:
            scores, value = score_loss(output, labels, tensors_in(output))
            self._see_logits(scores)
        else:
            # Of any loss the same layers are looked at: what compares losses must not compare other layers.
            if isinstance(output, Tensor) and output.requires_grad:
                self._see_scores(output)
            value = given_loss(loss, output, labels)
        targets = [*(layer.learned for layer in weights), *reached(value)]
        if not targets:
            return
        gradients = torch.autograd.grad(value, targets, allow_unused=True)
        found = {layer.name: g for layer, g in zip(weights, gradients, strict=False) if g is not None}
        self.weights(weights, _by_outputs(weights, found), "weight_gradient")

    def no_weights(self, layers: Sequence[WeightParameter], kind: str, reason: str) -> None:
        """Notes that there is no tensor of a kind, and why."""
        for layer in layers:
            place = TensorPlace(layer.layer, layer.layer_index, kind, self.phase)
            metrics, centred = self.wanted.metrics, self.wanted.centre_all
            like = layer.by_outputs(layer.learned)
            self.reduced.append(absent_tensor(like, place, metrics, centred=centred, reason=reason))

    def weights(self, layers: Sequence[WeightParameter], tensors: Mapping[str, Tensor], kind: str) -> None:
        """Reduces the tensors that belong to weight layers; small ones of equal shape together."""
        groups: dict[Any, list[WeightParameter]] = {}
        # The rows of a classifier's gradient sum to zero, as the columns of the logits' gradient do.
        classes = self.scores.classes or 0
        gradient = kind == "weight_gradient" and self.scores.classifier is not None
        last = next((layer for layer in layers if gradient and layer.learned is self.scores.classifier), None)
        for layer in layers:
            if layer.name in tensors:
                alone = layer is last or not is_small(tensors[layer.name], self.wanted.centre_all)
                groups.setdefault(layer.name if alone else tensors[layer.name].shape, []).append(layer)
        found: dict[str, Reduced] = {}
        metrics, centred = self.wanted.metrics, self.wanted.centre_all
        for key, members in groups.items():
            places = [TensorPlace(layer.layer, layer.layer_index, kind, self.phase) for layer in members]
            group = [tensors[layer.name] for layer in members]
            if isinstance(key, str):
                cap = classes - 1 if members[0] is last and group[0].shape[0] == classes else None
                results = [reduce_tensor(group[0], places[0], metrics, centred=centred, rank_cap=cap)]
            else:
                results = reduce_matrices(group, places, metrics, centred=centred)
            found |= {layer.name: r for layer, r in zip(members, results, strict=True)}
        start = len(self.reduced)
        measured = [layer for layer in layers if layer.name in found]
        self.reduced += [found[layer.name] for layer in measured]
        if kind == "weight" and measured:
            # The classifier, behind the last hidden layer, is no layer of the paper's figures.
            inner = [i for i, layer in enumerate(measured) if layer.layer_index <= self.last] or range(len(measured))
            for i in {inner[0], inner[-1]}:
                self._add_histogram(start + i, tensors[measured[i].name])


def _by_outputs(layers: Sequence[WeightParameter], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors by their weight's name, each with the outputs of its layer first."""
    return {layer.name: layer.by_outputs(tensors[layer.name]) for layer in layers if layer.name in tensors}


def _samples_first(tensor: Tensor, samples: int) -> tuple[Tensor, bool]:
    """The tensor with its axis of samples first, found by the batch's size, and whether there is one."""
    if len(tensor) == samples:
        return tensor, True
    axes = [axis for axis, size in enumerate(tensor.shape) if size == samples]
    return (tensor.movedim(axes[0], 0), True) if len(axes) == 1 else (tensor, False)
