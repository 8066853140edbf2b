"""The classes in the last features: what neural collapse is measured by (Papyan, Han and Donoho 2020).

Axes: N samples, F features, C classes.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Classes:
    """Features before the classifier, with their labels."""

    features: Tensor
    """(N, F) float64."""
    labels: Tensor
    """(N,)"""
    weight: Tensor
    """(C, F) of the classifier, float64."""
    bias: Tensor
    """(C,)"""

    @cached_property
    def present(self) -> Tensor:
        """The classes that have at least two samples."""
        return (torch.bincount(self.labels, minlength=len(self.weight)) > 1).nonzero()[:, 0]

    @cached_property
    def means(self) -> Tensor:
        """(present classes, F)"""
        return torch.stack([self.features[self.labels == c].mean(0) for c in self.present.tolist()])

    @cached_property
    def centred_means(self) -> Tensor:
        """The means without their own mean."""
        return self.means - self.means.mean(0)

    @cached_property
    def deviations(self) -> Tensor:
        """(samples of present classes, F): features without their class's mean."""
        parts = [self.features[self.labels == c] - m for c, m in zip(self.present.tolist(), self.means, strict=True)]
        return torch.cat(parts)
