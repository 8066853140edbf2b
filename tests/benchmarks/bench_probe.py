"""The default probe of convolutional networks against forward hooks and `torch.linalg.svdvals`, same statistics.

    python tests/benchmarks/bench_probe.py [resnet:56 plainnet:110:none ...] [--samples 256] [--size 28]

The baseline is what one would write: hooks keep every layer's output, then each unfolding, raw and centred, is made
float64 and decomposed. Statistics are those of skipray in both, from the spectra. Every layer's singular values are
compared. Peak memory is what the process adds to its resident size while measuring (a thread samples it), with the
allocator as it comes. It contains the forward pass itself, which neither side can do without: a process of its own
measures that, and what a side holds beyond it is what the memory target is about. (glibc keeps freed blocks, so that
the same run's size varies by some 20 MiB.)
The network is laid out in memory as trials have it.
Each side runs in a process of its own; times are CPU seconds of that process.
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time

from _figures import print_figure


def network(name: str, depth: int, size: int, normalization: str = "batch"):
    import torch

    from skipray import architectures
    from skipray.spec import ModelSpec
    from skipray.trial.training import to_device

    residual = {"residual_scale": 1, "shortcut": "A"} if name != "plainnet" else {}
    model = ModelSpec(
        architecture=name, depth=depth, kind="cnn", width=16, normalization=normalization, initialisation="he_normal",
        activation="relu", block="basic", layout="cifar", **residual,
    )  # fmt: skip
    return to_device(architectures.build(model, (1, size, size), 10, seed=0), torch.device("cpu"))


class PeakMemory:
    """Largest growth of the resident size while inside, in bytes."""

    def __enter__(self) -> "PeakMemory":
        import psutil

        self.process, self.running, self.peak = psutil.Process(), True, 0
        self.start = self.process.memory_info().rss
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while self.running:
            self.peak = max(self.peak, self.process.memory_info().rss - self.start)
            time.sleep(0.002)

    def __exit__(self, *_: object) -> None:
        self.running = False
        self.thread.join()


def bare(net, inputs):
    import torch

    with torch.no_grad():
        net.train()
        net(inputs)
    return {}


def baseline(net, inputs):
    import torch

    from skipray.metrics import LayerMetric, chosen
    from skipray.metrics.computing.spectra import Spectra

    kept = {}
    layers = net.hidden_layers()
    hooks = [layer.output.register_forward_hook(lambda m, a, out, n=layer.name: kept.update({n: out}))
             for layer in layers]  # fmt: skip
    net.train()
    with torch.no_grad():
        net(inputs)
    for hook in hooks:
        hook.remove()
    spectra = {}
    for name, out in kept.items():
        for mode in range(out.ndim):
            for centred in (False, True):
                x = out.double()
                x = x - x.mean(0) if centred else x
                unfolded = x.movedim(mode, 0).reshape(x.shape[mode], -1)
                spectra[f"{name}/{mode}/{centred}"] = torch.linalg.svdvals(unfolded).numpy()
    for name, parameter in net.named_parameters():
        for mode in range(parameter.ndim) if parameter.ndim == 4 else ():
            unfolded = parameter.detach().double().movedim(mode, 0).reshape(parameter.shape[mode], -1)
            spectra[f"{name}/{mode}/False"] = torch.linalg.svdvals(unfolded).numpy()
    many = Spectra(list(spectra.values()), [len(s) for s in spectra.values()], [2.0**-23] * len(spectra))
    for entry in chosen():
        if isinstance(entry.metric, LayerMetric) and entry.metric.reads == "spectrum":
            entry.measure(many)
    return spectra


def ours(net, inputs, labels):
    from skipray.probe import measure
    from skipray.spec import ProbeSpec

    return measure(net, inputs, labels, ProbeSpec(), epoch=0).spectra


def one_side(side: str, name: str, depth: int, normalization: str, samples: int, size: int) -> None:
    import numpy as np
    import torch

    torch.set_num_threads(1)
    net = network(name, depth, size, normalization)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(samples, 1, size, size, generator=generator)
    labels = torch.randint(10, (samples,), generator=generator)
    measured = {
        "forward": lambda net, inputs, labels: bare(net, inputs),
        "baseline": lambda net, inputs, labels: baseline(net, inputs),
        "skipray": ours,
    }[side]
    # Whatever is loaded and allocated on a first call is no part of either side.
    measured(network("plainnet", 8, 8), inputs[:4, :, :8, :8], labels[:4])
    with PeakMemory() as memory:
        start = time.process_time()
        spectra = measured(net, inputs, labels)
        seconds = time.process_time() - start
    hidden = [s for key, s in spectra.items() if len(s) == samples]
    kappa = float(np.median([s[0] / max(s[-2], 1e-30) for s in hidden])) if hidden else 0.0
    print(
        json.dumps(
            {
                "seconds": seconds,
                "peak_mib": memory.peak / 2**20,
                "spectra": len(spectra),
                "kappa": kappa,
            }
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("networks", nargs="*", default=["resnet:56", "plainnet:110"])
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--side")
    arguments = parser.parse_args()
    if arguments.side:
        family, layers, *normalization = arguments.networks[0].split(":")
        kind = normalization[0] if normalization else "batch"
        one_side(arguments.side, family, int(layers), kind, arguments.samples, arguments.size)
        raise SystemExit(0)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    worst = 0
    print(f"{'network':>17} {'side':>9} {'CPU s':>8} {'peak MiB':>9} {'spectra':>8} {'median kappa':>13}")
    for chosen in arguments.networks:
        found = {}
        for which in ("forward", "skipray", "baseline"):
            command = [sys.executable, __file__, chosen, "--side", which, "--samples", str(arguments.samples),
                       "--size", str(arguments.size)]  # fmt: skip
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            found[which] = json.loads(done.stdout.splitlines()[-1])
            r = found[which]
            print(f"{chosen:>17} {which:>9} {r['seconds']:>8.2f} {r['peak_mib']:>9.0f} {r['spectra']:>8} "
                  f"{r['kappa']:>13.2g}", flush=True)  # fmt: skip
        speed = found["baseline"]["seconds"] / found["skipray"]["seconds"]
        whole = found["baseline"]["peak_mib"] / found["skipray"]["peak_mib"]
        beyond = {side: found[side]["peak_mib"] - found["forward"]["peak_mib"] for side in ("skipray", "baseline")}
        memory = beyond["baseline"] / max(beyond["skipray"], 1.0)
        well = found["skipray"]["kappa"] < 1e4
        print(f"{chosen:>17} {'ratio':>9} {speed:>8.1f} {whole:>9.1f}   beyond the forward pass {memory:.1f}; "
              f"targets: {4 if well else 1} in time, 5 in memory beyond the forward pass", flush=True)  # fmt: skip
        print_figure(
            f"probe, {chosen}, {arguments.samples} samples",
            found["skipray"]["seconds"],
            {"hooks and torch.linalg.svdvals": found["baseline"]["seconds"]},
            unit="s of CPU",
        )
        worst |= speed < (4 if well else 1) or memory < 5
    raise SystemExit(int(worst))
