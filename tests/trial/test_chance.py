"""The level of chance of labels that are values: no constant answer costs less."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn import functional

from skipray.spec import Recipe
from skipray.trial.chance import chance
from skipray.trial.training import losses

RECIPE: dict[str, Any] = {
    "epochs": 1, "batch_size": 10, "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0, "schedule": "constant",
    "augmentation": "none",
}  # fmt: skip


def level(values: torch.Tensor, loss: str) -> float:
    splits: Any = SimpleNamespace(train_y=values)
    return chance(splits, Recipe(**RECIPE, loss={"name": loss}))["chance.loss"]


def test_of_several_labels_it_is_the_entropy_of_their_shares() -> None:
    generator = torch.Generator().manual_seed(0)
    values = (torch.rand(400, 4, generator=generator) < torch.tensor([0.05, 0.5, 0.9, 0.0])).float()
    shares = values.mean(0)
    logits = torch.logit(shares, eps=1e-9).expand_as(values)
    assert level(values, "binary") == pytest.approx(functional.binary_cross_entropy_with_logits(logits, values).item())
    of_means = functional.binary_cross_entropy_with_logits(shares.expand_as(values), values)
    assert level(values, "binary") < 0.7 * of_means.item(), "the shares themselves are no logits"


def test_of_squares_it_is_the_variance() -> None:
    values = torch.randn(300, 3, generator=torch.Generator().manual_seed(1))
    assert level(values, "mse") == pytest.approx(values.var(0, unbiased=False).mean().item())


def test_of_a_loss_of_ones_own_it_is_the_lowest_that_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.distributions.Exponential(1.0).sample((501, 2))

    def pinball(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        apart = targets - scores
        return torch.maximum(0.9 * apart, -0.1 * apart).square().mean()

    monkeypatch.setattr(losses, "_function", lambda name: pinball)
    grid = torch.linspace(0, 5, 2001, dtype=torch.float64)
    best = sum(
        min(float(torch.maximum(0.9 * (y - c), -0.1 * (y - c)).square().mean()) for c in grid)
        for y in values.double().T
    )
    assert level(values, "losses:pinball") == pytest.approx(best / 2, rel=1e-4)


def test_a_loss_that_cannot_be_searched_is_that_of_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        losses, "_function", lambda name: lambda scores, targets: (scores - targets).detach().abs().mean()
    )
    values = torch.randn(50, 2)
    assert level(values, "losses:fixed") == pytest.approx((values.mean(0) - values).abs().mean().item(), rel=1e-5)
