"""Linear maps that torch does not have: grouped fully connected layers, and Dirac-parametrised ones."""

import torch
from torch import nn
from torch.nn import functional as F

from skipray.architectures.building.outline import WeightLayer


def grouped_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, groups: int) -> torch.Tensor:
    """(N, inputs) to (N, outputs) with a weight of (outputs, inputs / groups), as convolutions store it."""
    if groups == 1:
        return F.linear(x, weight, bias)
    split = x.view(len(x), groups, -1).transpose(0, 1)
    out = torch.bmm(split, weight.view(groups, -1, weight.shape[1]).transpose(1, 2))
    flat = out.transpose(0, 1).reshape(len(x), -1)
    return flat if bias is None else flat + bias


class GroupedLinear(nn.Module):
    """The fully connected twin of a grouped convolution: `groups` independent maps side by side."""

    is_linear_map = True

    def __init__(self, inputs: int, outputs: int, groups: int, bias: bool):
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(outputs, inputs // groups))
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = self.weight.shape[1] ** -0.5  # as nn.Linear
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return grouped_linear(x, self.weight, self.bias, self.groups)


def add_dirac(module: nn.Module, weight: torch.Tensor, groups: int) -> None:
    """Give a layer the parametrisation `W = diag(a) I + W'`, with `W' = diag(b) V / |V|` by rows.

    Zagoruyko & Komodakis 2017 (DiracNets). I is the Dirac delta of the layer's shape: alone it hands the input on, as
    far as the shapes allow. The layer's `weight` is V; a starts at 1 and b at 0.1, as in their code.
    """
    module.identity_scale = nn.Parameter(torch.empty(len(weight)))
    module.weight_scale = nn.Parameter(torch.empty(len(weight)))
    reset_dirac(module)
    at_least_3d = weight.shape if weight.dim() > 2 else (*weight.shape, 1)
    delta = nn.init.dirac_(torch.empty(at_least_3d, device=weight.device), groups).reshape(weight.shape)
    module.register_buffer("delta", delta, persistent=False)


def reset_dirac(module: nn.Module) -> None:
    if isinstance(getattr(module, "identity_scale", None), nn.Parameter):  # not yet while the layer itself is built
        nn.init.ones_(module.identity_scale)  # type: ignore[arg-type]
        nn.init.constant_(module.weight_scale, 0.1)  # type: ignore[arg-type]


def dirac_weight(module: nn.Module, weight: torch.Tensor) -> torch.Tensor:
    """The map that a Dirac layer applies."""
    assert isinstance(module.identity_scale, torch.Tensor)
    assert isinstance(module.weight_scale, torch.Tensor)
    assert isinstance(module.delta, torch.Tensor)
    column = (-1, *[1] * (weight.dim() - 1))
    norm = torch.linalg.vector_norm(weight.flatten(1), dim=1)
    gain = module.weight_scale / norm.clamp_min(1e-12)
    return module.identity_scale.view(column) * module.delta + gain.view(column) * weight


class DiracConv2d(nn.Conv2d):
    def __init__(self, layer: WeightLayer):
        padding = layer.kernel // 2
        super().__init__(layer.inputs, layer.outputs, layer.kernel, layer.stride, padding, 1, layer.groups, layer.bias)
        add_dirac(self, self.weight, self.groups)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        reset_dirac(self)

    def effective_weight(self) -> torch.Tensor:
        return dirac_weight(self, self.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.effective_weight()
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class DiracLinear(GroupedLinear):
    def __init__(self, layer: WeightLayer):
        super().__init__(layer.inputs, layer.outputs, layer.groups, layer.bias)
        add_dirac(self, self.weight, self.groups)

    def reset_parameters(self) -> None:
        super().reset_parameters()
        reset_dirac(self)

    def effective_weight(self) -> torch.Tensor:
        return dirac_weight(self, self.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return grouped_linear(x, self.effective_weight(), self.bias, self.groups)
