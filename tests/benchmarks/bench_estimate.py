"""Training steps and probes of every family, timed, beside `skipray.planning.estimate`; fits its coefficients anew.

    python tests/benchmarks/bench_estimate.py [--quick]

CPU seconds of one thread, the fastest of three. What counts for the order of a sweep is the rank correlation.
"""

import argparse
import os
import time

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import numpy as np
import torch
from scipy.optimize import nnls
from scipy.stats import spearmanr
from torch.nn.functional import cross_entropy

from skipray import architectures
from skipray.extension import catalog
from skipray.planning.estimate import CPU, PROBE_SECONDS_PER_KEPT_BYTE, PROBE_SECONDS_PER_PARAMETER
from skipray.probe import measure
from skipray.spec import ModelSpec, ProbeSpec, Recipe
from skipray.trial.channels_last import memory_format
from skipray.trial.training import to_device
from skipray.trial.training.sgd import SGD

RECIPE = Recipe(
    epochs=1, batch_size=1, learning_rate=1e-4, momentum=0.9, weight_decay=0, schedule="constant", augmentation="none"
)
OPTIONAL = {
    "residual_scale": 1, "block": "basic", "shortcut": "A", "cardinality": 4, "group_width": 8, "growth_rate": 12,
    "layout": "cifar",
}  # fmt: skip
CONNECTED = [(20, 64, 128), (74, 64, 128), (74, 64, 256), (74, 256, 128)]
CONVOLUTIONAL = [(20, 8, 64, 28), (56, 8, 64, 28), (20, 16, 128, 32), (56, 8, 64, 8), (20, 32, 64, 32)]


def spec(architecture: str, kind: str, depth: int, width: int) -> ModelSpec:
    read = catalog.find("architectures", architecture).fields(kind)
    bare = architecture in ("skipinit", "fixup")
    values = {key: value if key in read else None for key, value in OPTIONAL.items()}
    return ModelSpec(
        architecture=architecture,
        kind=kind,
        depth=depth + 2 * (architecture == "densenet"),
        width=width,
        normalization="none" if bare else "batch",
        initialisation="fixup" if architecture == "fixup" else "he_normal",
        activation="relu",
        **values,
    )


def cases(quick: bool):
    for architecture in catalog.names("architectures"):
        if architecture != "densenet":
            for depth, width, batch in CONNECTED[:2] if quick else CONNECTED:
                yield spec(architecture, "mlp", depth, width), (1, 8, 8), batch
        for depth, width, batch, side in CONVOLUTIONAL[3:4] if quick else CONVOLUTIONAL:
            yield spec(architecture, "cnn", depth, width), (1, side, side), batch


def fastest(what, times: int = 3) -> float:
    spent = []
    for _ in range(times):
        start = time.process_time()
        what()
        spent.append(time.process_time() - start)
    return min(spent)


def timed(model: ModelSpec, shape: tuple[int, int, int], batch: int) -> tuple[float, float]:
    """Seconds of a step and of a default probe of the same batch."""
    network = to_device(architectures.build(model, shape, 10, seed=0), torch.device("cpu"))
    optimizer = SGD(network, RECIPE)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, *shape, generator=generator)
    y = torch.randint(0, 10, (batch,), generator=generator)
    x = x.contiguous(memory_format=memory_format(network))

    def step() -> None:
        loss = cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(1e-4)

    step()
    seconds = fastest(step)
    probe = ProbeSpec(samples=batch)
    return seconds, fastest(lambda: measure(network, x, y, probe, epoch=1), 2)


def show(what: str, measured: np.ndarray, estimated: np.ndarray, terms: np.ndarray, names: list[str]) -> None:
    coefficients, _ = nnls(terms / measured[:, None], np.ones(len(measured)))
    ratios = measured / estimated
    error = np.sqrt(np.mean((terms @ coefficients / measured - 1) ** 2))
    print(f"{what}: rank correlation {spearmanr(measured, estimated).statistic:.3f}, measured / estimated", end=" ")
    print(f"{ratios.min():.2f} to {ratios.max():.2f}, median {np.median(ratios):.2f}")
    print("  refitted:", ", ".join(f"{n} {c:.3g}" for n, c in zip(names, coefficients, strict=True)), end="; ")
    print(f"root mean square error {error:.0%}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    torch.set_num_threads(1)
    rows = []
    for model, shape, batch in cases(parser.parse_args().quick):
        sizes = architectures.sizes(model, shape, 10)
        connected, convolutional = model.depth * (model.kind == "mlp"), model.depth * (model.kind == "cnn")
        kept = sizes.activation_bytes * batch
        rows.append(
            (*timed(model, shape, batch), 3 * sizes.flops * batch, kept, connected, convolutional, sizes.parameters)
        )
        print(f"{model.architecture:10} {model.kind} {model.depth:4} {model.width:4} {batch:4}", end="  ")
        print(f"step {rows[-1][0]:.4f} s, probe {rows[-1][1]:.4f} s", flush=True)
    step, probe, flops, kept, connected, convolutional, parameters = np.array(rows).T
    layers = [connected, convolutional]
    coefficients = [1 / CPU.flops_per_second, 1 / CPU.bytes_per_second, *CPU.layer_step_seconds.values()]
    terms = np.stack([flops, kept, *layers], 1)
    show("steps", step, terms @ coefficients, terms, ["flops", "bytes", "mlp layer", "cnn layer"])
    coefficients = [PROBE_SECONDS_PER_KEPT_BYTE, PROBE_SECONDS_PER_PARAMETER, *CPU.layer_probe_seconds.values()]
    terms = np.stack([kept, parameters, *layers], 1)
    show("probes", probe, terms @ coefficients, terms, ["byte", "parameter", "mlp layer", "cnn layer"])


if __name__ == "__main__":
    main()
