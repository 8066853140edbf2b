"""A training step beside a plain torch loop over the same network, and beside the network's matrix products alone.

    python tests/benchmarks/bench_step.py [--rounds 5] [--steps 48] [--batch 64 128 512] [--networks plain residual ...]

skipray: `skipray.trial.training.train` over data in memory, as a trial calls it, with the draw of the batches, the
learning rate and the check of the loss. Loop: what one would write, nn.Sequential blocks of nn.Linear, nn.BatchNorm1d
and torch.relu, torch.optim.SGD with its defaults, the same batches; for convolutions torchvision's BasicBlock and
Bottleneck in the CIFAR layout. Products: the matrix products (convolutions) of a step forward and backward, on tensors
that are there. One thread. skipray's side runs in a process with the environment of a launch's workers
(`allocator_variables`), the others in one as a shell starts it. Rounds alternate the three; what is written is each
one's median, and the ratios' medians over the rounds, which the machine's noise moves least.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from _figures import print_figure
from torch import nn
from torch.nn import functional as F

from skipray import architectures
from skipray.datasets import Splits
from skipray.scheduling.ray.settings import allocator_variables
from skipray.spec import ModelSpec, Recipe
from skipray.trial.training import TrainingProgress, make_optimizer, to_device, train

FEATURES, CLASSES, WIDTH, DEPTH = (1, 8, 8), 10, 64, 56
IMAGE, CHANNELS, CNN_DEPTH = (3, 32, 32), 16, 20
NETWORKS = {
    "plain": ("plainnet", "mlp"),
    "residual": ("resnet", "mlp"),
    "aggregated": ("resnext", "mlp"),
    "convolutional": ("resnet", "cnn"),
}
CARDINALITY, GROUP_WIDTH = 4, 20
Timed = Callable[[], float]
"""Runs some steps; seconds per step."""


def _now(device: torch.device) -> float:
    """CPU seconds of this thread alone, whatever else the machine does; on a GPU, when it is done."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def spec(family: str, kind: str) -> ModelSpec:
    """The quickstart's networks; of convolutions, CIFAR's 20 layers of 16 channels."""
    values: dict[str, Any] = {"normalization": "batch", "initialisation": "he_normal", "activation": "relu"}
    if kind == "cnn":
        values |= {"width": CHANNELS, "depth": CNN_DEPTH, "layout": "cifar", "block": "basic", "shortcut": "B"}
    else:
        values |= {"width": WIDTH, "depth": DEPTH}
    if family != "plainnet":
        values["residual_scale"] = 1
    if family == "resnext":
        values |= {"cardinality": CARDINALITY, "group_width": GROUP_WIDTH}
    return ModelSpec(architecture=family, kind=kind, **values)


class Grouped(nn.Module):
    """Equal linear maps side by side, as one batch of matrix products."""

    def __init__(self, inputs: int, outputs: int, groups: int):
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(0.1 * torch.randn(groups, inputs // groups, outputs // groups))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side_by_side = torch.bmm(x.view(len(x), self.groups, -1).transpose(0, 1), self.weight)
        return side_by_side.transpose(0, 1).flatten(1)


class Residual(nn.Module):
    def __init__(self, branch: nn.Module, shortcut: nn.Module | None):
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.branch(x) + (x if self.shortcut is None else self.shortcut(x)))


def written_by_hand(network: nn.Module) -> nn.Module:
    """The same layers in the same order as one writes them, from the shapes of skipray's weights."""
    blocks: list[nn.Module] = [nn.Flatten(), *_layer(network.stem.linear), nn.ReLU()]  # type: ignore[union-attr,arg-type]
    for block in network.blocks:  # type: ignore[union-attr]
        layers = [m for name, m in block.named_children() if name.startswith("linear")]
        parts: list[nn.Module] = []
        for i, layer in enumerate(layers):
            parts += _layer(layer) + ([nn.ReLU()] if i < len(layers) - 1 else [])
        branch = nn.Sequential(*parts)
        blocks.append(nn.Sequential(branch, nn.ReLU()) if block.shortcut is None else Residual(branch, None))
    classifier = network.classifier
    return nn.Sequential(*blocks, nn.Linear(classifier.in_features, classifier.out_features))  # type: ignore[union-attr,arg-type]


def _layer(layer: Any) -> list[nn.Module]:
    outputs, inputs = layer.weight.shape
    groups = getattr(layer, "groups", 1)
    made = (
        nn.Linear(inputs, outputs, bias=layer.bias is not None)
        if groups == 1
        else Grouped(inputs * groups, outputs, groups)
    )
    return [made, nn.BatchNorm1d(outputs)]


def torchvisions_blocks() -> nn.Module:
    """He et al. 2015, section 4.2, from torchvision's own blocks: its ResNet has the ImageNet layout only."""
    from torchvision.models.resnet import BasicBlock

    layers: list[nn.Module] = [nn.Conv2d(3, CHANNELS, 3, 1, 1, bias=False), nn.BatchNorm2d(CHANNELS), nn.ReLU(True)]
    inputs = CHANNELS
    for stage in range(3):
        outputs = CHANNELS * 2**stage
        for i in range((CNN_DEPTH - 2) // 6):
            stride = 2 if stage and not i else 1
            shortcut = None
            if stride > 1:
                shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            layers.append(BasicBlock(inputs, outputs, stride, shortcut))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES))


def recipe(batch: int) -> Recipe:
    return Recipe(
        epochs=1,
        batch_size=batch,
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=1e-4,
        schedule="constant",
        augmentation="none",
    )


def skiprays(network: nn.Module, x: torch.Tensor, y: torch.Tensor, batch: int) -> Timed:
    shape = (x.shape[1], 1, 1)
    splits = Splits(
        train_x=x, train_y=y, validation_x=x[:1], validation_y=y[:1], test_x=x[:1], test_y=y[:1],
        balanced=torch.arange(len(x), device=x.device), mean=torch.zeros(shape, device=x.device),
        std=torch.ones(shape, device=x.device), classes=CLASSES, flip=False,
    )  # fmt: skip
    network = to_device(network, x.device)
    optimizer = make_optimizer(network, recipe(batch))

    def run() -> float:
        began = _now(x.device)
        train(
            network, splits, recipe(batch), 0, optimizer=optimizer, progress=TrainingProgress(),
            on_step=lambda: None, on_epoch=lambda end: None,
        )  # fmt: skip
        return (_now(x.device) - began) / (len(x) // batch)

    return run


def loop(network: nn.Module, x: torch.Tensor, y: torch.Tensor, batch: int) -> Timed:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    network.train()

    def run() -> float:
        began = _now(x.device)
        for chosen in torch.randperm(len(x), device=x.device).split(batch):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(x[chosen]), y[chosen])
            loss.backward()
            optimizer.step()
            assert torch.isfinite(loss)
        return (_now(x.device) - began) / (len(x) // batch)

    return run


def products(network: nn.Module, x: torch.Tensor, batch: int, steps: int) -> Timed:
    """Each weight's product forward, for its gradient, and (but for the first layer) for its input's."""
    seen: list[tuple[nn.Module, torch.Tensor, torch.Tensor]] = []
    linear = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | Grouped)]
    hooks = [m.register_forward_hook(lambda m, i, o: seen.append((m, i[0].detach(), o.detach()))) for m in linear]
    network(x[:batch])
    for hook in hooks:
        hook.remove()

    def run() -> float:
        began = _now(x.device)
        for _ in range(steps):
            for i, (module, inputs, outputs) in enumerate(seen):
                _products_of(module, inputs, outputs, first=i == 0)
        return (_now(x.device) - began) / steps

    return run


def _products_of(module: Any, inputs: torch.Tensor, outputs: torch.Tensor, *, first: bool) -> None:
    weight = module.weight.detach()
    if isinstance(module, nn.Linear):
        F.linear(inputs, weight)
        outputs.t() @ inputs
        if not first:
            outputs @ weight
        return
    if isinstance(module, Grouped):
        x, gradient = (t.view(len(t), module.groups, -1).transpose(0, 1) for t in (inputs, outputs))
        torch.bmm(x, weight)
        torch.bmm(x.transpose(1, 2), gradient)
        torch.bmm(gradient, weight.transpose(1, 2))
        return
    sizes = (module.stride, module.padding, module.dilation)
    transposed = [0] * len(module.stride)
    torch.convolution(inputs, weight, None, *sizes, False, transposed, module.groups)
    torch.ops.aten.convolution_backward(
        outputs, inputs, weight, None, *sizes, False, transposed, module.groups, (not first, True, False)
    )


def side(name: str, batch: int, steps: int, device: torch.device, which: str) -> list[Timed]:
    """What one process times: skipray's step; or the loop's, and the products alone."""
    family, kind = NETWORKS[name]
    shape = IMAGE if kind == "cnn" else FEATURES
    x = torch.randn(batch * steps, *shape, generator=torch.Generator().manual_seed(0)).to(device)
    y = torch.arange(len(x), device=device) % CLASSES
    network = architectures.build(spec(family, kind), shape, CLASSES, seed=0)
    if which == "skipray":
        return [skiprays(network, x, y, batch)]
    by_hand = (torchvisions_blocks() if kind == "cnn" else written_by_hand(network)).to(device)
    count, count_by_hand = (sum(p.numel() for p in n.parameters()) for n in (network, by_hand))
    assert abs(count - count_by_hand) < 0.01 * count, "the networks compared are the same"
    return [loop(by_hand, x, y, batch), products(by_hand, x, batch, steps)]


def serve(connection: Any, *given: Any) -> None:
    """Runs a round of a side for each word that comes."""
    torch.set_num_threads(1)
    timed = side(*given)
    while connection.recv():
        connection.send([one() for one in timed])


def measure(name: str, batch: int, rounds: int, steps: int, device: torch.device) -> None:
    spawn = multiprocessing.get_context("spawn")
    ends = []
    for which, variables in (("skipray", allocator_variables()), ("loop", {})):
        ours, theirs = spawn.Pipe()
        os.environ.update(variables)
        process = spawn.Process(target=serve, args=(theirs, name, batch, steps, device, which), daemon=True)
        process.start()
        for key in variables:
            del os.environ[key]
        ends.append((ours, process))
    times = []
    for _ in range(rounds + 1):
        found: list[float] = []
        for end, _ in ends:  # one after the other
            end.send(True)
            found += end.recv()
        times.append(found)
    for end, process in ends:
        end.send(False)
        process.join()
    del times[0]  # what is done once
    ours, theirs, alone = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
    to_loop = statistics.median(t[0] / t[1] for t in times)
    to_products = statistics.median(t[0] / t[2] for t in times)
    print(
        f"{name:<14}{batch:>6}{ours:>12.2f}{theirs:>12.2f}{alone:>12.2f}{to_loop:>10.2f}{to_products:>12.2f}",
        flush=True,
    )
    print_figure(
        f"training step, {name}, batch {batch}",
        ours,
        {"a plain torch loop": ours / to_loop},
        unit="ms, median",
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 128, 512])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("network        batch  skipray ms     loop ms products ms   to loop to products")
    for name in chosen.networks:
        for batch in chosen.batch:
            measure(name, batch, chosen.rounds, chosen.steps, torch.device(chosen.device))


if __name__ == "__main__":
    main()
