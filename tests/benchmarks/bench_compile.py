"""What compiling a step costs and saves, and what `recipe.compile: auto` foretells of it.

    python tests/benchmarks/bench_compile.py [--batch 64 512] [--networks plain residual ...] [--device cpu]

Of each network on the digits: a plain step and a compiled one (the fastest, one thread), the seconds that compiling
takes where nothing of it was kept, and the steps after which it has paid for itself. Beside them what `auto` foretells
of these from its two shallow twins and the plain step.
"""

import argparse
import math
import os
import tempfile
from pathlib import Path

import torch
from _figures import print_figure
from bench_step import NETWORKS, recipe, spec

from skipray.datasets import digits, open_dataset
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Resources, TrialSpec
from skipray.trial.compiling.paying import StepTimer, estimate

TRANSFORMER = ModelSpec(
    architecture="transformer", depth=6, width=32, initialisation="xavier", activation="gelu",
    options={"norm": "pre", "heads": 2, "mlp_ratio": 2, "patch": 2},
)  # fmt: skip


def measure(name: str, batch: int, device: str) -> None:
    data = DatasetSpec(name="digits")
    model = TRANSFORMER if name == "transformer" else spec(*NETWORKS[name])
    trial = TrialSpec(
        sweep="bench", dataset=data, fingerprint=digits.FINGERPRINT, model=model, recipe=recipe(batch), seed=0,
        probe=ProbeSpec(), resources=Resources(device=device),
    )  # fmt: skip
    timer = StepTimer(trial, open_dataset(data, digits.FINGERPRINT).to(torch.device(device)))
    timer.warm_up()
    depth = trial.model.depth
    first, second = (timer.twin(d) for d in timer.depths())
    whole = timer.twin(depth)
    told = estimate(depth, whole.step, (first, second), steps=1, sizes=1)
    found = _columns(whole.compiled_step, whole.compiling, whole.step)
    foretold = _columns(told.compiled_step, told.compiling, told.step)
    print(f"{name:<14}{batch:>6}{depth:>6}{1e3 * whole.step:>10.2f}{found}{foretold}", flush=True)
    what = f"compiled training step, {name}, batch {batch}"
    print_figure(what, 1e3 * whole.compiled_step, {"the plain step": 1e3 * whole.step}, unit="ms, fastest")


def _columns(compiled_step: float, compiling: float, step: float) -> str:
    """Milliseconds of a compiled step, seconds of compiling, and the steps after which it has paid for itself."""
    saved = step - compiled_step
    after = f"{math.ceil(compiling / saved):,}" if saved > 0 else "never"
    return f"{1e3 * compiled_step:>14.2f}{compiling:>10.1f}{after:>12}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[128, 512])
    names = [*NETWORKS, "transformer"]
    parser.add_argument("--networks", nargs="+", choices=names, default=names)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    head = f"{'compiled ms':>14}{'compile s':>10}{'pays after':>12}"
    print(f"{'network':<14}{'batch':>6}{'depth':>6}{'plain ms':>10}{head}{head}  (foretold)", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "compiler")
        for name in chosen.networks:
            for batch in chosen.batch:
                measure(name, batch, chosen.device)


if __name__ == "__main__":
    main()
