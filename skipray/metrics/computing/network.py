"""A trained network with its probe batch, and what several metrics compute of it, each once."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from skipray.metrics import Absent
from skipray.metrics.computing.classes import Classes
from skipray.metrics.computing.deletion import Deletion, block_deletion
from skipray.metrics.computing.grams import centred_gram
from skipray.metrics.computing.hessian import Curvature, curvature
from skipray.metrics.computing.jacobian import jacobian_singular_values
from skipray.metrics.computing.linear_end import maker_of
from skipray.metrics.computing.outputs import tensors_at
from skipray.metrics.computing.same_draws import same_draws
from skipray.metrics.computing.spectral_norms import log_spectral_product, spectral_norms
from skipray.metrics.computing.uses import uses


@dataclass(frozen=True)
class TrainedNetwork:
    """What a network metric reads. The module is in evaluation mode, and is left as it was found."""

    module: nn.Module
    inputs: Tensor
    """(samples, ...), the fixed probe batch."""
    labels: Tensor
    """(samples,)"""
    scores: Tensor
    """The module's output, (samples, classes), finite."""
    weights: Sequence[Tensor]
    """Of the weight layers in order, as they act."""
    initial: Sequence[Tensor] | None
    """The same before training, where they are known."""
    hidden_layers: Sequence[Any] | None
    """Of a network that says where its hidden representations are."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """Of scores and labels, the mean over the samples."""
    seed: int
    """Of whatever a metric draws."""
    representations: Sequence[nn.Module] = ()
    """Modules whose outputs are the hidden representations, in order."""
    places: Mapping[nn.Module, Container[str]] = field(default_factory=dict)
    """Module -> where these are in what it gives out, where that holds others too."""
    weight_names: Sequence[str] = ()
    """Of the weights, as the module has them; where they are not known, each is taken to act once."""

    @cached_property
    def spectral_norms(self) -> list[float]:
        """Of each weight."""
        return spectral_norms(self.weights)

    @cached_property
    def uses(self) -> list[int]:
        """How often each weight acts in one pass."""
        if not self.weight_names:
            return [1] * len(self.weights)

        def run(handles: list[RemovableHandle]) -> None:
            with torch.no_grad():
                self._passed(handles, self.inputs[:2])

        return uses(self.module, self.weight_names, run)

    @cached_property
    def log_spectral_product(self) -> float:
        """Natural logarithm of the product of the spectral norms, each as often as its weight acts; -inf where a weight
        is zero."""
        return log_spectral_product(self.weights, norms=self.spectral_norms, uses=self.uses)

    @cached_property
    def deletions(self) -> list[Deletion]:
        """Each block that can be deleted.

        Raises:
            Absent: there is none.
        """
        if self.hidden_layers is None:
            raise Absent("the network does not say which its blocks are")
        found = block_deletion(self.module, self.inputs, self.labels, self.hidden_layers, seed=self.seed)
        if not found:
            raise Absent("no block can be deleted")
        return found

    @cached_property
    def centred_grams(self) -> list[Tensor]:
        """Of each hidden representation, (samples, samples): inner products of the samples, features' means removed."""
        return self._of_representations(centred_gram)

    @cached_property
    def hidden_values(self) -> list[Tensor]:
        """Each hidden representation of the probe batch, (samples, ...), float64."""
        return self._of_representations(lambda output: output.detach().double())

    def _of_representations(self, made: Callable[[Tensor], Tensor]) -> list[Tensor]:
        found: list[Tensor] = []

        def keep(module: nn.Module, arguments: object, output: object) -> None:
            tensors = [tensor for _, tensor in tensors_at(output, self.places.get(module))]
            found.extend(made(tensor) for tensor in tensors if tensor.shape[:1] == self.inputs.shape[:1])

        self.watched([module.register_forward_hook(keep) for module in self.representations])
        return found

    @property
    def classifier(self) -> nn.Linear | None:
        """The linear layer that makes the scores, where one does."""
        return self._classifier[0] if self._classifier else None

    @cached_property
    def _classifier(self) -> tuple[nn.Linear, int] | None:
        """The linear layer that makes the scores, and in which of its calls, 0 the first; found in the graph of a pass
        of two samples."""
        calls: list[tuple[Any, nn.Linear]] = []

        def keep(module: nn.Module, given: object, output: Tensor) -> None:
            assert isinstance(module, nn.Linear)
            calls.append((output.grad_fn, module))

        x = self.inputs[:2].clone()
        x.requires_grad_(x.is_floating_point())
        linear = [module for module in self.module.modules() if isinstance(module, nn.Linear)]
        with torch.enable_grad():
            scores = self._passed([module.register_forward_hook(keep) for module in linear], x)
        which = maker_of(scores, [function for function, _ in calls])
        if which is None or calls[which][1].out_features != self.scores.shape[-1]:
            return None
        layer = calls[which][1]
        return layer, sum(module is layer for _, module in calls[:which])

    @cached_property
    def classes(self) -> Classes:
        """The features before the classifier, by class.

        Raises:
            Absent: no linear layer makes the scores, it has more than one row of features a sample, or fewer than two
                classes have two samples.
        """
        if self._classifier is None:
            raise Absent("no linear layer makes the scores")
        layer, call = self._classifier
        seen: list[Tensor] = []

        def keep(module: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
            seen.append(given[0] if given else named["input"])

        self.watched([layer.register_forward_pre_hook(keep, with_kwargs=True)])
        features = seen[call].detach().double()
        if features.ndim != 2:
            raise Absent("the layer that makes the scores has several rows of features a sample")
        bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach()
        found = Classes(features, self.labels, layer.weight.detach().double(), bias.double().to(features.device))
        if len(found.present) < 2:
            raise Absent("fewer than two classes have two samples each")
        return found

    def watched(self, handles: list[RemovableHandle]) -> Tensor:
        """The scores of one pass of the probe batch with hooks, which are then removed; of what the network draws, the
        same in every pass."""
        with torch.no_grad():
            return self._passed(handles, self.inputs)

    def _passed(self, handles: list[RemovableHandle], inputs: Tensor) -> Tensor:
        try:
            with same_draws(self.inputs.device, self.seed):
                scores: Tensor = self.module(inputs)
                return scores
        finally:
            for handle in handles:
                handle.remove()

    @cached_property
    def curvature(self) -> Curvature:
        return curvature(self.module, self.inputs, self.labels, seed=self.seed)

    @cached_property
    def jacobian(self) -> np.ndarray:
        """(samples, min(classes, features)) singular values of d scores / d input."""
        return jacobian_singular_values(self.module, self.inputs)
