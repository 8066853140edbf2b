"""Skipray's own networks at initialisation beside what theory says of them: one place that measures, for tests and for
tests/benchmarks/bench_theory.py."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from skipray import architectures
from skipray.spec import ModelSpec

CLASSES = 10


def model(**fields: object) -> ModelSpec:
    """Of a plain network of ReLUs, fully connected, where the fields say nothing else; they give depth and width."""
    usual = {
        "architecture": "plainnet",
        "kind": "mlp",
        "normalization": "none",
        "initialisation": "he_normal",
        "activation": "relu",
    }
    return ModelSpec.model_validate(usual | fields)


@dataclass(frozen=True)
class Measured:
    """Means over initialisations, by hidden layer from the stem on; axes (layers,)."""

    second_moment: np.ndarray
    """E[h^2] of a unit."""
    gap: np.ndarray
    """1 - the mean cosine of two samples."""
    participation: np.ndarray
    """Participation ratio of the samples' Gram matrix: their effective number."""
    gap_error: np.ndarray
    participation_error: np.ndarray
    """Their standard errors over initialisations."""
    log_growth: np.ndarray
    """ln of the squared gradient norm at a layer's output over that at the last one's."""
    log_growth_error: np.ndarray
    """Its standard error over initialisations."""
    ratios: np.ndarray
    """Squared gradient norm at a layer's output over that at the next one's; axes (initialisations, layers - 1)."""

    def growth(self, *, layers: int = 1, first: int = 0, last: int | None = None) -> float:
        """Mean factor on the squared gradient norm per weight layer: of the ratios over blocks of so many layers."""
        return float(self.ratios[:, first:last].mean() ** (1 / layers))

    def growth_error(self, *, layers: int = 1, first: int = 0, last: int | None = None) -> float:
        """Its standard error, over initialisations."""
        each = self.ratios[:, first:last].mean(axis=1) ** (1 / layers)
        return float(each.std(ddof=1) / np.sqrt(len(each)))


def measure(
    model: ModelSpec,
    *,
    samples: int,
    seeds: Sequence[int],
    shape: tuple[int, int, int] = (1, 1, 256),
    gap: float = 1.0,
    borders: str = "zeros",
) -> Measured:
    """Batch statistics, as at the first step of training; Gaussian samples of mean square
    1, any two of the correlation 1 - gap; the gradient of a random function of the last hidden layer.

    Args:
        borders: of convolutions, as torch's `padding_mode`.
    """
    moments, gaps, ranks, logs = [], [], [], []
    for seed in seeds:
        network = architectures.build(model, shape, CLASSES, seed=seed).double().train()
        _pad(network, borders)
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(samples + 1, *shape, generator=generator, dtype=torch.float64)
        inputs = max(0.0, 1 - gap) ** 0.5 * drawn[:1] + gap**0.5 * drawn[1:]
        inputs = inputs / inputs.pow(2).mean((1, 2, 3), keepdim=True).sqrt()
        outputs: list[torch.Tensor] = []
        hooks = [
            layer.output.register_forward_hook(lambda _m, _i, out, kept=outputs: kept.append(out))
            for layer in network.hidden_layers()
        ]
        network(inputs)
        for hook in hooks:
            hook.remove()
        last = outputs[-1]
        towards = torch.randn(last.shape, generator=generator, dtype=torch.float64)
        gradients = torch.autograd.grad((last * towards).sum(), outputs[:-1])
        squares = [float((g**2).sum()) for g in gradients] + [float((towards**2).sum())]
        logs.append(np.log(squares) - np.log(squares[-1]))
        flat = [h.detach().flatten(1) for h in outputs]
        moments.append([float((h**2).mean()) for h in flat])
        gaps.append([_gap(h) for h in flat])
        ranks.append([_participation(h) for h in flat])
    ratios = np.exp(-np.diff(logs, axis=1))
    moment, between, rank, growth = (np.mean(part, axis=0) for part in (moments, gaps, ranks, logs))
    gap_error, rank_error, growth_error = (_standard_error(np.array(part)) for part in (gaps, ranks, logs))
    return Measured(moment, between, rank, gap_error, rank_error, growth, growth_error, ratios)


def _standard_error(values: np.ndarray) -> np.ndarray:
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def _pad(network: torch.nn.Module, borders: str) -> None:
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module.kernel_size[0] > 1 and borders != "zeros":
            module.padding_mode = borders  # type: ignore[assignment]
            module._reversed_padding_repeated_twice = [k // 2 for k in module.kernel_size for _ in range(2)]


def _gap(hidden: torch.Tensor) -> float:
    """1 - mean cosine of two samples, from their differences, so that it keeps its digits where all are alike."""
    units = hidden / hidden.norm(dim=1, keepdim=True)
    centred = units - units.mean(0)
    return float((centred**2).sum() / (len(hidden) - 1))


def _participation(hidden: torch.Tensor) -> float:
    gram = hidden @ hidden.T
    return float(gram.trace() ** 2 / (gram**2).sum())
