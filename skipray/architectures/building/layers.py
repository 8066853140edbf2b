"""Weight layers, normalization, scales and shortcuts as torch modules.

Axes: N samples, C channels, H height, W width; fully connected tensors are (N, C). Nothing here works in place. Blocks
overwrite what a normalization or a layer of theirs gives by its activation, where nothing else reads it; what a block,
its branch or its skip gives, which the probe looks at, is never overwritten.
"""

import torch
from torch import nn
from torch.nn import functional as F

from skipray.architectures.building.linear_maps import DiracConv2d, DiracLinear, GroupedLinear
from skipray.architectures.building.outline import Block, Outline, WeightLayer


def weight_layer(layer: WeightLayer) -> nn.Module:
    if layer.kernel:
        if layer.dirac:
            return DiracConv2d(layer)
        padding = layer.kernel // 2
        return nn.Conv2d(
            layer.inputs, layer.outputs, layer.kernel, layer.stride, padding, groups=layer.groups, bias=layer.bias
        )
    if layer.dirac:
        return DiracLinear(layer)
    if layer.groups > 1:
        return GroupedLinear(layer.inputs, layer.outputs, layer.groups, layer.bias)
    return nn.Linear(layer.inputs, layer.outputs, layer.bias)


def normalization(name: str, kind: str, channels: int) -> nn.Module | None:
    """batch: over the samples (and space). layer: over the channels (and space) of each sample, which for feature maps
    is a GroupNorm of one group (Wu & He 2018, section 3.1: layer normalization is its extreme case)."""
    if name == "none":
        return None
    if kind == "mlp":
        return LightBatchNorm1d(channels) if name == "batch" else nn.LayerNorm(channels)
    return LightBatchNorm2d(channels) if name == "batch" else nn.GroupNorm(1, channels)


def _light_batch_norm(module: nn.BatchNorm1d | nn.BatchNorm2d, x: torch.Tensor, momentum: float) -> torch.Tensor:
    return torch.batch_norm(
        x,
        module.weight,
        module.bias,
        module.running_mean,
        module.running_var,
        module.training,
        momentum,
        module.eps,
        torch.backends.cudnn.enabled,
    )


class LightBatchNorm1d(nn.BatchNorm1d):
    """nn.BatchNorm1d without its checks and its count of batches, which only `momentum=None` reads.

    They cost 8 microseconds a call, 5 % of a 110-layer network's step at width 64.
    """

    takes_one_value = True
    """One value a channel is no error in training."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.momentum is None or not self.track_running_stats:
            return super().forward(x)
        return _light_batch_norm(self, x, self.momentum)


class LightBatchNorm2d(nn.BatchNorm2d):
    """As LightBatchNorm1d."""

    takes_one_value = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.momentum is None or not self.track_running_stats:
            return super().forward(x)
        return _light_batch_norm(self, x, self.momentum)


class FixedScale(nn.Module):
    """A branch times a constant."""

    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


class LearnedScale(nn.Module):
    """A branch times a scalar that is learned from 0: SkipInit (De & Smith 2020), ReZero (Bachlechner et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.zeros(()))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.factor)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


class ChannelScale(nn.Module):
    """A branch times learned factors, one per channel, that start at one value: LayerScale (Touvron et al. 2021,
    section 2). The shape is what is multiplied with the branch: (C,), or (C, 1, 1) for feature maps."""

    def __init__(self, shape: tuple[int, ...], initial: float):
        super().__init__()
        self.initial = initial
        self.factors = nn.Parameter(torch.empty(shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.factors, self.initial)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factors


def branch_scale(outline: Outline, block: Block) -> nn.Module | None:
    """What a branch is multiplied by before the addition; None without a skip, and for the factor 1."""
    if block.skip == "none":
        return None
    if outline.layer_scale is not None:
        channels = block.outputs
        return ChannelScale((channels,) if outline.kind == "mlp" else (channels, 1, 1), outline.layer_scale)
    if outline.scale == "learned":
        return LearnedScale()
    return None if outline.scale == 1 else FixedScale(outline.scale)


def dropout(outline: Outline) -> nn.Module | None:
    return nn.Dropout(outline.dropout) if outline.dropout else None


class PadShortcut(nn.Module):
    """Shortcut option A of He et al. 2015, section 3.3: every stride-th pixel, zeros for the new channels."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.padding = (0, 0, 0, 0, 0, outputs - inputs)
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(x[:, :, :: self.stride, :: self.stride], self.padding)
