"""Which rule predicts a trainable depth for which of skipray's families, its premises, and why others have none."""

import math
from dataclasses import dataclass
from typing import Any

from skipray import theory
from skipray.analysis import limit_formulas as formulas
from skipray.spec import ModelSpec, Recipe

STABLE = 0.01
"""How far above 1 `theory.batch_norm_symmetry` may be."""
IN_LAYERS = "width far above depth"
CONVOLUTIONS = "; convolutions with periodic borders and without stages, which this network only resembles"
AT_START = "gradients at initialisation; the learning rate may make up for their growth"
RESIDUAL = "Yang & Schoenholz 2017"
POPULATION = "derived here, after Yang & Schoenholz 2017"


@dataclass(frozen=True)
class PredictedLimit:
    """What theory says of how deep networks of a group train."""

    depth: float | None
    """Weight layers; inf: theory sees no limit; None: nothing is predicted."""
    far_depth: float | None = None
    """Where a limit is one of growing gradients: the depth at which they have grown by 1e6 instead of 1e3."""
    rule: str = ""
    """What the depth is, such as `6 xi_c`."""
    source: str = ""
    premise: str = ""
    """Where the rule holds; of a group without a prediction, why there is none."""

    @property
    def finite(self) -> bool:
        return self.depth is not None and math.isfinite(self.depth)

    @property
    def verdict(self) -> str:
        """`finite`, `unlimited` or `none`."""
        return "none" if self.depth is None else "finite" if self.finite else "unlimited"

    @property
    def words(self) -> str:
        """`22`, `24 to 48`, `no finite limit`, `nothing predicted`."""
        if self.depth is None:
            return "nothing predicted"
        if not self.finite:
            return "no finite limit"
        far = "" if self.far_depth is None or not math.isfinite(self.far_depth) else f" to {self.far_depth:,.0f}"
        return f"{self.depth:,.0f}{far}"

    def record(self) -> dict[str, Any]:
        """The prediction as a record for JSON."""
        far = self.far_depth
        return {
            "verdict": self.verdict,
            "depth": self.depth if self.finite else None,
            "far_depth": far if far is not None and math.isfinite(far) else None,
            "rule": self.rule,
            "source": self.source,
            "premise": self.premise,
        }


def nothing(why: str) -> PredictedLimit:
    return PredictedLimit(None, premise=why)


def unlimited(rule: str, source: str, premise: str) -> PredictedLimit:
    return PredictedLimit(math.inf, None, rule, source, premise)


def plain(model: ModelSpec, recipe: Recipe) -> PredictedLimit:
    """The rule of networks without skips: how long inputs stay apart, or where normalised gradients have grown."""
    if model.dropout:
        return nothing("dropout moves the fixed point (Schoenholz et al. 2017, section 5), by how much is not computed")
    gain = formulas.gain_of(model)
    if gain is None:
        return nothing(f"sigma_w^2 of {model.initialisation} is not known")
    if model.normalization == "batch":
        return _plain_batch_norm(model, normalised_together(model, recipe))
    if model.normalization == "layer":
        field = formulas.compute(formulas.layer_norm_field, model, 0.0)
        return _six_scales(model, field, "6 xi_c behind layer norm", "Doshi et al. 2023; Schoenholz et al. 2017")
    if model.initialisation == "xavier" and model.widths:
        return nothing("between unequal widths the sigma_w^2 of xavier is another at each layer")
    field = formulas.compute(formulas.mean_field, model, gain)
    if not 0 < field.q_star < math.inf and abs(field.chi_1 - 1) > formulas.TOLERANCE:
        way = "dies out" if field.q_star == 0 else "grows without end"
        return nothing(f"the signal {way}, by a factor of {field.chi_1:.3g} in its square per layer: no xi_c")
    return _six_scales(model, field, "6 xi_c", "Xiao et al. 2018" if model.kind == "cnn" else "Schoenholz et al. 2017")


def _six_scales(model: ModelSpec, field: theory.MeanField, rule: str, source: str) -> PredictedLimit:
    premise = f"{IN_LAYERS}, best learning rate"
    if model.normalization == "layer":
        premise += "; that networks train to six times the scale was found without normalization"
    if model.kind == "cnn":
        premise += CONVOLUTIONS
    if math.isinf(field.xi_c):
        premise += "; at the critical point inputs become alike only as a power of depth"
        return unlimited(f"{rule}, critical", source, premise)
    return PredictedLimit(field.trainable_depth, None, rule, source, premise)


def normalised_together(model: ModelSpec, recipe: Recipe) -> int:
    """Samples that share batch statistics: of convolutions also positions, which make them as good as many."""
    return recipe.trained_together if model.kind == "mlp" else theory.LARGEST_BATCH


def _plain_batch_norm(model: ModelSpec, batch: int) -> PredictedLimit:
    if batch < theory.SMALLEST_BATCH:
        return nothing(f"batches of {batch}, below the formula's {theory.SMALLEST_BATCH} samples")
    near, far, symmetry = formulas.compute(formulas.batch_norm_depths, model, float(batch))
    premise = "gradients at initialisation, width far above the batch, full batches"
    rule = f"gradient x 1e3 to 1e6, batch {batch}"
    if model.kind == "cnn":
        rule = "gradient x 1e3 to 1e6, many positions"
        premise = (
            "gradients at initialisation; positions count as samples, since batch normalization takes their "
            "correlation away within some ten layers; zeros at the borders of planes below 8 x 8 slow the growth by up "
            "to 9 % per layer"
        )
    if symmetry > 1 + STABLE:
        premise += (
            "; with this activation a few samples take over in deep networks and large batches, and gradients grow "
            "faster: the depth is an upper bound"
        )
    return PredictedLimit(near, far, rule, "Yang et al. 2019", premise)


def pre_activation(model: ModelSpec) -> PredictedLimit:
    """The rule of blocks that begin as the identity, of those that are normalised, and of bare ones."""
    if model.architecture == "skipinit" or formulas.branch_scale(model) == 0:
        premise = "branches begin at 0: at initialisation the network is the identity"
        return unlimited("growth is bounded", "De & Smith 2020; Zhang et al. 2019", premise)
    if model.normalization != "none":
        premise = "normalised branches count for less the deeper: gradients grow as a power of depth, not exponentially"
        source = "De & Smith 2020" if model.normalization == "batch" else "Doshi et al. 2023"
        return unlimited("no exponential growth", source, premise)
    if model.residual_scale == "inverse_sqrt_depth" and model.layer_scale is None:
        premise = "branches of scale 1/sqrt(blocks): variances and gradients grow by a bounded factor"
        return unlimited("growth is bounded", RESIDUAL, premise)
    why = _unknown(model)
    if why:
        return nothing(why)
    near, far = formulas.compute(formulas.pre_activation_depths, model, formulas.gain_of(model) or 0.0)
    premise = f"{IN_LAYERS}, {AT_START}{CONVOLUTIONS if model.kind == 'cnn' else ''}"
    if math.isinf(near):
        return unlimited("gradient x 1e3", RESIDUAL, premise)
    return PredictedLimit(near, far, "gradient x 1e3 to 1e6", RESIDUAL, premise)


def post_activation(model: ModelSpec, recipe: Recipe) -> PredictedLimit:
    """The rule of ResNet's, ResNeXt's and Fixup's blocks, whose additions are followed by an activation."""
    why = _unknown(model)
    if why:
        return nothing(why)
    number = formulas.gain_of(model) or 1.0  # branches that begin at 0 do not read it
    if model.normalization == "batch":
        number = float(normalised_together(model, recipe))
        if number < theory.SMALLEST_BATCH:
            return nothing(f"batches of {number:.0f}, below the formula's {theory.SMALLEST_BATCH} samples")
    passed = formulas.compute(formulas.post_activation_depths, model, number)
    premise = f"{_narrowest(model)}, {AT_START}"
    if model.kind == "cnn":
        premise += CONVOLUTIONS
    if math.isinf(passed.near):
        most = 2 + formulas.block_layers(model) * formulas.MOST_BLOCKS
        premise += "; growth that is bounded or a power of depth counts as none"
        return unlimited(f"gradient within x 1e3 to {most} layers", POPULATION, premise)
    if passed.as_power and model.kind == "cnn":
        # At which depth it passes 1e3 depends on the stages, each of which begins anew.
        return unlimited("no exponential growth", POPULATION, f"{premise}; growth as a power of depth counts as none")
    far = "" if math.isinf(passed.far) else " to 1e6"
    return PredictedLimit(
        passed.near, passed.far, f"gradient {'/' if passed.shrink else 'x'} 1e3{far}", POPULATION, premise
    )


def _narrowest(model: ModelSpec) -> str:
    return "width (of groups too) far above depth" if model.architecture == "resnext" else IN_LAYERS


def _unknown(model: ModelSpec) -> str:
    """Why a residual network without exact sizes or weights has no prediction; empty where it has."""
    if model.initialisation not in ("zero_gamma", "fixup") and formulas.gain_of(model) is None:
        return f"sigma_w^2 of {model.initialisation} is not known"
    if model.widths:
        return "no closed form for projections between unequal widths"
    if model.stochastic_depth:
        return "branches that are left out at random (stochastic depth) are not in the formulas"
    return ""


def transformer(model: ModelSpec) -> PredictedLimit:
    """The rule of a transformer, by the place of its layer normalization; depth counts blocks."""
    options = dict(model.options)
    norm = options.get("norm", "pre")
    if not options.get("attention_skip", True) or not (options.get("mlp_skip", True) or not options.get("mlp", True)):
        return nothing(
            "without skips attention makes all tokens alike, doubly exponentially in depth (Dong et al. 2021): a bound "
            "whose constants give no depth"
        )
    if norm in ("pre", "sandwich"):
        premise = (
            "the stream grows with each branch, so that a branch counts for less the deeper: no exponential growth"
        )
        return unlimited("no exponential growth", "Xiong et al. 2020, Theorem 1", premise)
    if options.get("deepnorm", False):
        premise = "skips and weights scaled by the depth: gradients change by a bounded factor"
        return unlimited("growth is bounded", "Wang et al. 2022", premise)
    if norm == "post":
        return nothing(
            "behind post-norm the output's gradients are the largest (Xiong et al. 2020, Theorem 1); how they change "
            "per block depends on how alike tokens and their gradients are, for which there is no closed form"
        )
    return nothing("no closed form for a transformer without normalization")


def of_family(model: ModelSpec, recipe: Recipe) -> PredictedLimit:
    """The rule of a network's family, where there is one.

    Raises:
        Unpredictable: the activation cannot be integrated.
    """
    if model.architecture == "plainnet":
        return plain(model, recipe)
    if model.architecture in ("preresnet", "skipinit"):
        return pre_activation(model)
    if model.architecture in ("resnet", "resnext", "fixup"):
        return post_activation(model, recipe)
    if model.architecture == "transformer":
        return transformer(model)
    return nothing("no closed form for this family")
