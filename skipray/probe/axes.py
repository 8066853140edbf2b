"""Whether three axes are a sample's tokens and their features, or its channels and their positions."""

from dataclasses import dataclass

from torch import Tensor, nn

OF_CHANNELS = (nn.Conv1d, nn.ConvTranspose1d)
SIZES = ("in_features", "out_features", "embed_dim", "embedding_dim", "hidden_size", "input_size")
"""Attributes of torch's layers in which they have the size of the last axis of what they take or give out."""


@dataclass(frozen=True)
class Axes:
    """What a network's layers say of the axes between them."""

    channels: frozenset[int]
    """So many channels its 1-d convolutions take or give out."""
    features: frozenset[int]
    """So many features on the last axis its other layers take or give out."""

    def channels_first(self, tensor: Tensor) -> bool:
        """Whether a tensor of three axes is (samples, channels, positions): as many channels as a 1-d convolution has,
        and a last axis that no layer of features has. Any other is (samples, tokens, features)."""
        return tensor.ndim == 3 and tensor.shape[1] in self.channels and tensor.shape[2] not in self.features


def axes_of(network: nn.Module) -> Axes:
    channels: set[int] = set()
    features: set[int] = set()
    for module in network.modules():
        if isinstance(module, OF_CHANNELS):
            channels |= {module.in_channels, module.out_channels}
            continue
        features |= {size for size in (getattr(module, name, None) for name in SIZES) if isinstance(size, int)}
        shape = getattr(module, "normalized_shape", ())
        features |= {shape[-1]} if isinstance(shape, tuple) and shape else set()
    return Axes(frozenset(channels), frozenset(features))
