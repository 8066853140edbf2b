"""What theory predicts of networks at initialisation beside what skipray's own are, for docs/results/theory.md.

Run: python tests/benchmarks/bench_theory.py [seeds, default 16]. Every row is an average over that many initialisations
(seeds 0, 1, ...) and over the blocks between the third (of chi_1 the eighth) and the last but two, of Gaussian samples;
`+-` is its standard error over initialisations, `scatter` the standard deviation of one. Growth is that of the squared
gradient norm per weight layer (per block of residual networks), measured as the mean ratio of neighbouring blocks;
1 - c is of the mean cosine behind the activation. `*` marks a batch whose symmetric state is unstable for the
activation, where the formula does not apply (`skipray.theory.batch_norm_symmetry` above 1). Ends with 1 where another
growth of a plain network is further than 3 % and two standard errors from its prediction.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from skipray import theory

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "theory"))

import networks  # noqa: E402
from networks import Measured, measure  # noqa: E402

TOLERANCE = 0.03
SKIPPED = 3
"""Blocks at each end: until the forward maps and the gradient's covariance have settled."""
SETTLED = 8
"""Blocks until a variance without normalization has settled: 6 xi_q of the slowest below are 17 layers."""
PLAIN = {
    "tanh": (1.5, 0.05),
    "relu": (1.6, 0.1),
    "gelu": (1.7, 0.1),
    "silu": (1.8, 0.1),
    "elu": (1.2, 0.05),
    "selu": (0.9, 0.05),
    "softplus": (1.5, 0.0),
}
"""Activation -> sigma_w^2, sigma_b^2, at which the variance has a fixed point."""
BEHIND_NORMS = ("linear", "relu", "tanh", "elu", "selu", "gelu", "silu")


@dataclass(frozen=True)
class Row:
    what: str
    predicted: float
    measured: float
    error: float
    applies: bool = True

    @property
    def missed(self) -> bool:
        off = abs(self.measured / self.predicted - 1)
        return self.applies and off > TOLERANCE and abs(self.measured - self.predicted) > 2 * self.error


model = partial(networks.model, depth=42, width=512)


def growth(what: str, predicted: float, found: Measured, layers: int, first: int = SKIPPED) -> Row:
    measured = found.growth(layers=layers, first=first, last=-SKIPPED)
    return Row(what, predicted, measured, found.growth_error(layers=layers, first=first, last=-SKIPPED))


def chi_1(seeds: range) -> Iterator[Row]:
    for name, (gain, bias) in PLAIN.items():
        spec = model(initialisation="lecun_normal", weight_gain=gain, bias_variance=bias, activation=name)
        found = measure(spec, samples=8, seeds=seeds)
        yield growth(f"{name}, {gain}, {bias}", theory.mean_field(name, gain, bias).chi_1, found, 2, first=SETTLED)


def batch_norm(seeds: range) -> Iterator[Row]:
    for name in BEHIND_NORMS:
        for batch in (8, 16, 32, 64, 128, 256):
            spec = model(normalization="batch", activation=name, depth=32)
            found = measure(spec, samples=batch, seeds=seeds)
            predicted = theory.batch_norm_squared_gradient_growth(batch, name)
            row = growth(f"{name}, batch {batch}", predicted, found, 2)
            yield replace(row, applies=theory.batch_norm_symmetry(name) <= 1 + 1e-6)


def batch_norm_of_convolutions(seeds: range) -> Iterator[Row]:
    many = theory.batch_norm_squared_gradient_growth(theory.LARGEST_BATCH, "relu")
    for borders in ("circular", "zeros"):
        for side in (8, 16, 32):
            spec = model(kind="cnn", layout="cifar", block="basic", width=16, depth=26, normalization="batch")
            found = measure(
                spec, samples=8, seeds=seeds[: max(2, len(seeds) // 4)], shape=(3, side, side), borders=borders
            )
            yield growth(f"relu, {side} x {side}, batch 8, borders: {borders}", many, found, 2)


def layer_norm(seeds: range) -> Iterator[Row]:
    for name in BEHIND_NORMS:
        found = measure(model(normalization="layer", activation=name), samples=8, seeds=seeds)
        yield growth(name, theory.layer_norm_field(name).chi_1, found, 2)


RESIDUAL = (
    ("resnet", "none", "relu"), ("resnet", "none", "gelu"), ("resnet", "none", "tanh"),
    ("resnet", "batch", "relu"), ("resnet", "batch", "tanh"), ("resnet", "layer", "relu"), ("resnet", "layer", "gelu"),
    ("resnext", "none", "relu"), ("resnext", "batch", "relu"), ("preresnet", "none", "relu"),
    ("preresnet", "none", "tanh"), ("preresnet", "batch", "relu"), ("preresnet", "layer", "gelu"),
)  # fmt: skip
RESIDUAL_BLOCKS, SAMPLES = 12, 64


def residual(seeds: range) -> Iterator[tuple[Row, Row]]:
    """The growth per block over all blocks, and 1 - c behind the last one."""
    for family, norm, name in RESIDUAL:
        layers = 3 if family == "resnext" else 2
        groups = {"cardinality": 4, "group_width": 64} if family == "resnext" else {}
        spec = model(architecture=family, normalization=norm, activation=name, residual_scale=1, width=256,
                     depth=2 + layers * RESIDUAL_BLOCKS, **groups)  # fmt: skip
        found = measure(spec, samples=SAMPLES, seeds=seeds)
        recursion = theory.residual_field if family == "preresnet" else theory.post_activation_field
        field = recursion(RESIDUAL_BLOCKS, name, 2.0, layers=layers, normalization=norm, batch=SAMPLES, variance=2.0)  # type: ignore[arg-type]
        per_block = 1 / RESIDUAL_BLOCKS
        mean = float(np.exp(found.log_growth[0] * per_block))
        what = f"{family}, {norm}, {name}"
        error = mean * float(found.log_growth_error[0]) * per_block
        yield (
            Row(what, float(field.squared_gradient[0] ** per_block), mean, error),
            Row(what, float(field.correlation_gap[-1]), float(found.gap[-1]), float(found.gap_error[-1])),
        )


def collapse(seeds: range) -> Iterator[tuple[Row, Row]]:
    """1 - c and the samples' effective number behind eight layers of plain networks, from samples at right angles."""
    layers, samples = 8, 16
    for name in ("relu", "tanh", "gelu", "silu", "elu", "softplus"):
        gain, bias = (2.0, 0.0) if name == "relu" else PLAIN[name]
        spec = model(
            initialisation="lecun_normal", weight_gain=gain, bias_variance=bias, activation=name, depth=2 + layers
        )
        found = measure(spec, samples=samples, seeds=seeds)
        q, gap = gain + bias, gain / (gain + bias)  # behind the stem
        for _ in range(layers):
            behind = theory.variance_map(q, name, gain, bias)
            gap, q = q * theory.correlation_gap_map(gap, q, name, gain) / behind, behind
        second = theory.variance_map(q, name, 1.0)
        hidden = q * theory.correlation_gap_map(gap, q, name, 1.0) / second
        rank = samples / (1 + (samples - 1) * (1 - hidden) ** 2)
        what = f"{name}, {gain}, {bias}"
        yield (
            Row(what, hidden, float(found.gap[-1]), float(found.gap_error[-1])),
            Row(what, rank, float(found.participation[-1]), float(found.participation_error[-1])),
        )


def show(title: str, rows: list[Row], seeds: range) -> int:
    print(
        f"\n### {title}\n\n| | predicted | measured | +- | scatter | measured / predicted |\n|---|---|---|---|---|---|"
    )
    for r in rows:
        mark = "" if r.applies else " *"
        scatter = r.error * np.sqrt(len(seeds))
        figures = (
            f"{r.predicted:.4f} | {r.measured:.4f} | {r.error:.4f} | {scatter:.3f} | {r.measured / r.predicted:.3f}"
        )
        print(f"| {r.what}{mark} | {figures} |", flush=True)
    return sum(r.missed for r in rows)


def main(seeds: range) -> int:
    began = time.monotonic()
    missed = show("chi_1 of plain networks (activation, sigma_w^2, sigma_b^2)", list(chi_1(seeds)), seeds)
    missed += show("Growth per layer, plain, batch norm", list(batch_norm(seeds)), seeds)
    missed += show("Growth per layer, plain, layer norm", list(layer_norm(seeds)), seeds)
    show("Growth per layer, plain convolutions, batch norm", list(batch_norm_of_convolutions(seeds)), seeds)
    pairs = list(residual(seeds))
    show("Growth per block of residual networks (family, normalization, activation)", [a for a, _ in pairs], seeds)
    show("1 - c behind the last of 12 blocks", [b for _, b in pairs], seeds)
    falls = list(collapse(seeds))
    show("1 - c behind eight layers, plain, no normalization", [a for a, _ in falls], seeds)
    show("Effective number of 16 samples there", [b for _, b in falls], seeds)
    print(f"\n{len(seeds)} initialisations, {time.monotonic() - began:.0f} s")
    print(
        f"{missed} growths of plain networks further than {TOLERANCE:.0%} and two standard errors from the prediction"
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(range(int(sys.argv[1]) if len(sys.argv) > 1 else 16)))
