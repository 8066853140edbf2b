"""An encoder's plan as a torch network, and where its residual stream is seen.

Axes: N samples, T tokens, D width, H heads. Nothing works in place, so that a hook may keep what it sees.
"""

import math

import torch
from torch import nn

from skipray import activations
from skipray.architectures import HiddenLayer
from skipray.architectures.building.encoder_plan import Encoder
from skipray.architectures.building.layers import ChannelScale


class Linear(nn.Linear):
    """Whose initial weight the network scales by a factor of its own, whatever the scheme (DeepNorm's beta)."""

    def __init__(self, inputs: int, outputs: int, initial_factor: float = 1.0):
        super().__init__(inputs, outputs)
        self.initial_factor = initial_factor


class LearnedPositions(nn.Module):
    """A vector for each position, drawn from N(0, 0.02^2) as in Devlin et al. 2019."""

    def __init__(self, tokens: int, width: int):
        super().__init__()
        self.table = nn.Parameter(torch.empty(tokens, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.table, std=0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table


class SinusoidalPositions(nn.Module):
    """Sines (even channels) and cosines (odd ones) of wavelengths from 2 pi to 10000 * 2 pi."""

    table: torch.Tensor

    def __init__(self, tokens: int, width: int):
        super().__init__()
        even = torch.arange(0, width, 2)
        angle = torch.arange(tokens)[:, None] * torch.exp(-math.log(10000.0) * even / width)
        table = torch.stack((angle.sin(), angle.cos()), 2).flatten(1)[:, :width]
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table


class Patches(nn.Module):
    """(N, C, height, width) to (N, T, D): a linear map of the pixels of each patch."""

    def __init__(self, plan: Encoder):
        super().__init__()
        self.side = plan.patch
        self.linear = Linear(plan.patch_values, plan.width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, channels, height, width = x.shape
        p = self.side
        cut = x.reshape(n, channels, height // p, p, width // p, p).permute(0, 2, 4, 1, 3, 5)
        return self.linear(cut.reshape(n, (height // p) * (width // p), channels * p * p))


class TokenStem(nn.Module):
    """Patches or token numbers (N, T) to tokens (N, T, D), with their positions."""

    def __init__(self, plan: Encoder):
        super().__init__()
        self.embedding = Patches(plan) if plan.vocabulary is None else nn.Embedding(plan.vocabulary, plan.width)
        self.positions: nn.Module | None = None
        if plan.positions != "none":
            kind = LearnedPositions if plan.positions == "learned" else SinusoidalPositions
            self.positions = kind(plan.tokens, plan.width)

    def forward(self, x: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        x = self.embedding(x)
        return _zero_padding(x if self.positions is None else self.positions(x), padding)


def _zero_padding(x: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
    """(N, T, D) with 0 where there is padding, (N, T)."""
    return x if padding is None else x.masked_fill(padding[:, :, None], 0.0)


class RealTokens(nn.Module):
    """Token numbers (N, T) to booleans (N, T): where there is no padding."""

    def __init__(self, padding: int):
        super().__init__()
        self.padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x != self.padding


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017, section 3.2). No token looks at padding."""

    def __init__(self, plan: Encoder):
        super().__init__()
        d = plan.width
        self.query, self.key = Linear(d, d), Linear(d, d)
        self.value, self.output = Linear(d, d, plan.beta), Linear(d, d, plan.beta)
        self.attend = nn.Softmax(-1)
        self.heads = plan.heads
        self.scale = (d // plan.heads) ** -0.5

    def forward(self, x: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        n, tokens, width = x.shape

        def split(flat: torch.Tensor) -> torch.Tensor:
            return flat.view(n, tokens, self.heads, width // self.heads).transpose(1, 2)

        query, key, value = split(self.query(x) * self.scale), split(self.key(x)), split(self.value(x))
        scores = query @ key.transpose(2, 3)
        if padding is not None:  # finite, so that a sample of padding alone gives no NaN
            scores = scores.masked_fill(padding[:, None, None, :], torch.finfo(scores.dtype).min)
        attention = self.attend(scores)  # (N, H, T, T), rows of sum 1
        return self.output((attention @ value).transpose(1, 2).reshape(n, tokens, width))


class Mlp(nn.Module):
    def __init__(self, plan: Encoder):
        super().__init__()
        self.up = Linear(plan.width, plan.hidden, plan.beta)
        self.down = Linear(plan.hidden, plan.width, plan.beta)
        self.activation = activations.make(plan.activation, plan.blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(self.activation(self.up(x)))


class Branch(nn.Module):
    """Attention or an MLP with what is around it: norms, LayerScale, the skip."""

    def __init__(self, plan: Encoder, inner: nn.Module, *, skip: bool):
        super().__init__()
        before, behind = plan.norm in ("pre", "sandwich"), plan.norm == "sandwich"
        self.before = nn.LayerNorm(plan.width) if before else None
        self.inner = inner
        self.behind = nn.LayerNorm(plan.width) if behind else None
        self.scale = None if plan.layer_scale is None else ChannelScale((plan.width,), plan.layer_scale)
        self.after = nn.LayerNorm(plan.width) if plan.norm == "post" else None
        self.skip, self.alpha = skip, plan.alpha

    def forward(self, x: torch.Tensor, *padding: torch.Tensor | None) -> torch.Tensor:
        """
        Args:
            padding: of attention, (N, T) which tokens are.
        """
        out = self.inner(x if self.before is None else self.before(x), *padding)
        if self.behind is not None:
            out = self.behind(out)
        if self.scale is not None:
            out = self.scale(out)
        if self.skip:
            out = (x if self.alpha == 1 else self.alpha * x) + out
        return out if self.after is None else self.after(out)


class EncoderBlock(nn.Module):
    """(N, T, D) to (N, T, D); what it gives out is the residual stream."""

    def __init__(self, plan: Encoder):
        super().__init__()
        self.attention = Branch(plan, Attention(plan), skip=plan.attention_skip)
        self.mlp = Branch(plan, Mlp(plan), skip=plan.mlp_skip) if plan.hidden else None

    def forward(self, x: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        x = self.attention(x, padding)
        return _zero_padding(x if self.mlp is None else self.mlp(x), padding)


class EncoderNetwork(nn.Module):
    """Images (N, C, height, width) or token numbers (N, T) to scores (N, classes), or (N, T, classes)."""

    def __init__(self, plan: Encoder):
        super().__init__()
        self.plan = plan
        self.real = None if plan.padding is None else RealTokens(plan.padding)
        self.stem = TokenStem(plan)
        self.blocks = nn.ModuleList(EncoderBlock(plan) for _ in range(plan.blocks))
        self.norm = nn.LayerNorm(plan.width) if plan.final_norm else None
        self.classifier = Linear(plan.width, plan.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padding = None if self.real is None else ~self.real(x)
        x = self.stem(x, padding)
        for block in self.blocks:
            x = block(x, padding)
        if self.norm is not None:
            x = self.norm(x)
        return self.classifier(x if self.plan.by_position else _mean(x, padding))

    def hidden_layers(self) -> list[HiddenLayer]:
        """The embedded tokens, then the residual stream behind every block."""
        stem = ("stem.embedding.linear.weight",) if self.plan.vocabulary is None else ()
        layers = [HiddenLayer("stem", self.stem, None, None, stem, real=self.real)]
        inner = [f"attention.inner.{name}" for name in ("query", "key", "value", "output")]
        inner += ["mlp.inner.up", "mlp.inner.down"] if self.plan.hidden else []
        for i, block in enumerate(self.blocks):
            weights = tuple(f"blocks.{i}.{name}.weight" for name in inner)
            attend = block.get_submodule("attention.inner.attend")
            layers.append(HiddenLayer(f"blocks.{i}", block, None, None, weights, attend, self.real))
        return layers


def _mean(x: torch.Tensor, padding: torch.Tensor | None) -> torch.Tensor:
    """(N, T, D) to (N, D), over the tokens that are no padding."""
    if padding is None:
        return x.mean(1)
    return _zero_padding(x, padding).sum(1) / (~padding).sum(1, keepdim=True).clamp(min=1)
