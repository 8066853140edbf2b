"""What code of the user's keeps beside a network's tensors: a resumed trial has it, and the next trial has not."""

import importlib
import sys

import pytest
import torch
from safetensors.torch import load as load_tensors

from skipray.execution.measuring import measure_weights
from skipray.metrics.computing.remembered import Remembered, module_state
from skipray.spec import load_sweep
from skipray.trial import run_trial

CODE = """
import torch
from torch import nn

def flat(*layers):
    return nn.Sequential(nn.Flatten(), *layers)

class Counts(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.net = flat(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, classes))
        self.passes = 0
        self.prepare()
    def prepare(self):
        pass
    def forward(self, x):
        self.passes += self.training
        self.at(self.passes)
        return self.net(x)
    def at(self, passes):
        pass

class Freezes(Counts):
    def at(self, passes):
        if passes == 4:
            self.net[3].requires_grad_(False)

class Thaws(Counts):
    def prepare(self):
        self.net[3].requires_grad_(False)
    def at(self, passes):
        if passes == 4:
            self.net[3].requires_grad_(True)

class Swaps(Counts):
    def at(self, passes):
        if passes == 4:
            self.net[2] = nn.Tanh()

class Renews(Counts):
    def at(self, passes):
        self.net[2] = nn.ReLU()

class Grows(Counts):
    def at(self, passes):
        if passes == 4:
            self.net[3].weight = nn.Parameter(self.net[3].weight.detach().clone())

SEEN, BUILT = [], 0

class Remembers(Counts):
    def forward(self, x):
        global SUM
        SUM = globals().get("SUM", 0) + self.training
        return super().forward(x) * (1 + SUM / 10)

def of(kind):
    class Family:
        @staticmethod
        def build(model, input_shape, classes):
            global BUILT
            BUILT += 1
            return kind(classes)
    return Family

plain, freezes, thaws, swaps, renews, grows, remembers = map(
    of, (Counts, Freezes, Thaws, Swaps, Renews, Grows, Remembers))

def growing_loss(scores, targets, _calls=[0]):
    if scores.requires_grad:
        SEEN.append(1)
        _calls[0] += 1
        growing_loss.calls = getattr(growing_loss, "calls", 0) + 1
    return nn.functional.cross_entropy(scores, targets) * (1 + len(SEEN) / 10)

def falling(step, steps):
    falling.calls = getattr(falling, "calls", 0) + 1
    SEEN.append(step)
    return 1 / len(SEEN)

class Slows(torch.optim.SGD):
    def __init__(self, params, lr, weight_decay=0.0):
        super().__init__(params, lr=lr, momentum=0.9, weight_decay=weight_decay)
        self.count, self.first = 0, None
    def step(self, closure=None):
        self.count += 1
        self.first = self.param_groups[0]["params"][0]
        for group in self.param_groups:
            group["lr"] = group["lr"] / self.count
        return super().step(closure)

class Wraps(torch.optim.Optimizer):
    def __init__(self, params, lr, weight_decay=0.0):
        super().__init__(params, {"lr": lr})
        self.inner = torch.optim.Adam([p for g in self.param_groups for p in g["params"]], lr=lr)
    def step(self, closure=None):
        self.inner.param_groups[0]["lr"] = self.param_groups[0]["lr"]
        return self.inner.step(closure)

class Spares(Slows):
    def __init__(self, params, lr, weight_decay=0.0):
        super().__init__([p for p in params if p.ndim > 1], lr, weight_decay)

class Opaque(Slows):
    def step(self, closure=None):
        self.beyond = (n for n in range(3))
        return super().step(closure)
"""
SWEEP = """\
name: state
question: How deep?
dataset: {name: gaussian, options: {features: 16, samples: 100, classes: 4}}
model: {}
recipe: {epochs: 3, batch_size: 30, learning_rate: 0.05, weight_decay: 0.01, schedule: constant, augmentation: none,
  optimizer: adamw}
probe: {samples: 8}
factors: {architecture: ["stateful_code:NAME"], depth: [2]}
seeds: [0]
resources: {checkpoint_seconds: 1.0e-9}
tracking: {save_weights: true}
"""


@pytest.fixture(scope="module", autouse=True)
def code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stateful")
    (folder / "stateful_code.py").write_text(CODE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("SKIPRAY_CACHE", str(folder / "cache"))
        yield importlib.import_module("stateful_code")
    sys.modules.pop("stateful_code", None)


def trial(folder, name, *overrides):
    (folder / "state.yaml").write_text(SWEEP.replace("NAME", name))
    return load_sweep(folder / "state.yaml", overrides).trials()[0]


class Interrupted(Exception):
    pass


class Kept:
    state = None

    def load(self):
        return self.state

    def save(self, state):
        self.state = state


def resumed(spec, after, refused):
    """A trial that is interrupted once."""
    calls, kept = 0, Kept()

    def interrupt():
        nonlocal calls
        calls += 1
        if calls == after:
            raise Interrupted

    with pytest.raises(Interrupted):
        run_trial(spec, checkpoints=kept, interrupted=interrupt)
    return run_trial(spec, checkpoints=kept, on_refused=refused.append)


def essence(record):
    return record.outcome, [(e.epoch, e.metrics) for e in record.epochs], record.weights


OPTIMIZER = "recipe.optimizer=stateful_code:"


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("freezes", ()), ("thaws", ()), ("swaps", ()), ("renews", ()), ("remembers", ()),
        ("plain", ("recipe.loss=stateful_code:growing_loss",)), ("plain", ("recipe.schedule=stateful_code:falling",)),
        *(("plain", (f"{OPTIMIZER}{name}",)) for name in ("Slows", "Spares", "Wraps", "Opaque")),
        ("thaws", ("recipe.optimizer=null", "recipe.momentum=0.9")),
    ],
)  # fmt: skip
def test_a_resumed_and_a_later_trial_have_the_same_bits(tmp_path, code, name, overrides):
    spec = trial(tmp_path, name, *overrides)
    whole = essence(run_trial(spec))
    assert essence(run_trial(spec)) == whole, "in a process that has run one"
    assert (code.SEEN, code.BUILT, hasattr(code, "SUM")) == ([], 0, False)
    assert not vars(code.growing_loss)
    assert code.growing_loss.__defaults__ == ([0],)
    refused: list[str] = []
    for after in (6, 9, 13, 14):
        assert essence(resumed(spec, after, refused)) == whole, after
    starts_over = {"swaps": "a module that was replaced", f"{OPTIMIZER}Opaque": "the optimizer's beyond, a generator"}
    expected = [why for key, why in starts_over.items() if key in (name, *overrides)]
    assert all(any(why in said for why in expected) for said in refused)
    assert bool(refused) == bool(expected)


def test_what_is_thawed_is_trained_as_torch_trains_it(tmp_path, code):
    """The loop that a user would write: all parameters are the optimizer's."""
    spec, start = trial(tmp_path, "thaws"), trial(tmp_path, "thaws", "recipe.epochs=0")
    before, after = (load_tensors(run_trial(s).weights)["net.3.weight"] for s in (start, spec))
    assert not torch.equal(before, after)
    still = load_tensors(run_trial(trial(tmp_path, "thaws", "recipe.epochs=1", "recipe.batch_size=90")).weights)
    assert torch.equal(before, still["net.3.weight"])


def test_parameters_that_no_optimizer_has_end_the_trial(tmp_path, code):
    with pytest.raises(ValueError, match=r"found parameters that no optimizer trains \(net.3.weight\): they were made"):
        run_trial(trial(tmp_path, "grows"))
    with pytest.raises(ValueError, match=r"no optimizer trains \(net.3.weight, net.3.bias\)"):
        run_trial(trial(tmp_path, "thaws", f"{OPTIMIZER}Slows"))


def test_what_is_large_or_a_librarys_in_a_module_is_left_alone(tmp_path, monkeypatch):
    """To copy it for each measurement would cost more than the trial."""
    (tmp_path / "holds_much.py").write_text(
        "import os, numpy as np, pandas as pd, torch\nfrom torch import nn\n"
        "BIG = {'x': [np.zeros((2000, 1000))]}\nWORDS = list(map(str, range(100_000)))\n"
        "FRAME = pd.DataFrame({'a': [1]})\nTEACHER = nn.Linear(2000, 1000)\n"
        "SMALL, HEAD, COUNT, NAME = [1, [2]], nn.Linear(2, 2), 3, 'x'\n"
        "class Mine:\n    pass\nOWN = Mine()\ndef f():\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("holds_much")
    assert set(module_state(module)) == {"SMALL", "HEAD", "COUNT", "NAME", "Mine", "OWN", "f"}
    before = Remembered(torch.nn.Module(), [module])
    module.SMALL[1].append(3)
    module.COUNT, module.NEW, module.OWN.field = 4, 5, 6
    before.put_back()
    assert (module.SMALL, module.COUNT, hasattr(module, "NEW"), vars(module.OWN)) == ([1, [2]], 3, False, {})
    sys.modules.pop("holds_much")


@pytest.mark.parametrize(
    ("name", "overrides"),
    [("remembers", ()), ("freezes", ()), ("plain", ("recipe.loss=stateful_code:growing_loss",))],
)
def test_saved_weights_are_measured_with_what_the_trial_kept(tmp_path, code, name, overrides):
    """The same as at the trial's end; and nothing of it is left."""
    spec = trial(tmp_path, name, *overrides, "probe.preset=full")
    record = run_trial(spec)
    last = record.epochs[-1].metrics
    for _ in range(2):
        found = measure_weights(spec, record.weights, epoch=3)
        assert {key: last[key] for key in found.metrics if "update" not in key} == {
            key: value for key, value in found.metrics.items() if "update" not in key
        }
        assert {"flatness", "margin.q50"} <= found.metrics.keys()
        assert (code.SEEN, code.BUILT, hasattr(code, "SUM")) == ([], 0, False)
