"""A trained network with its probe batch, and what several metrics compute of it, each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor, nn

from skipray.metrics import Absent
from skipray.metrics.computing.deletion import Deletion, block_deletion
from skipray.metrics.computing.hessian import Curvature, curvature
from skipray.metrics.computing.jacobian import jacobian_singular_values
from skipray.metrics.computing.spectral_norms import log_spectral_product, spectral_norms


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

    @cached_property
    def spectral_norms(self) -> list[float]:
        """Of each weight."""
        return spectral_norms(self.weights)

    @cached_property
    def log_spectral_product(self) -> float:
        """Natural logarithm of the product of the spectral norms; -inf where a weight is zero."""
        return log_spectral_product(self.weights, norms=self.spectral_norms)

    @cached_property
    def deletions(self) -> list[Deletion]:
        """Each block that can be deleted.

        Raises:
            Absent: there is none.
        """
        if self.hidden_layers is None:
            raise Absent("the network does not say which its blocks are")
        found = block_deletion(self.module, self.inputs, self.labels, self.hidden_layers)
        if not found:
            raise Absent("no block can be deleted")
        return found

    @cached_property
    def curvature(self) -> Curvature:
        return curvature(self.module, self.inputs, self.labels, seed=self.seed)

    @cached_property
    def jacobian(self) -> np.ndarray:
        """(samples, min(classes, features)) singular values of d scores / d input."""
        return jacobian_singular_values(self.module, self.inputs)
