"""Inner products of samples."""

from torch import Tensor


def centred_gram(representation: Tensor) -> Tensor:
    """Inner products of the samples, (samples, samples) float64, each feature's mean removed."""
    x = representation.detach().flatten(1).double()
    x = x - x.mean(0)
    return x @ x.mT
