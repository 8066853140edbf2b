"""Compiled steps: the plain ones' losses and gradients, whole trials, resuming, and what cannot be compiled."""

import math
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from skipray import architectures
from skipray.datasets import gaussian
from skipray.extension import catalog
from skipray.spec import DatasetSpec, ModelSpec, ProbeSpec, Recipe, Resources, TokenShape, TrialSpec
from skipray.trial import run_trial
from skipray.trial.channels_last import memory_format
from skipray.trial.compiling import CompilationFailed
from skipray.trial.compiling.compiled import FREE_CALLS, Compiled, compiler_settings
from skipray.trial.kept import LEFT
from skipray.trial.training import make_optimizer, to_device
from skipray.trial.training.step import Step

pytestmark = [pytest.mark.xdist_group("compiler"), pytest.mark.timeout(600)]
CPU = torch.device("cpu")
DATA = DatasetSpec(name="gaussian", options={"features": 16, "samples": 230, "classes": 4, "separation": 4.0})
MLP: dict[str, Any] = {
    "kind": "mlp", "depth": 4, "width": 8, "normalization": "batch", "initialisation": "he_normal",
    "activation": "relu",
}  # fmt: skip
CNN = MLP | {"kind": "cnn", "depth": 8, "width": 4, "layout": "cifar", "block": "basic", "shortcut": "B"}


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder that nothing may be written to. The compiler's is the one of every trial here: what it has kept
    of an earlier run of these tests spares them half of their time."""
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKIPRAY_CACHE", str(tmp_path_factory.mktemp("data")))
        patch.chdir(work)
        with compiler_settings(1):
            yield work


def recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {"epochs": 4, "batch_size": 50, "learning_rate": 0.05, "momentum": 0.9}
    values |= {"weight_decay": 1e-4, "schedule": "cosine", "augmentation": "none", "compile": "default"}
    return Recipe(**values | changes)


def trial(model: dict[str, Any] | None = None, **changes: Any) -> TrialSpec:
    return TrialSpec(
        sweep="test",
        dataset=DATA,
        fingerprint=gaussian.FINGERPRINT,
        model=ModelSpec(**{"architecture": "resnet", "residual_scale": 1} | MLP | (model or {})),
        recipe=recipe(**changes),
        probe=ProbeSpec(samples=32, preset="none"),
        seed=0,
        resources=Resources(),
    )


class Branching(nn.Module):
    """A network of one's own that the compiler cannot take in one graph."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.first(x.flatten(1)))
        if h.sum() < 0:
            h = -h
        return self.last(h)


class Counting(Branching):
    """Counts its passes, and computes with the count: at every step another network."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        return self.last(torch.relu(self.first(x.flatten(1)))) * self.passes


def built(architecture: str, shape: tuple[int, ...], **fields: Any) -> nn.Module:
    model = ModelSpec(architecture=architecture, **fields)
    return to_device(architectures.build(model, shape, 4, seed=1), CPU)


def transformer() -> nn.Module:
    options = {"heads": 2, "mlp_ratio": 2}
    return built(
        "transformer", TokenShape(5, 7), depth=1, width=8, initialisation="xavier", activation="gelu", options=options
    )


ROW, IMAGE = (1, 4, 4), (3, 8, 8)
NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "aggregated": (
        lambda: built("resnext", ROW, residual_scale=1, cardinality=2, group_width=4, **MLP | {"depth": 5}),
        ROW,
    ),
    "convolutional": (lambda: built("resnet", IMAGE, residual_scale=1, **CNN), IMAGE),
    "transformer": (transformer, TokenShape(5, 7)),
    "own": (Branching, (16,)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_losses_gradients_and_running_statistics_are_the_plain_ones(name: str) -> None:
    make, shape = NETWORKS[name]
    generator = torch.Generator().manual_seed(2)
    if isinstance(shape, TokenShape):
        x = torch.randint(shape.vocabulary, (20, *shape), generator=generator)
    else:
        x = torch.randn(20, *shape, generator=generator)
    y = torch.arange(20) % 4
    r = recipe(gradient_clip_norm=0.7, gradient_accumulation=2)
    found = []
    for compiles in (False, True):
        torch.manual_seed(3)
        network = make().train()
        choice = {"compile_seconds": 0.0}
        forward = Compiled(network, "default", choice) if compiles else None
        step = Step(network, r, make_optimizer(network, r), forward=forward)
        inputs = x.contiguous(memory_format=memory_format(network)) if x.ndim == 4 else x
        losses = [step.take(inputs, y, y, 0.05, None)[0] for _ in range(3)]
        gradients = {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}
        found.append((losses, gradients, {n: b.clone() for n, b in network.named_buffers()}))
        if isinstance(forward, Compiled):
            assert choice["compile_seconds"] > 0
            forward.close()
    (losses, gradients, buffers), (its_losses, its_gradients, its_buffers) = found
    assert gradients.keys() == its_gradients.keys()
    assert len(gradients) > 3
    torch.testing.assert_close(its_losses, losses, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(its_gradients, gradients, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(its_buffers, buffers, rtol=1e-4, atol=1e-6)


@pytest.mark.catalog
def test_every_family_is_taken_whole() -> None:
    """In one graph: nothing of it goes on as it was between compiled parts. Traced only, which takes little time."""
    fields = {"residual_scale": 1, "block": "basic", "shortcut": "B", "cardinality": 2, "group_width": 4}
    fields |= {"growth_rate": 4, "layout": "cifar", "dropout": 0.1, "stochastic_depth": 0.3, "layer_scale": 0.1}
    taken = []
    for name in catalog.names("architectures"):
        family = catalog.find("architectures", name)
        for kind in architectures.kinds(name) if name != "transformer" else ():
            read = {key: value for key, value in fields.items() if key in family.fields(kind)}
            network = shallowest(name, {**MLP, "kind": kind, **read}, IMAGE if kind == "cnn" else ROW).train()
            torch.compiler.reset()
            whole = torch.compile(network, backend="eager", dynamic=False, fullgraph=True)
            whole(torch.randn(6, *(IMAGE if kind == "cnn" else ROW))).sum().backward()
            taken.append((name, kind))
    torch.compiler.reset()
    assert len(taken) > 12


def shallowest(architecture: str, fields: dict[str, Any], shape: tuple[int, ...]) -> nn.Module:
    """A family's smallest network, normalized where it can be."""
    for normalization, initialisation in (("batch", "he_normal"), ("none", "he_normal"), ("none", "fixup")):
        for depth in range(3, 20):
            values = fields | {"normalization": normalization, "initialisation": initialisation, "depth": depth}
            with suppress(ValueError):
                return built(architecture, shape, **values)
    raise AssertionError(f"{architecture} has no depth below 20")


class Kept:
    """A checkpoint in memory, and an interruption after some calls."""

    def __init__(self, calls: float) -> None:
        self.state: bytes | None = None
        self.left = calls

    def load(self) -> bytes | None:
        return self.state

    def save(self, state: bytes) -> None:
        self.state = state

    def call(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


def test_whole_trials(folders: Path) -> None:
    plain = run_trial(trial(compile="none"))
    assert "compile" not in plain.environment
    assert plain.compiling == {}
    compiled = run_trial(trial())
    assert compiled.environment["compile"] == "default"
    assert compiled.compiling["asked"] == compiled.compiling["ran"] == "default"
    assert compiled.compiling["compile_seconds"] > 0
    for a, b in zip(plain.epochs, compiled.epochs, strict=True):
        for part in ("train", "test"):
            assert math.isclose(a.metrics[f"{part}.loss"], b.metrics[f"{part}.loss"], rel_tol=1e-3)
    assert run_trial(trial()).weights == compiled.weights, "again in the same process, from what was kept"
    for calls in (5, 12):  # in the first epoch and the second, at batches of either size
        kept = Kept(calls)
        with pytest.raises(KeyboardInterrupt):
            run_trial(trial(), checkpoints=kept, interrupted=kept.call)
        kept.left = math.inf
        resumed = run_trial(trial(), checkpoints=kept, interrupted=kept.call)
        assert kept.state is not None
        assert resumed.weights == compiled.weights
        assert [e.metrics for e in resumed.epochs] == [e.metrics for e in compiled.epochs]
    assert run_trial(trial(compile="none")).weights == plain.weights, "a plain trial after compiled ones"
    assert not LEFT, "the process goes on as it was"
    assert not list(folders.iterdir()), "nothing lands in the working folder"


def own(monkeypatch: pytest.MonkeyPatch, kind: type[nn.Module]) -> TrialSpec:
    module: Any = types.ModuleType("mine")
    module.family = types.SimpleNamespace(build=lambda model, shape, classes: kind())
    monkeypatch.setitem(sys.modules, "mine", module)
    return trial(model={"architecture": "mine:family"})


def test_a_network_that_is_another_at_every_step_is_refused() -> None:
    compiled = Compiled(Counting().train(), "default", {"compile_seconds": 0.0})
    for _ in range(FREE_CALLS):
        compiled(torch.ones(2, 16))
    with pytest.raises(CompilationFailed, match=r"changes at every step .* allowed: none, auto"):
        compiled(torch.ones(2, 16))
    compiled.close()


def test_what_the_network_itself_raises_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    class Raises(Branching):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training and len(x) > 2:
                raise ZeroDivisionError("mine")
            return super().forward(x)

    with pytest.raises(ZeroDivisionError, match="mine"):
        run_trial(own(monkeypatch, Raises))


CODE = """\
import pickle, sys
from skipray.trial import run_trial
spec = pickle.load(open(sys.argv[1], 'rb'))
try:
    run_trial(spec)
    print('dynamo' if 'torch._dynamo' in sys.modules else 'no dynamo')
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("default", "CompilationFailed found default, at which torch.compile fails: .*; allowed: none, auto"),
        ("none", "no dynamo"),
        ("auto", "no dynamo"),
    ],
)
def test_without_a_compiler(mode: str, words: str, tmp_path: Path) -> None:
    """In a process of its own: torch looks for the compiler once. A trial that compiles nothing imports none of it."""
    import pickle
    import re

    (tmp_path / "trial").write_bytes(pickle.dumps(trial(compile=mode)))
    environment = os.environ | {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "compiler")}
    done = subprocess.run(
        [sys.executable, "-c", CODE, tmp_path / "trial"],
        capture_output=True, text=True, timeout=300, env=environment, check=True,
    )  # fmt: skip
    assert re.search(words, done.stdout), (done.stdout, done.stderr[-2000:])
