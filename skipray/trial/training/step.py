"""One step: a batch through the network in one piece or several, backward, and the optimizer's update."""

from collections.abc import Callable

import torch
from torch import nn

from skipray.architectures.building.passes.network import passes_of
from skipray.architectures.building.passes.running import Passes
from skipray.metrics.accuracy import right
from skipray.spec import Recipe
from skipray.trial.training.losses import IGNORED, counted_by_sample, mean_cross_entropy, training_loss
from skipray.trial.training.optimizers import Optimizer
from skipray.trial.training.precision import autocast

BeforeUpdate = Callable[[], None]
Forward = Callable[[torch.Tensor], torch.Tensor]


def written_out(network: nn.Module, recipe: Recipe) -> Passes | None:
    """The network's passes, where it has them, with its present parameters."""
    return passes_of(network, ignored=IGNORED) if recipe.precision == "float32" else None


class Step:
    """What the steps of a training share."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        optimizer: Optimizer,
        *,
        counts_correct: bool = False,
        alike: bool = False,
        forward: Forward | None = None,
    ):
        """
        Args:
            counts_correct: whether what is named rightly is counted.
            alike: whether every sample is known to have as many labels that count, at least one; else they are counted
                in each batch with labels by position, for which a GPU has to be waited for.
            forward: what gives the network's scores, with its parameters; when left out the network itself, or its
                passes written out where it has them.
        """
        self.recipe, self.optimizer = recipe, optimizer
        self.forward = forward or written_out(network, recipe) or network
        self.parameters = list(network.parameters())
        self.objective = training_loss(recipe)
        plain = self.objective is mean_cross_entropy
        self._whole = self.forward if plain and isinstance(self.forward, Passes) else None
        """What gives loss and gradients at once."""
        self.counts_correct, self.alike = counts_correct, alike

    def take(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        labels: torch.Tensor,
        learning_rate: float,
        before_update: BeforeUpdate | None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Train on one batch. One without any label that counts goes through the network, which may keep statistics of
        it, and changes neither weights nor the optimizer's state: its loss is 0.

        Args:
            targets: what the loss takes: labels, or what mixing has made of them.
            labels: class numbers, to count what is right.
            before_update: called when the gradients are there.

        Returns:
            The batch's mean loss before the update, and how many labels were named rightly where that is counted.
        """
        seen: list[tuple[torch.Tensor, torch.Tensor | None]] = []
        shares = self._shares(targets)

        def evaluate() -> torch.Tensor:
            self.optimizer.zero_grad()
            # One that is evaluated again needs the same inputs again: a network may write into what it is given.
            given = inputs.clone() if self.optimizer.closed else inputs
            found = self._gradients(given, targets, labels, shares)
            if self.recipe.gradient_clip_norm is not None:
                nn.utils.clip_grad_norm_(self.parameters, self.recipe.gradient_clip_norm)
            if self.optimizer.closed:  # LBFGS takes views of gradients, which channels-last ones do not have
                for parameter in self.parameters:
                    if parameter.grad is not None:
                        parameter.grad = parameter.grad.contiguous()
            seen.append(found)
            return found[0]

        if not any(shares):
            if before_update:
                before_update()
            return self._gradients(inputs, targets, labels, shares)
        if self.optimizer.closed:  # it evaluates the loss itself, as often as it likes
            if before_update:
                before_update()
            self.optimizer.step(learning_rate, evaluate)
            return seen[0]
        evaluate()
        if before_update:
            before_update()
        self.optimizer.step(learning_rate)
        return seen[0]

    def _gradients(
        self, inputs: torch.Tensor, targets: torch.Tensor, labels: torch.Tensor, shares: list[float]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Adds the gradients of the batch's mean loss to the parameters; the mean loss, and what was right."""
        loss: torch.Tensor | None = None
        correct: torch.Tensor | None = None
        split = ((t,) if len(shares) == 1 else t.tensor_split(len(shares)) for t in (inputs, targets, labels))
        for x, y, named, share in zip(*split, shares, strict=True):
            piece, scores = self._back(x, y, share) if share else self._unlabelled(x)
            loss = piece if loss is None else loss + piece
            if self.counts_correct:
                hits = right(scores, named)
                correct = hits if correct is None else correct + hits
        assert loss is not None
        return loss, correct

    def _back(self, x: torch.Tensor, y: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds the gradients of one piece's mean loss times `share`; what they are of, and the scores."""
        if self._whole is not None and y.ndim == 1 and not y.is_floating_point():
            return self._whole.cross_entropy(x, y, share)
        with autocast(self.recipe, x.device):
            scores = self.forward(x)
            piece = self.objective(scores, y)
        if share != 1:
            piece = piece * share
        piece.backward()
        return piece.detach(), scores.detach()

    def _unlabelled(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A piece that nothing is said of: the mean over its labels would be 0 / 0."""
        with autocast(self.recipe, x.device):
            scores = self.forward(x).detach()
        return torch.zeros((), device=scores.device), scores

    def _shares(self, targets: torch.Tensor) -> list[float]:
        """Each piece's share of what the batch's mean loss is a mean over: samples, or the labels that count. All are 0
        where there is no such label."""
        pieces = min(self.recipe.gradient_accumulation, len(targets))
        if self.alike or targets.ndim == 1 or targets.is_floating_point():
            counts = [len(piece) for piece in targets.tensor_split(pieces)] if pieces > 1 else [len(targets)]
        else:
            of_samples = counted_by_sample(targets)
            counts = [int(piece.sum()) for piece in of_samples.tensor_split(pieces)]
        whole = sum(counts)
        return [count / whole if whole else 0.0 for count in counts]
