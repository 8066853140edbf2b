"""The input-output map, sample by sample."""

import numpy as np
import torch
from torch import Tensor, nn

from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.input_gradients import gradient, leaf
from skipray.spectrum import singular_values


def jacobian_singular_values(network: nn.Module, inputs: Tensor) -> np.ndarray:
    """Singular values of d logits / d input at each sample, (samples, min(classes, features)), descending.

    Pennington, Schoenholz and Ganguli 2017. Samples must not depend on each other: evaluation mode.

    Args:
        inputs: (samples, ...).

    Raises:
        Absent: no gradient reaches the inputs.
    """
    with as_found(network), torch.enable_grad():
        x = leaf(inputs)
        logits = network(x.clone())
        rows = [gradient(logits[:, c].sum(), x, again=True) for c in range(logits.shape[1])]
    jacobian = torch.stack(rows, 1).flatten(2)
    return np.stack([singular_values(j) for j in jacobian])
