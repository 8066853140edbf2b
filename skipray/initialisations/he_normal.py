"""He et al. 2015 (Delving Deep into Rectifiers), equation 10: N(0, 2 / fan_in), whatever the activation."""

from skipray.initialisations.filling.scheme import he_normal as fill
from skipray.spec import ModelSpec

__all__ = ["fill", "sigma_w_squared"]


def sigma_w_squared(model: ModelSpec) -> float:
    return 2.0
