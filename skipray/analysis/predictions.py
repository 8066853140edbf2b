"""What closed forms say about the cells of a sweep at initialisation, layer by layer.

`skipray.theory` has the formulas; here is which of them holds for which network, and from where it counts. A formula
for growth starts at what was measured at its first layer (the stem; for gradients the last), so that data of any kind
can be compared; without a measurement it starts at independent Gaussian inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from skipray import theory
from skipray.spec import ModelSpec, SweepSpec, TrialSpec
from skipray.spec.values import as_text

GAUSSIAN_POWER = {
    ("he_normal", "linear"): 2.0,
    ("he_normal", "relu"): 1.0,
    ("lecun_normal", "linear"): 1.0,
    ("lecun_normal", "relu"): 0.5,
}
"""(initialisation, activation) -> by what a square Gaussian layer and its activation multiply the mean square."""
BLOCK_LAYERS = 2
"""Weight layers of a fully connected plain or residual block."""


@dataclass(frozen=True)
class Prediction:
    """One quantity of one network, by layer; axes (layers,)."""

    tensor: str
    statistic: str
    """As in skipray.records.LAYER_COLUMNS."""
    layer_index: tuple[int, ...]
    value: tuple[float, ...]
    source: str
    """The formula's name and where it comes from."""

    @property
    def key(self) -> str:
        return f"{self.tensor}.{self.statistic}"


QUANTITIES = {
    "hidden.log10_condition": "log₁₀ κ of hidden",
    "hidden.participation_ratio": "participation ratio of hidden",
    "hidden.mean_cosine": "mean cosine of hidden",
    "output_gradient.gradient_norm": "gradient norm at the layer's output",
    "weight.log10_condition": "log₁₀ κ of weights, median",
}
"""What is predicted, in words."""


def predict(
    model: ModelSpec, samples: int, start: Mapping[str, float] | None = None, *, batch: int | None = None
) -> tuple[Prediction, ...]:
    """What is known of a network at initialisation; nothing for one that no formula covers.

    Args:
        samples: of the probe batch.
        start: key (`hidden.mean_cosine`, ...) -> measured value at the formula's first layer.
        batch: samples that gradients are measured on (`gradient_batch`); those of the probe batch when left out.
    """
    power = GAUSSIAN_POWER.get((model.initialisation, as_text(model.activation)))
    if model.weight_gain is not None or model.bias_variance:
        return ()
    if model.kind != "mlp" or power is None or model.width < 2 or model.widths or model.layer_scale is not None:
        return ()
    blocks = (model.depth - 2) // BLOCK_LAYERS
    given = start or {}
    plain, residual = model.architecture == "plainnet", model.architecture == "preresnet"
    found = []
    if plain or residual or model.architecture == "resnet":
        found.append(
            Prediction(
                "weight", "log10_condition", (0,), (theory.square_log10_condition_quantile(model.width),), EDELMAN
            )
        )
    if model.normalization == "none" and model.activation == "linear":
        residual = residual or model.architecture == "resnet"
        if plain:
            found.append(_condition(model, blocks, given))
        if plain or residual:
            found.append(_participation(model, blocks, samples, given, None if plain else _share(model, blocks, power)))
    if model.normalization == "none" and model.activation == "relu" and (plain or residual):
        found.append(_cosine(model, blocks, given, None if plain else _share(model, blocks, power)))
    if model.normalization == "batch" and model.activation == "relu" and plain:
        found.append(_gradient(blocks, batch or samples, given))
    return tuple(found)


def gradient_batch(trial: TrialSpec) -> int:
    """On how many samples a trial's gradients are measured at initialisation: the default probe takes as many as go
    through the network together in training."""
    probe = trial.probe
    if probe.gradients or probe.preset == "full":
        return probe.samples
    return min(probe.samples, trial.recipe.trained_together)


EDELMAN = "square Gaussian matrix, the median (Edelman 1988)"


def _condition(model: ModelSpec, blocks: int, start: Mapping[str, float]) -> Prediction:
    key = "hidden.log10_condition"
    per_layer = theory.plain_log10_condition(1, model.width)
    first = start.get(key, per_layer)
    value = tuple(first + per_layer * BLOCK_LAYERS * i for i in range(blocks + 1))
    source = "product of Gaussian matrices (Newman 1986; Akemann, Burda & Kieburg 2014)"
    return Prediction("hidden", "log10_condition", tuple(range(blocks + 1)), value, source)


def _share(model: ModelSpec, blocks: int, power: float) -> float:
    """Mean square of a residual branch, its scale included, where its input's is 1."""
    scale = {"learned": 0.0, "inverse_sqrt_depth": 1 / max(blocks, 1)}.get(
        str(model.residual_scale), _squared(model.residual_scale)
    )
    return float(scale * power**BLOCK_LAYERS)


def _squared(scale: float | str | None) -> float:
    return float(scale) ** 2 if isinstance(scale, int | float) else 1.0


def layers_of_a_block(share: float | None) -> float:
    """How many plain linear layers cost as much participation ratio as one block: (2 s + k s^2) / (1 + s)^2 for a
    residual branch of k layers whose mean square is s times its input's; k for a plain block. Derived here, to first
    order in 1 / width, as `skipray.theory.annealed_participation_ratio` for k = 1."""
    return BLOCK_LAYERS if share is None else (2 * share + BLOCK_LAYERS * share**2) / (1 + share) ** 2


def _participation(
    model: ModelSpec, blocks: int, samples: int, start: Mapping[str, float], share: float | None
) -> Prediction:
    width = model.width
    first = start.get("hidden.participation_ratio")
    # N Gaussian samples count as n / N of a layer: a Wishart matrix loses 1 / N where a layer loses 1 / n.
    begin = 1 + width / samples if first is None else _depth_at(first, width)
    step = layers_of_a_block(share)
    value = tuple(theory.annealed_participation_ratio(begin + step * i, width) for i in range(blocks + 1))
    return Prediction(
        "hidden", "participation_ratio", tuple(range(blocks + 1)), value, "annealed moments, derived here"
    )


def _depth_at(ratio: float, width: int) -> float:
    """The plain depth at which the annealed participation ratio is this one."""
    deepest = 1e4 * width
    if ratio >= theory.annealed_participation_ratio(1, width):
        return 1.0
    if ratio <= theory.annealed_participation_ratio(deepest, width):
        return deepest
    from scipy.optimize import brentq  # a fifth of a second, for few sweeps

    return float(brentq(lambda m: theory.annealed_participation_ratio(m, width) - ratio, 1, deepest))


def _cosine(model: ModelSpec, blocks: int, start: Mapping[str, float], share: float | None) -> Prediction:
    # A pre-activation network's stem is a bare weight layer: independent inputs are still at right angles behind it.
    fallback = theory.relu_correlation(0.0) if share is None else 0.0
    cosine = min(1.0, max(-1.0, start.get("hidden.mean_cosine", fallback)))
    value = [cosine]
    for _ in range(blocks):
        after = float(theory.relu_correlations(BLOCK_LAYERS, value[-1])[-1])
        value.append(after if share is None else (value[-1] + share * after) / (1 + share))
    source = "arc-cosine kernel (Cho & Saul 2009)"
    return Prediction("hidden", "mean_cosine", tuple(range(blocks + 1)), tuple(value), source)


def _gradient(blocks: int, samples: int, start: Mapping[str, float]) -> Prediction:
    """At initialisation the samples that gradients are measured on are what is normalised over."""
    last = start.get("output_gradient.gradient_norm", 1.0)
    per_block = theory.batch_norm_log10_gradient_growth(BLOCK_LAYERS, max(samples, theory.SMALLEST_BATCH))
    # What leaves float64 is left out.
    layers = tuple(i for i in range(blocks + 1) if per_block * (blocks - i) < 300)
    value = tuple(last * 10.0 ** (per_block * (blocks - i)) for i in layers)
    source = "mean field of batch normalization (Yang et al. 2019)"
    return Prediction("output_gradient", "gradient_norm", layers, value, source)


def of_sweep(sweep: SweepSpec) -> list[dict[str, object]]:
    """What is predicted for each cell behind its last hidden layer, of gradients at its first: a row per quantity.

    Returns:
        Rows with the sweep's factors by their bare names, `key` (as in the layer tables), `quantity`, `predicted` and
        `formula`; key, value and formula are None in the one row of a cell that no closed form covers.
    """
    rows: list[dict[str, object]] = []
    for cell in sweep.cells:
        factors: dict[str, object] = {**cell.cell.row(sweep.factor_names)}
        found = predict(cell.model, cell.probe.samples, batch=gradient_batch(cell))
        for one in found:
            of_gradient = one.tensor == "output_gradient"
            words = "gradient norm, first over last layer" if of_gradient else QUANTITIES[one.key]
            value = one.value[0 if of_gradient else -1]
            rows.append(factors | {"key": one.key, "quantity": words, "predicted": value, "formula": one.source})
        if not found:
            rows.append(factors | {"key": None, "quantity": "no closed form", "predicted": None, "formula": None})
    return rows


def closed_forms(depth: int, width: int, samples: int) -> list[dict[str, object]]:
    """The formulas of `skipray.theory` for one size: rows `quantity`, `predicted`, `formula`.

    Args:
        depth: weight layers that are passed.
        samples: of the probe batch. Where it equals the width, the null has no limit and is left out.

    Raises:
        ValueError: a size that a formula does not take.
    """
    low, high = theory.marchenko_pastur_edges(width, samples)
    plain = theory.plain_log10_condition(depth, width)
    small = depth**-0.5
    listed: list[tuple[str, float, str]] = [
        ("squared singular values of one layer, low end", low, "Marchenko & Pastur 1967"),
        ("squared singular values of one layer, high end", high, "Marchenko & Pastur 1967"),
        ("log₁₀ κ of one square weight, mean", theory.square_log10_condition(width), "Edelman 1988"),
        ("log₁₀ κ of one square weight, median", theory.square_log10_condition_quantile(width), "Edelman 1988"),
        ("log₁₀ κ, plain linear", plain, "Newman 1986"),
        ("layers until one direction leads by e, plain linear", theory.collapse_depth(width), "Newman 1986"),
        ("largest squared singular value, plain linear, wide", theory.fuss_catalan_edge(depth), "Banica et al. 2011"),
        ("stable rank, plain linear, wide", theory.fuss_catalan_stable_rank(depth, width), "Fuss-Catalan"),
        ("participation ratio, plain linear", theory.annealed_participation_ratio(depth, width), "derived here"),
        (
            "participation ratio, residual linear, scale 1/√depth",
            theory.annealed_participation_ratio(depth, width, residual_scale=small),
            "derived here",
        ),
        (
            "spread of Lyapunov exponents, residual linear, scale 1/√depth",
            theory.residual_lyapunov_spread(depth, width, small),
            "derived here",
        ),
        ("mean cosine, plain ReLU", float(theory.relu_correlations(depth, 0.0)[-1]), "Cho & Saul 2009"),
        (
            "log₁₀ growth of the gradient norm, plain ReLU with batch norm",
            theory.batch_norm_log10_gradient_growth(depth),
            "Yang et al. 2019",
        ),
    ]
    if samples != width:
        null = theory.marchenko_pastur_log10_condition(width, samples)
        listed.insert(2, ("log₁₀ κ of independent features", null, "Marchenko & Pastur 1967"))
    return [{"quantity": quantity, "predicted": value, "formula": formula} for quantity, value, formula in listed]
