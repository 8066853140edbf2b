"""What a network remembers in attributes: a probe leaves it as it was, and a state in mid-training has it."""

import pickle
import random
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from skipray import architectures
from skipray.metrics.computing.as_found import as_found
from skipray.metrics.computing.remembered import remembers_nothing
from skipray.probe import probe
from skipray.spec import load_sweep
from skipray.trial.training.rest import Rest
from skipray.trial.training.state import CheckpointRefused, put_tensors, saved_tensors


@dataclass
class Helper:
    steps: int = 0
    seen: list = field(default_factory=list)
    of_all = 0

    def step(self):
        self.steps += 1
        self.seen.append({"at": self.steps})


class Slotted:
    __slots__ = ("mean",)

    def __init__(self):
        self.mean = torch.zeros(2)


class Ledger(dict):
    pass


class Phase(Enum):
    WARM, DONE = 1, 2


class Pair(NamedTuple):
    first: torch.Tensor
    second: int


def rebound(name, change):
    def step(net):
        setattr(net, name, change(getattr(net, name)))

    return step


def of_class(net):
    type(net).STEPS = getattr(type(net), "STEPS", 0) + 1


def kept(make, step):
    """A build of what the attribute `kept` has, and what a pass in training does to it."""
    return make, lambda net: step(net.kept)


KINDS = {
    "number": (lambda: 0, rebound("kept", lambda n: n + 1)),
    "numpy number": (lambda: np.float64(0), rebound("kept", lambda n: n + np.float64(0.1))),
    "complex": (lambda: 0j, rebound("kept", lambda n: n + 1j)),
    "tensor in place": kept(lambda: torch.zeros(2), lambda t: t.add_(1)),
    "tensor anew": (lambda: torch.zeros(2), rebound("kept", lambda t: t + 1)),
    "sign of a zero": kept(lambda: torch.zeros(2), lambda t: t.neg_()),
    "array": kept(lambda: np.zeros(2), lambda a: a.__iadd__(1)),
    "growing array": (lambda: np.zeros(0), rebound("kept", lambda a: np.append(a, 1.0))),
    "list of tensors": kept(lambda: [torch.zeros(())], lambda held: held[0].add_(1)),
    "tuple of tensors": kept(lambda: (torch.zeros(()), 1), lambda held: held[0].add_(1)),
    "named tuple": kept(lambda: Pair(torch.zeros(()), 1), lambda held: held.first.add_(1)),
    "nested": kept(lambda: {"a": {"n": [0]}}, lambda held: held["a"]["n"].append(1)),
    "deque": kept(lambda: deque(maxlen=3), lambda held: held.append(len(held) + 0.5)),
    "counter": kept(Counter, lambda held: held.update("ab")),
    "ordered": kept(lambda: OrderedDict(a=1, b=2), lambda held: held.move_to_end("a")),
    "default": kept(lambda: defaultdict(list), lambda held: held["a"].append(1)),
    "set": kept(set, lambda held: held.add(len(held))),
    "own mapping": kept(lambda: Ledger(n=0), lambda held: held.update(n=held["n"] + 1)),
    "python": kept(lambda: random.Random(1), lambda g: g.random()),
    "torch": kept(lambda: torch.Generator().manual_seed(1), lambda g: torch.rand(2, generator=g)),
    "numpy": kept(lambda: np.random.default_rng(1), lambda g: g.normal()),
    "numpy legacy": kept(lambda: np.random.RandomState(1), lambda g: g.normal()),
    "bits": kept(lambda: np.random.PCG64(1), lambda g: g.random_raw()),
    "helper": kept(Helper, Helper.step),
    "method of a helper": kept(lambda: Helper().step, lambda step: step()),
    "partial": kept(lambda: partial(Helper.step, Helper()), lambda step: step()),
    "namespace": kept(lambda: SimpleNamespace(n=0), lambda held: setattr(held, "n", held.n + 1)),
    "slots": kept(Slotted, lambda held: held.mean.add_(1)),
    "helper's new attribute": kept(Helper, lambda held: setattr(held, "late", 3)),
    "helpers in a list": kept(lambda: [Helper(), Helper()], lambda held: held[1].step()),
    "hidden module": kept(lambda: [nn.BatchNorm1d(2)], lambda held: held[0](torch.ones(3, 2))),
    "enum": (lambda: Phase.WARM, rebound("kept", lambda _: Phase.DONE)),
    "removed": (lambda: 1, lambda net: vars(net).pop("kept", None)),
    "class": (lambda: None, of_class),
    "helper's class": kept(Helper, lambda held: setattr(Helper, "of_all", Helper.of_all + 1)),
    "buffer": (lambda: None, lambda net: net.running.add_(1)),
}


def build(kind):
    make, step = KINDS[kind]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Linear(3, 4)
            self.kept = make()
            self.register_buffer("running", torch.zeros(2), persistent=False)

        def forward(self, x):
            if self.training:
                step(self)
            return self.map(x)

    return Net()


def told(value):
    """All that an object remembers, as text."""
    if isinstance(value, nn.Module):
        buffers = {name: told(buffer) for name, buffer in value.named_buffers()}
        return (
            told({n: v for n, v in vars(value).items() if n in ("kept", "STEPS")}),
            buffers,
            vars(type(value)).get("STEPS"),
        )
    if isinstance(value, torch.Generator):
        return told(value.get_state())
    if isinstance(value, torch.Tensor | np.ndarray):
        return repr(value.tolist())
    if isinstance(value, random.Random | np.random.Generator | np.random.RandomState | np.random.BitGenerator):
        return pickle.dumps(value)
    if isinstance(value, dict):
        return type(value).__name__, [(key, told(item)) for key, item in value.items()]
    if isinstance(value, list | tuple | deque | set):
        return type(value).__name__, getattr(value, "maxlen", None), [told(item) for item in value]
    if isinstance(value, Slotted):
        return told(value.mean)
    if isinstance(value, Helper | SimpleNamespace):
        return told(vars(value)), Helper.of_all
    if isinstance(value, partial):
        return told(value.args)
    return told(value.__self__) if hasattr(value, "step") or hasattr(value, "__func__") else repr(value)


@pytest.fixture(autouse=True)
def same_helpers(monkeypatch):
    monkeypatch.setattr(Helper, "of_all", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_in_training_leaves_it_as_it_was(kind):
    net = build(kind)
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    net.train()
    net(x)
    before, held = told(net), vars(net).get("kept")
    probe(net, x)
    assert told(net) == before
    assert vars(net).get("kept") is held
    with as_found(net):
        net(x)
        net(x)
    assert told(net) == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [1, 3])
def test_a_state_in_mid_training_has_it(kind, steps):
    """Read by a network that is built anew, in the same process and with what the first has left in shared classes."""
    x = torch.randn(6, 3)
    net = build(kind).train()
    rest = Rest(net, watched=True)
    assert not rest.changed(), "nothing of what was just built"
    for _ in range(steps):
        net(x)
    assert rest.lost() == {}
    tensors, text, expected = rest.tensors(), rest.text(), told(net)
    Helper.of_all = 0
    for by_text in (False, True):
        again = build(kind).train()
        other = Rest(again)
        other.put(other.read_text(text) if by_text else other.read(tensors))
        assert told(again) == expected
    following = (net(x), told(net))[1]
    Helper.of_all = 0
    again = build(kind).train()
    other = Rest(again)
    other.put(other.read(tensors))
    again(x)
    assert told(again) == following, "it goes on alike"


@pytest.mark.parametrize("made", [lambda: iter([1, 2, 3]), count, lambda: (i for i in range(9)), lambda: object()])
def test_what_cannot_be_kept_is_said_and_not_resumed_from(made):
    net = nn.Linear(2, 2)
    net.kept = made()
    rest = Rest(net, watched=True)
    net.kept = net.kept if hasattr(net.kept, "__next__") else object()
    assert rest.lost() == {"kept": type(net.kept).__name__}
    with pytest.raises(CheckpointRefused, match=r"found kept, a .*, which cannot be kept"):
        Rest(nn.Linear(2, 2)).read(rest.tensors())


def test_what_does_not_change_needs_no_kind():
    net = nn.Linear(2, 2)
    net.choose, net.made_of, net.alike = (lambda x: x), {"a": object(), "n": 0}, [net]
    rest = Rest(net, watched=True)
    net.made_of["n"] += 1
    assert rest.lost() == {}
    again = nn.Linear(2, 2)
    again.choose, again.made_of, again.alike = (lambda x: x), {"a": object(), "n": 0}, [again]
    there = again.made_of["a"]
    other = Rest(again)
    other.put(other.read(rest.tensors()))
    assert again.made_of == {"a": there, "n": 1}


def test_the_weights_of_a_network_that_remembers_nothing_have_no_rest():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    rest = Rest(net)
    net.train()(torch.randn(4, 2))
    put_tensors(net, {k: v.clone() for k, v in saved_tensors(net).items()})
    assert (rest.tensors(), rest.text()) == ({}, "")


def test_a_rest_of_another_network_or_too_large_is_refused(monkeypatch):
    net = build("number")
    rest = Rest(net)
    net.train()(torch.randn(2, 3))
    monkeypatch.setattr("skipray.trial.training.rest.HEADER_BYTES", 10)
    with pytest.raises(CheckpointRefused, match="found more than 10 bytes beside its weights"):
        rest.read_text(rest.text())
    with pytest.raises(CheckpointRefused, match="rest cannot be read"):
        rest.read_text("no base64")
    outer = nn.Sequential(build("number"))
    of_outer = Rest(outer)
    outer[0].kept = 3
    with pytest.raises(CheckpointRefused, match=r"the rest of another network: it has 0\.kept"):
        rest.read(of_outer.tensors())


def test_networks_of_skiprays_remember_nothing_until_a_user_adds_to_them():
    """Their attributes are looked at only where they can hold state; the mode is put back all the same."""
    trial = load_sweep(Path(__file__).parents[3] / "sweeps" / "quickstart.yaml").trials()[0]
    network = architectures.build(trial.model, (1, 8, 8), 10, seed=0)
    assert remembers_nothing(network)
    network.train()
    with as_found(network):
        network.eval()
    assert all(module.training for module in network.modules())
    network.register_forward_hook(lambda *_: None)
    assert not remembers_nothing(network)
    assert not remembers_nothing(nn.Sequential(nn.Linear(2, 2)))
    other = architectures.build(trial.model, (1, 8, 8), 10, seed=0)
    other.add_module("own", Remembering())
    assert not remembers_nothing(other)


class Remembering(nn.Module):
    seen = 0
