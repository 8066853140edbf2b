"""He normal, with the last normalization of every branch starting at scale 0: every block starts as its skip.

Goyal et al. 2017, section 5.1. It needs branches that end in a normalization; and a residual scale that is learned
from 0 besides would leave both factors at 0 without a gradient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skipray.extension import catalog
from skipray.initialisations import Refused
from skipray.initialisations.filling.scheme import he_normal as fill
from skipray.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

__all__ = ["check", "fill", "finish"]


def check(model: ModelSpec) -> None:
    if not _ends_in_norm(model.architecture):
        able = ", ".join(name for name in catalog.names("architectures") if _ends_in_norm(name))
        raise Refused(
            f"found zero_gamma with {model.architecture}, whose branches do not end in a normalization before an "
            f"addition; allowed: {able}",
            "initialisation",
        )
    if model.normalization == "none":
        raise Refused("found zero_gamma without normalization; allowed: batch, layer", "normalization")
    if model.residual_scale == "learned":
        raise Refused(
            "found zero_gamma with a residual scale learned from 0: two factors of 0 have no gradient; "
            "allowed: 1, inverse_sqrt_depth",
            "residual_scale",
        )


def _ends_in_norm(architecture: str) -> bool:
    return bool(getattr(catalog.find("architectures", architecture), "BRANCHES_END_IN_NORM", False))


def finish(network: nn.Module, model: ModelSpec) -> None:
    for module in network.modules():
        norm = getattr(module, "last_norm", None)
        if norm is not None:
            norm.weight.zero_()
