"""Mean field of layer normalization in networks without skips: phi(LN(W h)), in which no gain of the weights is left.

Each sample's pre-activations are centred and scaled over the units, so that their variance is 1 whatever the weights'.
With scale 1 and shift 0, as at initialisation, the maps of `skipray.theory.mean_field` hold at q = 1 with
1 / E[phi(z)^2] in the place of sigma_w^2 (z standard normal):

    chi_1 = E[phi'(z)^2] / E[phi(z)^2]                    growth of the squared gradient norm per layer
    c' = E[phi(u_1) phi(u_2)] / E[phi(z)^2]               correlation of two inputs

Doshi, He & Gromov 2023, "Critical initialization of wide and deep neural networks using partial Jacobians", section 4
(layer normalization of pre-activations, here with biases zero). What the normalization itself takes from a gradient
(the parts along 1 and along the pre-activations) is 2 of n dimensions. Premises: width far above depth, no skips.
Convolutions that are normalised over channels and positions follow the same maps where borders are periodic.
"""

from skipray.theory.activations import Activation, activation_of
from skipray.theory.mean_field import MeanField, field_at, variance_map


def layer_norm_gain(activation: Activation) -> float:
    """What stands in the place of sigma_w^2 behind a layer normalization: 1 / E[phi(z)^2], 2 for ReLU.

    Raises:
        ValueError: an unknown activation, one that is 0.
    """
    second = variance_map(1.0, activation, 1.0)
    if second <= 1e-12:
        raise ValueError("found an activation that is 0; allowed: one with other values")
    return 1 / second


def layer_norm_field(activation: Activation) -> MeanField:
    """Fixed points and depth scales of a wide network whose pre-activations are layer-normalised; q* is 1 and xi_q 0.

    Raises:
        ValueError: as `layer_norm_gain`.
    """
    return field_at(1.0, activation_of(activation), layer_norm_gain(activation), 0.0)
