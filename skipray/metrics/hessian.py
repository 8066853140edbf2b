"""Curvature of the loss, through curvlinops' matrix-free Hessian."""

import warnings

import numpy as np
import torch
from torch import Tensor, nn

from skipray.metrics.as_found import as_found

TRACE_DRAWS = 100


def hessian_top_eigenvalue_and_trace(
    network: nn.Module, inputs: Tensor, labels: Tensor, *, seed: int = 0, draws: int = TRACE_DRAWS
) -> tuple[float, float]:
    """Largest eigenvalue (Lanczos) and trace (Hutchinson 1990, `draws` sign vectors) of the mean loss's Hessian.

    The loss is the cross-entropy. Both follow from `seed`. Measured in the mode that the network is in, which is left
    as found; batch norm in training mode couples samples, so measure in evaluation mode.
    """
    with warnings.catch_warnings():
        # torch's forward-mode derivatives and a dependency of curvlinops compile functions in a deprecated way.
        warnings.filterwarnings("ignore", message=".*torch.jit")
        return _top_and_trace(network, inputs, labels, seed, draws)


def _top_and_trace(network: nn.Module, inputs: Tensor, labels: Tensor, seed: int, draws: int) -> tuple[float, float]:
    # Both are slow to import, and few probes ask for this.
    from curvlinops import HessianLinearOperator
    from scipy.sparse.linalg import eigsh

    parameters = [p for p in network.parameters() if p.requires_grad]
    with as_found(network), torch.enable_grad():
        operator = HessianLinearOperator(network, nn.CrossEntropyLoss(), parameters, [(inputs, labels)])
        size = operator.shape[1]
        generator = np.random.default_rng(seed)
        as_scipy = operator.to_scipy()
        start = generator.normal(size=size).astype(np.float32)
        if size <= 2:
            dense = as_scipy @ np.eye(size, dtype=np.float32)
            return float(np.linalg.eigvalsh((dense + dense.T) / 2)[-1]), float(np.trace(dense))
        top = float(eigsh(as_scipy, k=1, which="LA", v0=start, return_eigenvectors=False, tol=1e-4)[0])
        trace = 0.0
        for _ in range(draws):
            v = generator.choice([-1.0, 1.0], size=size).astype(np.float32)
            trace += float(v @ (as_scipy @ v)) / draws
    return top, trace
