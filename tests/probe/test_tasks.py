"""The probe of tasks that are not one class for each sample."""

import torch
from torch import nn

from skipray.probe import measure
from skipray.spec import ProbeSpec
from skipray.spec.fields import Recipe
from skipray.trial.training.losses import probing_loss

RECIPE = {"epochs": 1, "batch_size": 4, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0,
          "schedule": "constant", "augmentation": "none"}  # fmt: skip


def test_gradients_are_of_the_loss_that_is_judged():
    torch.manual_seed(0)
    classes, values = torch.randint(3, (12,)), torch.randn(12, 3)
    positions = torch.randint(3, (12, 5))
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    plain, squares = Recipe(**RECIPE), Recipe(**RECIPE, loss={"name": "mse"})
    assert probing_loss(plain, classes) is None
    for recipe, x, labels in ((plain, torch.randn(12, 5, 4), positions), (squares, torch.randn(12, 4), values)):
        loss = probing_loss(recipe, labels)
        table = measure(model, x, labels, ProbeSpec(gradients=True), epoch=1, loss=loss).layers
        rows = table[(table["tensor"] == "weight_gradient") & (table["statistic"] == "gradient_norm")]
        (gradient,) = torch.autograd.grad(loss(model(x), labels), model[0].weight)
        found = rows.set_index("layer")["value"]["0"]
        assert abs(found - float(gradient.norm())) < 1e-5 * found
