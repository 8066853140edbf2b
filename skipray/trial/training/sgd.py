"""Stochastic gradient descent with momentum and weight decay, as torch.optim.SGD has it, in one fused kernel.

torch.optim.SGD itself costs a process 6 s of CPU time before its first step, because making one imports torch._dynamo;
its function form does not. Fused is 8 % of a 110-layer MLP's step faster than foreach.
"""

import torch
from torch import nn
from torch.optim.sgd import sgd

from skipray.spec import Recipe


class SGD:
    """The momenta of a network's parameters and the step that uses them (Sutskever et al. 2013, as in PyTorch)."""

    def __init__(self, network: nn.Module, recipe: Recipe):
        self.parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.recipe = recipe
        # Zeros, so that the first step needs no case of its own: 0 times the momentum plus the gradient.
        momenta = self.parameters if recipe.momentum else {}
        self.momenta = {name: torch.zeros_like(p, requires_grad=False) for name, p in momenta.items()}

    def zero_grad(self) -> None:
        for parameter in self.parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter that has a gradient; weight decay acts on all of them, norms and biases too."""
        used = [(n, p, p.grad) for n, p in self.parameters.items() if p.grad is not None]
        sgd(
            [p for _, p, _ in used],
            [g for _, _, g in used],
            [self.momenta.get(n) for n, _, _ in used],
            fused=True,
            lr=learning_rate,
            momentum=self.recipe.momentum,
            nesterov=self.recipe.nesterov,
            weight_decay=self.recipe.weight_decay,
            dampening=0.0,
            maximize=False,
        )
