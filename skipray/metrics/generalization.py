"""Generalization, measured: every measure of the trained network by name, each from its own file."""

from skipray.metrics.calibration import expected_calibration_error
from skipray.metrics.deletion import Deletion, block_deletion
from skipray.metrics.flatness import flatness
from skipray.metrics.gap import accuracy_gap, loss_gap
from skipray.metrics.hessian import hessian_top_eigenvalue_and_trace
from skipray.metrics.jacobian import jacobian_singular_values
from skipray.metrics.margins import margin_quantiles, margins
from skipray.metrics.norms import (
    distance_from_initialisation,
    log_path_norm,
    log_spectral_complexity,
    log_spectral_product,
)
from skipray.metrics.shattering import gradient_correlation, neighbour_gradient_correlation

__all__ = [
    "Deletion",
    "accuracy_gap",
    "block_deletion",
    "distance_from_initialisation",
    "expected_calibration_error",
    "flatness",
    "gradient_correlation",
    "hessian_top_eigenvalue_and_trace",
    "jacobian_singular_values",
    "log_path_norm",
    "log_spectral_complexity",
    "log_spectral_product",
    "loss_gap",
    "margin_quantiles",
    "margins",
    "neighbour_gradient_correlation",
]
