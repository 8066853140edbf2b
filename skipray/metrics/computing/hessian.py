"""Curvature of the loss, through curvlinops' matrix-free Hessian."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from skipray.metrics import Absent
from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.same_draws import each_pass_alike

TRACE_DRAWS = 100


@dataclass(frozen=True)
class Curvature:
    """Of the mean loss's Hessian."""

    top_eigenvalue: float
    trace: float
    trace_error: float
    """Standard error of the trace, from the spread of its draws; 0 where it was summed exactly."""


def curvature(
    network: nn.Module, inputs: Tensor, labels: Tensor, *, seed: int = 0, draws: int = TRACE_DRAWS
) -> Curvature:
    """Largest eigenvalue (Lanczos) and trace (Hutchinson 1990, `draws` sign vectors) of the mean loss's Hessian.

    The loss is the cross-entropy; weights that it does not follow from have no part. Both follow from `seed`. Measured
    in the mode that the network is in, which is left as found; batch norm in training mode couples samples, so measure
    in evaluation mode.

    Raises:
        Absent: the loss follows from no weight that is trained, or its gradient cannot be differentiated: a layer has
            no forward derivative, or checkpoints its activations.
    """
    with warnings.catch_warnings():
        # torch's forward-mode derivatives and a dependency of curvlinops compile functions in a deprecated way.
        warnings.filterwarnings("ignore", message=".*torch.jit")
        try:
            return _top_and_trace(network, inputs, labels, seed, draws)
        except NotImplementedError as error:
            raise Absent(f"a layer cannot be differentiated forward: {error}") from None
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # its passes forward and backward have run before this
            said = str(error).partition("\n")[0]
            raise Absent(f"the network's gradient cannot be differentiated: {said}") from None


def _top_and_trace(network: nn.Module, inputs: Tensor, labels: Tensor, seed: int, draws: int) -> Curvature:
    # Both are slow to import, and few probes ask for this.
    from curvlinops import HessianLinearOperator
    from scipy.sparse.linalg import eigsh

    with as_found(network), each_pass_alike(network, inputs.device, seed), torch.enable_grad():
        parameters = _used(network, inputs[:2], labels[:2])
        operator = HessianLinearOperator(network, nn.CrossEntropyLoss(), parameters, [(inputs, labels)])
        size = operator.shape[1]
        generator = np.random.default_rng(seed)
        as_scipy = operator.to_scipy()
        start = generator.normal(size=size).astype(np.float32)
        if size <= 2:
            dense = as_scipy @ np.eye(size, dtype=np.float32)
            return Curvature(float(np.linalg.eigvalsh((dense + dense.T) / 2)[-1]), float(np.trace(dense)), 0.0)
        top = float(eigsh(as_scipy, k=1, which="LA", v0=start, return_eigenvectors=False, tol=1e-4)[0])
        found = []
        for _ in range(draws):
            v = generator.choice([-1.0, 1.0], size=size).astype(np.float32)
            found.append(float(v @ (as_scipy @ v)))
    error = float(np.std(found, ddof=1)) / math.sqrt(draws) if draws > 1 else math.inf
    return Curvature(top, sum(value / draws for value in found), error)


def _used(network: nn.Module, inputs: Tensor, labels: Tensor) -> list[nn.Parameter]:
    """The trained parameters that the loss follows from; not those of a head for training alone."""
    trained = [p for p in network.parameters() if p.requires_grad]
    loss = nn.functional.cross_entropy(network(inputs), labels)
    if not trained or not loss.requires_grad:
        raise Absent("the loss follows from no weight that is trained")
    found = torch.autograd.grad(loss, trained, allow_unused=True)
    return [p for p, gradient in zip(trained, found, strict=True) if gradient is not None]
