"""Families of one's own: options, their own initialisation, and what is refused before anything starts."""

import sys

import pytest
import torch
from safetensors.torch import load as load_tensors

from skipray import architectures
from skipray.datasets import open_dataset
from skipray.extension import apart
from skipray.planning.rehearsal import rehearse
from skipray.spec import SpecError, load_sweep
from skipray.trial import run_trial
from skipray.trial.training.state import unpack

SWEEP = """\
name: own
question: How deep?
dataset: {name: gaussian, options: {features: 16, samples: 60, classes: 4}}
model: {}
recipe:
  epochs: 1
  batch_size: 20
  learning_rate: 0.01
  weight_decay: 0.01
  optimizer: adamw
  schedule: constant
  augmentation: none
factors:
  architecture: ["own_nets:NAME"]
  depth: [2, 3]
seeds: [0]
"""
MODEL = """model: {kind: mlp, width: 8, normalization: batch, initialisation: he_normal, activation: relu,
  residual_scale: 1}"""
NETS = """
import functools
import os
import random
import sys
import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrizations import orthogonal, spectral_norm, weight_norm

def family(make):
    class Family:
        @staticmethod
        def build(model, input_shape, classes):
            return make(model, classes)
    return Family

def flat(*layers):
    return nn.Sequential(nn.Flatten(), *layers)

class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 4)
    def forward(self, x):
        return self.layer(x.flatten(1)), 1

def tied(model, classes):
    a, b = nn.Linear(16, 16), nn.Linear(16, 16)
    b.weight = a.weight
    return flat(a, nn.Tanh(), b, nn.Linear(16, classes))

def constant(model, classes):
    net = flat(nn.Linear(16, classes))
    nn.init.constant_(net[1].weight, 7.0)
    return net

class Positioned(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.ones(4, 4))
        self.head = nn.Linear(16, classes)
    def forward(self, x):
        return self.head((x.reshape(-1, 4, 4) + self.pos_embed).flatten(1))

class Attention(nn.Module):
    def __init__(self, classes, heads):
        super().__init__()
        self.place = nn.Parameter(torch.ones(4, 4))
        self.attention = nn.MultiheadAttention(4, heads, batch_first=True)
        self.head = nn.Linear(4, classes)
    def forward(self, x):
        h = x.reshape(-1, 4, 4) + self.place
        return self.head(self.attention(h, h, h)[0].mean(1))

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(16, 16)
    def forward(self, x):
        return x + self.inner(x).relu()

stacked = family(lambda m, c: flat(nn.Sequential(Block(), Block()), nn.Linear(16, c)))
plain = family(lambda m, c: flat(nn.Linear(16, c)))
positioned = family(lambda m, c: Positioned(c))
attends = family(lambda m, c: Attention(c, m.options["heads"]))
pair = family(lambda m, c: Pair())
double = family(lambda m, c: flat(nn.Linear(16, c)).double())
frozen = family(lambda m, c: flat(nn.Linear(16, c)).requires_grad_(False))
leaves = family(lambda m, c: sys.exit(0))
wide = family(lambda m, c: flat(nn.Linear(16, c + 1)))
normed = family(lambda m, c: flat(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, c)))
lazy = family(lambda m, c: flat(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.LazyLinear(c)))
sevens = family(constant)
twice = family(tied)
parametrised = family(lambda m, c: flat(
    weight_norm(nn.Linear(16, 16)), spectral_norm(nn.Linear(16, 16)), orthogonal(nn.Linear(16, 16)), nn.Linear(16, c)))
class Acts(nn.Module):
    # A linear layer whose scores also follow from something else.
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Linear(16, classes)
        self.prepare(classes)
    def prepare(self, classes):
        pass
    def forward(self, x):
        return self.layer(x.flatten(1)) * self.scale()
    def scale(self):
        return 1.0

class Counts(Acts):
    steps = 0
    def prepare(self, classes):
        self.register_buffer("halves", torch.zeros(()), persistent=False)
        self.history = {"sizes": []}
    def scale(self):
        if self.training:
            self.steps += 1
            self.halves += 0.5
            self.history["sizes"].append(1.0)
        return 1 + self.steps * self.halves / (1 + len(self.history["sizes"]))

class Draws(Acts):
    def prepare(self, classes):
        self.generators = [random.Random(3), np.random.default_rng(3), torch.Generator().manual_seed(3)]
    def scale(self):
        python, numpy, torchs = self.generators
        return python.random() + numpy.random() + torch.rand((), generator=torchs) if self.training else 1.0

class Remembers(Acts):
    def prepare(self, classes):
        self.steps = torch.zeros(())
    def scale(self):
        self.steps = self.steps + float(self.training)
        return 1 + self.steps
    def get_extra_state(self):
        return {"steps": float(self.steps)}
    def set_extra_state(self, state):
        self.steps = torch.tensor(state["steps"])

class Listed(Acts):
    def prepare(self, classes):
        self.layers = [nn.Linear(16, 16)]
    def forward(self, x):
        return self.layer(self.layers[0](x.flatten(1)))

class Late(Acts):
    def scale(self):
        if not hasattr(self, "gain"):
            self.gain = nn.Parameter(torch.ones(()))
        return self.gain

class Secret(Acts):
    def prepare(self, classes):
        nn.init.constant_(self.layer.weight, int.from_bytes(os.urandom(3), "big"))

class Unsaved(Acts):
    def state_dict(self, *arguments, **named):
        return {}

class Opaque(Acts):
    def get_extra_state(self):
        return object()
    def set_extra_state(self, state):
        pass

class Decays(Acts):
    def scale(self):
        for parameter in self.parameters():
            parameter.data *= 0.99
        return 1.0

class Averages(Acts):
    def prepare(self, classes):
        self.average = nn.Linear(16, classes).requires_grad_(False)
    def forward(self, x):
        if self.training:
            self.average.weight.data.lerp_(self.layer.weight.data, 0.1)
            self.layer.weight.data.clamp_(-0.1, 0.1)
        return super().forward(x)

class Aux(Acts):
    def forward(self, x):
        scores = super().forward(x)
        return (scores, scores) if self.training else scores

class Detached(Acts):
    def forward(self, x):
        return super().forward(x).detach()

class Whole(Acts):
    def forward(self, x):
        return super().forward(x).long()

def nothing(scores, targets):
    return None

def each(scores, targets):
    return nn.functional.cross_entropy(scores, targets, reduction="none")

def cut(scores, targets):
    return nn.functional.cross_entropy(scores.detach(), targets)

decays = family(lambda m, c: Decays(c))
aux = family(lambda m, c: Aux(c))
detached = family(lambda m, c: Detached(c))
TEMPERATURE = nn.Parameter(torch.ones(()))

def tempered(scores, targets):
    return nn.functional.cross_entropy(scores * TEMPERATURE, targets)

def in_place(scores, targets):
    scores /= 2
    return nn.functional.cross_entropy(scores, targets)

class Routes(nn.Module):
    # Each sample is sent to one of four experts.
    def __init__(self, classes):
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(16, classes) for _ in range(4))
        self.spare = nn.Linear(16, classes)
    def forward(self, x):
        x = x.flatten(1)
        chosen = x[:, :4].argmax(1)
        parts = [self.experts[i](x[chosen == i]) for i in range(4) if (chosen == i).any()]
        places = torch.cat([torch.nonzero(chosen == i)[:, 0] for i in range(4)])
        return torch.cat(parts)[places.argsort()]

routes = family(lambda m, c: Routes(c))

class Sharp(torch.optim.SGD):
    # Sharpness-aware: a step needs two passes (Foret et al. 2021).
    def step(self, closure):
        with torch.enable_grad():
            loss = closure()
        moved = [(p, p.grad * 0.05) for g in self.param_groups for p in g["params"]]
        with torch.no_grad():
            for p, shift in moved:
                p += shift
        with torch.enable_grad():
            closure()
        with torch.no_grad():
            for p, shift in moved:
                p -= shift
        super().step()
        return loss
averages = family(lambda m, c: Averages(c))
scripted = family(lambda m, c: flat(torch.jit.script(nn.Sequential(nn.Linear(16, c)))))
whole = family(lambda m, c: Whole(c))
counts = family(lambda m, c: Counts(c))
draws = family(lambda m, c: Draws(c))
remembers = family(lambda m, c: Remembers(c))
listed = family(lambda m, c: Listed(c))
late = family(lambda m, c: Late(c))
secret = family(lambda m, c: Secret(c))
unsaved = family(lambda m, c: Unsaved(c))
opaque = family(lambda m, c: Opaque(c))
unmeasured = family(lambda m, c: nn.DataParallel(flat(nn.Linear(16, c))))
cached = family(functools.lru_cache(lambda m, c: flat(nn.Linear(16, c))))
deep_fails = family(lambda m, c: flat(nn.Linear(16, c)) if m.depth < 3 else flat(nn.Linear(16, m.width)))
"""


SCHEDULES = """
def not_a_number(step, steps):
    return float("nan")

def negative_at_last(step, steps):
    return -0.5 if step == steps - 1 else 1

def infinite(step, steps):
    return 1e308 * 10

def fails(step, steps):
    return 1 / (steps - 1 - step)

def refuses(step, steps):
    raise ValueError("no rate for me")

def falls(step, steps):
    return 1 - step / steps
"""


@pytest.fixture(scope="module", autouse=True)
def own_nets(tmp_path_factory):
    """One folder for all tests: the process that tries own code is kept as long as the path is the same."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_nets.py").write_text(NETS)
    (folder / "own_schedules.py").write_text(SCHEDULES)
    (folder / "own_metrics.py").write_text(METRICS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.chdir(folder)
        patch.delitem(sys.modules, "own_nets", raising=False)
        patch.setenv("SKIPRAY_CACHE", str(folder / "cache"))
        yield
        apart._child().end()
    for name in ("own_nets", "own_schedules", "own_metrics"):
        sys.modules.pop(name, None)


def load(folder, name, *overrides):
    path = folder / "own.yaml"
    path.write_text(SWEEP.replace("NAME", name))
    return load_sweep(path, overrides)


def test_nothing_that_the_family_does_not_read_is_compulsory(tmp_path):
    sweep = load(tmp_path, "plain")
    model = sweep.cells[0].model
    assert (model.kind, model.width, model.initialisation) == (None, None, "as_built")
    assert rehearse(sweep) == ("own_nets:plain, depth 2: measured at 2 modules that compute by themselves",)
    assert run_trial(sweep.trials()[0]).outcome in ("trained", "untrained")


def test_its_own_initialisation_is_kept_where_no_scheme_is_named(tmp_path):
    def weight(*overrides):
        model = load(tmp_path, "sevens", *overrides).cells[0].model
        return architectures.build(model, (1, 1, 16), 4, seed=0)[1].weight

    assert torch.equal(weight(), torch.full((4, 16), 7.0))
    assert not torch.equal(weight("model.initialisation=he_normal"), torch.full((4, 16), 7.0))


def test_as_built_follows_from_the_seed(tmp_path):
    model = load(tmp_path, "plain").cells[0].model
    first, again, other = (architectures.build(model, (1, 1, 16), 4, seed=s)[1].weight for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_an_option_is_a_factor(tmp_path):
    sweep = load(tmp_path, "attends", "factors.options.heads=[1, 2]")
    assert [t.model.options for t in sweep.trials()] == [{"heads": 1}, {"heads": 2}, {"heads": 1}, {"heads": 2}]
    assert len({t.trial_id for t in sweep.trials()}) == 4
    assert "heads=2" in sweep.trials()[1].label
    assert load(tmp_path, "attends", "model.options={heads: 2}").trials()[0].trial_id == sweep.trials()[1].trial_id
    with pytest.raises(SpecError, match=r"found a value beside the factor options\.heads"):
        load(tmp_path, "attends", "factors.options.heads=[1]", "model.options={heads: 2}")


def test_weights_that_a_pass_of_training_writes_are_left_by_measurements(tmp_path):
    """Averages of others, and bounds: the training does not follow from what is measured."""
    settings = ("probe={preset: full, every_epochs: 1}", "recipe.epochs=3", "tracking.save_weights=true")
    sweep = load(tmp_path, "averages", *settings)
    rehearse(sweep)
    often, seldom = (run_trial(s.trials()[0]) for s in (sweep, load(tmp_path, "averages", *settings[1:])))
    assert often.weights == seldom.weights is not None


def test_experts_that_two_samples_are_not_sent_to_are_not_called_unused(tmp_path):
    (note,) = rehearse(load(tmp_path, "routes"))
    assert note.endswith("measured at 4 modules that compute by themselves; without spare, which a pass does not use")


def test_a_loss_with_weights_of_its_own_is_refused(tmp_path):
    rehearse(load(tmp_path, "plain", "recipe.loss=own_nets:in_place"))
    said = (
        r"recipe.loss: own_nets:tempered: found weights of its own \(\(\)\), which nothing trains; allowed: weights of"
    )
    with pytest.raises(SpecError, match=said):
        rehearse(load(tmp_path, "plain", "recipe.loss=own_nets:tempered"))


def test_an_optimizer_whose_step_asks_for_a_closure_is_given_one(tmp_path):
    """Against its step on the whole training split, written out."""
    settings = ("recipe.optimizer=own_nets:Sharp", "recipe.weight_decay=0", "recipe.batch_size=54")
    sweep = load(tmp_path, "plain", *settings, "tracking.save_weights=true")
    rehearse(sweep)
    trial = sweep.trials()[0]
    splits = open_dataset(trial.dataset, trial.fingerprint)
    network = architectures.build(trial.model, (1, 1, 16), 4, seed=trial.seed)
    assert len(splits.train_y) == 54
    x, parameters = splits.normalise(splits.train_x), list(network.parameters())

    def gradients():
        return torch.autograd.grad(torch.nn.functional.cross_entropy(network(x), splits.train_y), parameters)

    before = [p.detach().clone() for p in parameters]
    first = gradients()
    with torch.no_grad():
        for parameter, gradient in zip(parameters, first, strict=True):
            parameter += 0.05 * gradient
    expected = [p - 0.01 * g for p, g in zip(before, gradients(), strict=True)]
    found = load_tensors(run_trial(trial).weights)
    for (name, _), value in zip(network.named_parameters(), expected, strict=True):
        assert torch.allclose(found[name], value, atol=1e-6)


def test_the_scheme_reaches_attention_and_says_what_it_leaves(tmp_path):
    sweep = load(tmp_path, "attends", "model.initialisation=orthogonal", "model.options={heads: 2}")
    assert rehearse(sweep)[0] == "own_nets:attends: orthogonal leaves as built: place"
    network = architectures.build(sweep.cells[0].model, (1, 1, 16), 4, seed=0)
    for piece in network.attention.in_proj_weight.chunk(3):
        assert torch.allclose(piece @ piece.T, torch.eye(4), atol=1e-5)


def test_what_a_name_keeps_from_being_a_weight_is_said(tmp_path):
    said = "own_nets:positioned: no weights, by name or shape: pos_embed"
    assert said in rehearse(load(tmp_path, "positioned"))
    assert said not in rehearse(load(tmp_path, "positioned", "probe.preset=none"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pair", "found an output that is a tuple; allowed: one tensor of (2, 4)"),
        ("double", "found the parameter 1.weight of float64; allowed: float32"),
        ("frozen", "found 2 parameters, none of which is trained"),
        ("leaves", "build ended the process (SystemExit(0)); allowed: a network"),
        ("wide", "found an output of (2, 5) for 2 samples; allowed: (2, 4)"),
        ("listed", "found 2 weights that are no parameters of the network, so that nothing trains them"),
        ("late", "found weights that are made in the first pass (gain)"),
        ("cached", "found weights that two calls of build share (1.weight, 1.bias)"),
        ("secret", "found other values in two calls of build with one seed (layer.weight)"),
        ("unsaved", "found a state_dict without layer.weight, layer.bias"),
        ("opaque", "found the extra state _extra_state with a object"),
        ("unmeasured", "The stateless API can't be used"),
        ("decays", "found parameters that a pass in evaluation mode changes (layer.weight, layer.bias)"),
        ("aux", "found an output in training mode that is a tuple; allowed: one tensor, as in evaluation mode"),
        ("detached", "found scores that no gradient comes from; allowed: scores made with gradients on"),
        ("scripted", "found modules of torch.jit (1, 1.0), which cannot be measured inside; allowed: the modules that"),
        ("whole", "found an output of torch.int64 values; allowed: floating-point numbers"),
        ("attends", "own_nets.py:"),
        ("deep_fails", "own_nets.py:"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_its_family_and_place(tmp_path, name, said):
    with pytest.raises(SpecError) as caught:
        rehearse(load(tmp_path, name))
    (line,) = caught.value.mistakes
    assert f"own_nets:{name}" in line
    assert "own.yaml:14: model.architecture" in line
    assert said in line


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        ("nothing", "a NoneType"),
        ("each", "a tensor of (2,)"),
        ("cut", "a number that no gradient comes from"),
    ],
)
def test_a_loss_that_gives_no_number_to_lower_is_refused_at_its_line(tmp_path, loss, found):
    with pytest.raises(SpecError) as caught:
        rehearse(load(tmp_path, "plain", f"recipe.loss=own_nets:{loss}"))
    (line,) = caught.value.mistakes
    assert f"recipe.loss: own_nets:{loss}: found {found}; allowed: a tensor of one number" in line


@pytest.mark.parametrize("epochs", [2, 3000])
@pytest.mark.parametrize(
    ("schedule", "found"),
    [
        ("not_a_number", "found nan at step 0 of {steps}"),
        ("negative_at_last", "found -0.5 at step {last} of {steps}"),
        ("infinite", "found inf at step 0 of {steps}"),
        ("fails", "own_schedules.py:12: ZeroDivisionError: division by zero at step {last} of {steps}"),
        ("refuses", "own_schedules.py:15: ValueError: no rate for me at step 0 of {steps}"),
    ],
)
def test_a_schedule_that_gives_no_rate_is_refused_at_its_line(tmp_path, schedule, found, epochs):
    """Of a short training at every step, of a long one at the last one at least."""
    sweep = load(tmp_path, "plain", f"recipe.schedule=own_schedules:{schedule}", f"recipe.epochs={epochs}")
    with pytest.raises(SpecError) as caught:
        rehearse(sweep)
    (line,) = caught.value.mistakes
    assert f"recipe.schedule: own_schedules:{schedule}: found " in line
    assert found.format(steps=3 * epochs, last=3 * epochs - 1) in line
    assert "allowed: a number at least 0 that gives a finite rate" in line


def test_a_schedule_that_gives_rates_is_not_refused(tmp_path):
    for epochs in (0, 1, 3000):
        rehearse(load(tmp_path, "plain", "recipe.schedule=own_schedules:falls", f"recipe.epochs={epochs}"))


def test_an_activation_that_is_a_class_is_refused_at_its_line(tmp_path):
    for name in ("torch.nn:Tanh", "torch.nn:ReLU"):
        path = tmp_path / "activation.yaml"
        text = SWEEP.replace("model: {}", MODEL.replace("activation: relu", f"activation: '{name}'"))
        path.write_text(text.replace('"own_nets:NAME"', "plainnet").replace("[2, 3]\nseeds", "[6]\nseeds"))
        with pytest.raises(SpecError) as caught:
            rehearse(load_sweep(path))
        (line,) = caught.value.mistakes
        assert f"model.activation: found '{name}', which is a class; allowed: a function of a tensor" in line


def test_the_layers_that_are_measured_are_said_before_anything_starts(tmp_path):
    blocks = "own_nets:stacked, depth 2: measured at 2 repeated blocks (Block), found by structure"
    assert rehearse(load(tmp_path, "stacked")) == (blocks,)
    named = rehearse(load(tmp_path, "stacked", "probe.layers=['1.*.inner']"))
    assert named == ("own_nets:stacked, depth 2: measured at 2 modules named by 1.*.inner",)
    assert rehearse(load(tmp_path, "stacked", "probe.preset=none")) == (), "nothing is measured at layers"
    with pytest.raises(SpecError, match=r"probe\.layers: found layers 'body', which fits no module"):
        rehearse(load(tmp_path, "stacked", "probe.layers=[body]"))
    record = run_trial(load(tmp_path, "stacked").trials()[0])
    assert record.environment["layers"] == "2 repeated blocks (Block), found by structure"
    hidden = record.layers[record.layers["tensor"] == "hidden"]
    assert list(dict.fromkeys(hidden["layer"])) == ["1.0", "1.1"]
    assert "hidden.log10_condition.last" in record.epochs[-1].metrics


@pytest.mark.parametrize("changes", [["recipe.batch_size=1"], ["recipe.gradient_accumulation=20"]])
def test_batch_normalization_of_one_sample_is_refused_and_never_diverges(tmp_path, changes):
    sweep = load(tmp_path, "normed", *changes)
    with pytest.raises(SpecError, match=r"recipe\.batch_size: found batches of one sample"):
        rehearse(sweep)
    with pytest.raises(ValueError, match="found batches of one sample"):
        run_trial(sweep.trials()[0])
    rehearse(load(tmp_path, "plain", *changes))


def test_skiprays_own_families_are_held_to_it_too(tmp_path):
    model = "model={kind: mlp, width: 8, normalization: batch, initialisation: he_normal, activation: relu}"
    sweep = load(tmp_path, "plain", "factors.architecture=[plainnet]", "factors.depth=[6]", model)
    assert rehearse(sweep) == ()
    single = load(
        tmp_path, "plain", "factors.architecture=[plainnet]", "factors.depth=[6]", model, "recipe.batch_size=1"
    )
    with pytest.raises(SpecError, match="found batches of one sample"):
        rehearse(single)


METRICS = """
from skipray.metrics import GapMetric, LayerMetric, NetworkMetric, SplitMetric

WORDS = {"definition": "d", "source": "s", "axis": "a"}

class breaks:
    METRIC = NetworkMetric(key="breaks", **WORDS)
    def measure(network):
        return network.no_such_thing

class text:
    METRIC = NetworkMetric(key="text", **WORDS)
    def measure(network):
        return "3"

class crowd:
    METRIC = NetworkMetric(key="crowd", **WORDS)
    def measure(network):
        assert len(network.inputs) == len(network.labels) == 50
        return len(network.labels)

class splits:
    METRIC = SplitMetric(key="splits", **WORDS)
    def measure(batch):
        return batch.no_such_field

class pairs:
    METRIC = SplitMetric(key="pairs", **WORDS)
    def measure(batch):
        return batch.scores.amax(-1)

class gaps:
    METRIC = GapMetric(key="gaps", of="accuracy", **WORDS)
    def measure(train, test):
        return [][int(train)]
"""
OF_SKIPRAY = ("factors.architecture=[plainnet]", "factors.depth=[6]", MODEL.replace("model: ", "model="))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("breaks", "own_metrics.py:9: AttributeError: 'TrainedNetwork' object has no attribute 'no_such_thing'"),
        ("text", "own_metrics:text (own_metrics.py:13): found '3'; allowed: a number, NaN or raising Absent"),
        ("splits", "own_metrics.py:25: AttributeError: 'Judged' object has no attribute 'no_such_field'"),
        ("pairs", "own_metrics:pairs (own_metrics.py:29): found a Tensor of (2,); allowed: a number"),
        ("gaps", "own_metrics.py:35: IndexError: list index out of range"),
    ],
)
@pytest.mark.parametrize("own_family", [True, False])
@pytest.mark.parametrize("epochs", [2, 0])
def test_a_metric_of_ones_own_is_tried_before_anything_is_trained(tmp_path, name, said, own_family, epochs):
    changes = (*(() if own_family else OF_SKIPRAY), f"recipe.epochs={epochs}", "probe.samples=2")
    sweep = load(tmp_path, "plain", *changes, f"probe.metrics=['own_metrics:{name}']")
    if not epochs and name in ("breaks", "text"):  # of trained networks alone
        rehearse(sweep)
        return
    with pytest.raises(SpecError) as caught:
        rehearse(sweep)
    (line,) = caught.value.mistakes
    assert said in line
    assert own_family or line.startswith(f"--set probe.metrics=['own_metrics:{name}']: probe.metrics: ")
    rehearse(load(tmp_path, "plain", *changes, "probe.metrics=['own_metrics:crowd']", "probe.samples=50"))


def test_one_training_sample_is_refused(tmp_path):
    with pytest.raises(SpecError, match=r"dataset\.train_samples: found 1 training sample beside those for validation"):
        rehearse(load(tmp_path, "plain", "dataset.train_samples=1"))
    rehearse(load(tmp_path, "plain", "dataset.train_samples=2"))


def test_more_training_samples_than_there_are_is_said(tmp_path):
    (note,) = rehearse(load(tmp_path, *("plain", *OF_SKIPRAY), "dataset.train_samples=5000"))
    assert note == "gaussian: dataset.train_samples is 5000, and all 54 that there are beside validation are taken"
    assert rehearse(load(tmp_path, *("plain", *OF_SKIPRAY), "dataset.train_samples=54")) == ()


def test_a_share_for_validation_that_rounds_to_no_sample_is_refused(tmp_path):
    found = r"dataset\.validation_fraction: found 0\.008 of 60 training samples, which rounds to none; allowed: a share"
    with pytest.raises(SpecError, match=found):
        rehearse(load(tmp_path, "plain", "dataset.validation_fraction=0.008"))
    rehearse(load(tmp_path, "plain", "dataset.validation_fraction=0.009"))
    with pytest.raises(SpecError, match=r"validation_fraction: found 0\.1 of 4 training samples, which rounds to none"):
        rehearse(load(tmp_path, "plain", *OF_SKIPRAY, "dataset.options.samples=4"))


@pytest.mark.parametrize("name", ["lazy", "twice", "parametrised", "counts", "draws", "remembers"])
def test_networks_of_every_kind_train_and_resume(tmp_path, name):
    """Lazy, tied and parametrised ones, and those that keep more than weights.

    Their weights are saved, and a state in mid-training is taken up with the same bits.
    """

    class Kept:
        state = None

        def load(self):
            return self.state

        def save(self, state):
            self.state = state

    (first, _) = load(tmp_path, name, "model.initialisation=he_normal", "resources.checkpoint_seconds=1e-9").trials()
    kept = Kept()
    whole = run_trial(first, checkpoints=kept)
    unpack(first.trial_id, kept.state)
    assert run_trial(first, checkpoints=kept).weights == whole.weights
    assert whole.weights is not None


def test_a_refused_argument_of_an_optimizer_is_said_once_with_the_networks(tmp_path):
    sweep = tmp_path / "refused.yaml"
    text = SWEEP.replace("model: {}", MODEL).replace("optimizer: adamw", "optimizer: {name: adamw, betas: [2, 3]}")
    sweep.write_text(text.replace('"own_nets:NAME"', "plainnet, resnet").replace("[2, 3]\nseeds", "[6]\nseeds"))
    with pytest.raises(SpecError) as refused:
        rehearse(load_sweep(sweep))
    (line,) = str(refused.value).splitlines()
    assert line.endswith("Invalid beta parameter at index 0: 2 (plainnet-d006, resnet-d006)")
    assert "plainnet:" not in line
