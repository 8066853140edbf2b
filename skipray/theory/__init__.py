"""Closed forms and quadratures for networks at initialisation: plain functions of sizes, activation and gains.

What a sweep measures at epoch 0 is drawn over these. Each function names its source and its premises; "derived here"
marks formulas without a published source, which the tests check by Monte Carlo.
"""

from skipray.extension.field_docs import show_fields
from skipray.theory.activations import Pointwise, activation_of, leaky_relu
from skipray.theory.attention import attention_log_residual_bound, rank_one_distance
from skipray.theory.batch_norm import (
    LARGEST_BATCH,
    MEAN_FIELD_GRADIENT_GROWTH,
    SMALLEST_BATCH,
    batch_norm_explosion_depth,
    batch_norm_log10_gradient_growth,
    batch_norm_moments,
    batch_norm_squared_gradient_growth,
    batch_norm_symmetry,
)
from skipray.theory.finite_width import log_gradient_band, log_norm_variance
from skipray.theory.layer_norm import layer_norm_field, layer_norm_gain
from skipray.theory.mean_field import (
    MeanField,
    correlation_gap_map,
    correlation_gaps,
    critical_weight_gain,
    depth_scale,
    gradient_growth,
    mean_field,
    mean_field_growth,
    trainable_depth,
    variance_map,
)
from skipray.theory.post_activation import post_activation_field, post_activation_growth
from skipray.theory.random_matrices import (
    EDELMAN_CONSTANT,
    annealed_participation_ratio,
    collapse_depth,
    fuss_catalan_edge,
    fuss_catalan_participation_ratio,
    fuss_catalan_stable_rank,
    gaussian_singular_value_bounds,
    lyapunov_exponents,
    marchenko_pastur_edges,
    marchenko_pastur_log10_condition,
    plain_log10_condition,
    positive_branch_condition,
    residual_lyapunov_spread,
    square_log10_condition,
    square_log10_condition_quantile,
)
from skipray.theory.relu import relu_correlation, relu_correlation_gap, relu_correlations
from skipray.theory.residual import ResidualField, residual_explosion_blocks, residual_field

__all__ = [
    "EDELMAN_CONSTANT",
    "LARGEST_BATCH",
    "MEAN_FIELD_GRADIENT_GROWTH",
    "SMALLEST_BATCH",
    "MeanField",
    "Pointwise",
    "ResidualField",
    "activation_of",
    "annealed_participation_ratio",
    "attention_log_residual_bound",
    "batch_norm_explosion_depth",
    "batch_norm_log10_gradient_growth",
    "batch_norm_moments",
    "batch_norm_squared_gradient_growth",
    "batch_norm_symmetry",
    "collapse_depth",
    "correlation_gap_map",
    "correlation_gaps",
    "critical_weight_gain",
    "depth_scale",
    "fuss_catalan_edge",
    "fuss_catalan_participation_ratio",
    "fuss_catalan_stable_rank",
    "gaussian_singular_value_bounds",
    "gradient_growth",
    "layer_norm_field",
    "layer_norm_gain",
    "leaky_relu",
    "log_gradient_band",
    "log_norm_variance",
    "lyapunov_exponents",
    "marchenko_pastur_edges",
    "marchenko_pastur_log10_condition",
    "mean_field",
    "mean_field_growth",
    "plain_log10_condition",
    "positive_branch_condition",
    "post_activation_field",
    "post_activation_growth",
    "rank_one_distance",
    "relu_correlation",
    "relu_correlation_gap",
    "relu_correlations",
    "residual_explosion_blocks",
    "residual_field",
    "residual_lyapunov_spread",
    "square_log10_condition",
    "square_log10_condition_quantile",
    "trainable_depth",
    "variance_map",
]

show_fields(__all__, globals())
