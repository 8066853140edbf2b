"""The generalization measures of a finished trial, under their MLflow keys."""

import math
from collections.abc import Mapping
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn

from skipray.metrics.as_found import as_found
from skipray.metrics.calibration import expected_calibration_error
from skipray.metrics.deletion import block_deletion
from skipray.metrics.flatness import flatness
from skipray.metrics.hessian import hessian_top_eigenvalue_and_trace
from skipray.metrics.jacobian import jacobian_singular_values
from skipray.metrics.margins import QUANTILES, margin_quantiles
from skipray.metrics.norms import (
    distance_from_initialisation,
    log_path_norm,
    log_spectral_complexity,
    log_spectral_product,
    spectral_norms,
)
from skipray.metrics.shattering import gradient_correlation, neighbour_gradient_correlation
from skipray.probe.taps import weight_layers


def initial_weights(network: nn.Module) -> dict[str, Tensor]:
    """A copy of every weight that the probe measures, as it acts, by its parameter's name."""
    return {layer.name: layer.weight().clone() for layer in weight_layers(network)}


def generalization_measures(
    network: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    initial: Mapping[str, Tensor] | None = None,
    full: bool = False,
    hessian: bool = False,
    jacobian: bool = False,
    seed: int = 0,
) -> dict[str, float]:
    """Measures on one batch in evaluation mode; finite ones only, since an absent value is not sent.

    Args:
        inputs: (samples, ...), the fixed probe batch.
        labels: (samples,).
        initial: `initial_weights` of the network before training, for the distances; without them these are absent.
        full: also flatness, shattering and block deletion, which take many passes.
        hessian, jacobian: also these, as the probe's spec says.
        seed: of the noise that flatness, neighbours, Lanczos and Hutchinson draw.
    """
    out: dict[str, float] = {}
    with as_found(network):
        network.eval()
        with torch.no_grad():
            logits = network(inputs)
        if not bool(logits.isfinite().all()):
            return {}
        layers = weight_layers(network)
        weights = [layer.weight() for layer in layers]
        norms = spectral_norms(weights)
        log_product = log_spectral_product(weights, norms=norms)
        if math.isfinite(log_product):
            out["norm.log_spectral_product"] = log_product
            for q, value in zip(QUANTILES, margin_quantiles(logits, labels, log_product), strict=True):
                out[f"margin.q{round(100 * q)}"] = value
        out["calibration_error"] = expected_calibration_error(logits, labels)
        out["norm.log_path"] = log_path_norm(network, inputs.shape[1:])
        if initial is not None:
            start = [initial[layer.name] for layer in layers]
            out["norm.distance"] = distance_from_initialisation(weights, start)
            out["norm.log_spectral_complexity"] = log_spectral_complexity(weights, start, norms=norms)
        if full:
            out["flatness"] = flatness(network, inputs, labels, seed=seed)
            out["gradient_correlation"] = gradient_correlation(network, inputs, labels)
            out["gradient_correlation.neighbours"] = neighbour_gradient_correlation(network, inputs, labels, seed=seed)
            deletions = block_deletion(network, inputs, labels) if hasattr(network, "hidden_layers") else []
            if deletions:
                out["deletion.output_change.median"] = median(d.output_change for d in deletions)
                out["deletion.accuracy_change.median"] = median(d.accuracy_change for d in deletions)
        if hessian:
            top, trace = hessian_top_eigenvalue_and_trace(network, inputs, labels, seed=seed)
            out |= {"hessian.top_eigenvalue": top, "hessian.trace": trace}
        if jacobian:
            values = jacobian_singular_values(network, inputs)
            out |= {
                "jacobian.spectral_norm.median": float(median(values[:, 0])),
                "jacobian.rms": float(np.sqrt(np.mean(values**2))),
            }
    return {key: value for key, value in out.items() if math.isfinite(value)}
