"""Every optimizer of torch.optim: what it may be given, its steps, and its state through a checkpoint."""

import copy
import inspect
import sys

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import orthogonal, weight_norm

from skipray.architectures.building.linear_maps import GroupedLinear
from skipray.spec import Recipe
from skipray.spec.optimizers import ARGUMENTS, DROPPED, REFUSED, WITHOUT_DECAY
from skipray.spec.recipes import OF_SGD
from skipray.trial.training.optimizers import make_optimizer, optimizer_class, refusal
from skipray.trial.training.state import network_tensors, pack, restore_network, unpack
from skipray.trial.training.step import Step
from skipray.trial.training.weights import is_decayed

CLASSES = {
    name: cls
    for name, cls in vars(torch.optim).items()
    if isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer
}


def recipe(optimizer="adamw", **changes):
    fields = {"epochs": 1, "batch_size": 8, "learning_rate": 0.01, "schedule": "constant", "augmentation": "none"}
    name = optimizer if isinstance(optimizer, str) else optimizer["name"]
    decay = 0.0 if name in WITHOUT_DECAY else 0.02
    momentum = {"momentum": 0.9} if name == "sgd" else {}
    return Recipe(**(fields | {"optimizer": optimizer, "weight_decay": decay} | momentum | changes))


def network():
    """Convolution, batch norm, a layer norm of two axes, a dropout that draws, and weights in channels-last order."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.LayerNorm([4, 4]), nn.Dropout(0.1), nn.Flatten()
    )
    return nn.Sequential(net, nn.Linear(48, 5)).to(memory_format=torch.channels_last)


def steps(net, step, numbers):
    for number in numbers:
        generator = torch.Generator().manual_seed(number)
        inputs = torch.randn(8, 2, 4, 4, generator=generator).contiguous(memory_format=torch.channels_last)
        labels = torch.randint(5, (8,), generator=generator)
        step.take(inputs, labels, labels, 0.01 / number, None)


def bits(net, optimizer):
    return {name: tensor.detach().numpy().tobytes() for name, tensor in network_tensors(net, optimizer).items()}


def test_the_table_is_torchs():
    """An argument that torch gains, loses or renames, and a new optimizer, are found here."""
    assert {name.lower() for name in CLASSES} == ARGUMENTS.keys() | REFUSED.keys()
    for name, cls in CLASSES.items():
        if name.lower() in REFUSED:
            continue
        taken = set(list(inspect.signature(cls.__init__).parameters)[2:]) - set(DROPPED)
        ours = set(ARGUMENTS[name.lower()])
        assert taken == ours | (set(OF_SGD) if name == "SGD" else set())
        has_decay = "weight_decay" in inspect.signature(cls.__init__).parameters
        assert has_decay == (name.lower() not in WITHOUT_DECAY)


@pytest.mark.parametrize("name", [*sorted(ARGUMENTS), {"name": "sgd", "dampening": 0.1}])
def test_two_steps_saved_and_resumed_give_the_same_bits(name):
    whole, part, fresh = network(), network(), network()
    straight = make_optimizer(whole, recipe(name))
    torch.manual_seed(1)
    steps(whole, Step(whole, recipe(name), straight), [1, 2, 3, 4])

    saved = make_optimizer(part, recipe(name))
    torch.manual_seed(1)
    steps(part, Step(part, recipe(name), saved), [1, 2])
    blob = pack("me", network_tensors(part, saved) | {"rng": torch.get_rng_state()}, {})
    tensors, _ = unpack("me", blob)
    resumed = make_optimizer(fresh, recipe(name))
    restore_network(fresh, resumed, tensors)
    torch.set_rng_state(tensors["rng"])
    assert bits(fresh, resumed) == bits(part, saved)
    steps(fresh, Step(fresh, recipe(name), resumed), [3, 4])

    assert bits(fresh, resumed) == bits(whole, straight)
    assert bits(whole, straight) != bits(part, saved)


@pytest.mark.parametrize("name", ["adamw", "rmsprop", "lbfgs"])
def test_the_same_steps_as_torchs_own_class(name):
    ours = nn.Linear(3, 2)
    theirs = copy.deepcopy(ours)
    r = recipe(name)
    decay = {} if name in WITHOUT_DECAY else {"weight_decay": r.weight_decay}
    reference = optimizer_class(name)(theirs.parameters(), lr=0.01, **decay)
    step = Step(ours, r, make_optimizer(ours, r))
    x, y = torch.randn(8, 3), torch.randint(2, (8,))

    def closure():
        reference.zero_grad()
        loss = nn.functional.cross_entropy(theirs(x), y)
        loss.backward()
        return loss

    for rate in (0.01, 0.005):
        step.take(x, y, y, rate, None)
        reference.param_groups[0]["lr"] = rate
        if name == "lbfgs":
            reference.step(closure)
        else:
            closure()
            reference.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("optimizer", [None, "adamw", "sgd"])
def test_no_decay_on_norms_biases_and_scales(optimizer):
    net = network()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    r = recipe(optimizer or "adamw", weight_decay_on="weights", momentum=0.0, weight_decay=0.1)
    r = r.model_copy(update={"optimizer": None}) if optimizer is None else r
    made = make_optimizer(net, r)
    for p in net.parameters():
        p.grad = torch.zeros_like(p)  # decay alone moves anything
    made.step(0.5)
    moved = {name for name, p in net.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"0.0.weight", "1.weight"}


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.gain, self.token = nn.Parameter(torch.ones(4, 1, 1)), nn.Parameter(torch.ones(1, 1, 4))
        self.table, self.position_bias = nn.Parameter(torch.ones(1, 3, 4)), nn.Parameter(torch.ones(3, 4))
        self.looked_up, self.mixing = nn.Embedding(5, 4), nn.Parameter(torch.ones(4, 4))
        self.one_row, self.one_column, self.memory = nn.Linear(4, 1), nn.Linear(1, 4), nn.RNN(1, 2)
        self.normed, self.normed_row = (weight_norm(nn.Linear(4, size)) for size in (4, 1))
        self.turned = orthogonal(nn.Linear(4, 4))
        self.grouped = GroupedLinear(4, 4, 4, bias=True)
        self.attention = nn.MultiheadAttention(4, 2, add_bias_kv=True)
        self.norm = nn.LayerNorm((3, 4))


def test_weights_are_told_by_their_layer_and_scales_by_their_axes():
    net = Scaled()
    decayed = {name for name, p in net.named_parameters() if is_decayed(net, name, p)}
    assert decayed == {
        "one_row.weight", "one_column.weight", "memory.weight_ih_l0", "memory.weight_hh_l0",
        "looked_up.weight", "mixing",
        "normed.parametrizations.weight.original1", "normed_row.parametrizations.weight.original1",
        "turned.parametrizations.weight.original", "grouped.weight",
        "attention.in_proj_weight", "attention.out_proj.weight",
    }  # fmt: skip


OWN = """
import torch

class Layerwise(torch.optim.SGD):
    def __init__(self, params, lr=0.1, weight_decay=0.0):
        groups = [{"params": [p], "lr": lr * 0.5**i} for i, p in enumerate(params)]
        super().__init__(groups, lr=lr, weight_decay=weight_decay)

class Twice(torch.optim.SGD):
    def __init__(self, params, lr=0.1, weight_decay=0.0):
        super().__init__(params, lr=torch.tensor(2 * lr), weight_decay=weight_decay)

class Tensor(torch.optim.Adam):
    def __init__(self, params, lr=0.1, weight_decay=0.0):
        super().__init__(params, lr=torch.tensor(lr), weight_decay=weight_decay, foreach=False)

class Unsaid(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": None})
    def step(self):
        pass

class Rateless(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {})
    def step(self):
        pass

class Decays(torch.optim.AdamW):
    pass

class PassesOn(torch.optim.AdamW):
    def __init__(self, params, **options):
        super().__init__(params, **options)

class Keeps(torch.optim.Rprop):
    def __init__(self, params, **options):
        super().__init__(params, **options)

class None_(torch.optim.AdamW):
    def __init__(self, params, lr):
        super().__init__(params, lr=lr, weight_decay=0.3)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_optimizers.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_optimizers", None)


def rates(made, rate):
    made.step(rate)
    return [group["lr"] for part in made.parts for group in part.param_groups]


@pytest.mark.parametrize(
    ("name", "factors"),
    [("Layerwise", [1, 0.5]), ("Twice", [2]), ("Tensor", [1]), ("Unsaid", [1]), ("Rateless", [1]), ("Decays", [1])],
)
def test_groups_of_ones_own_optimizer_keep_their_ratio_to_the_recipes_rate(own, name, factors):
    r = recipe(f"own_optimizers:{name}", weight_decay=0, learning_rate=0.1)
    made = make_optimizer(nn.Linear(3, 2), r)
    for rate in (0.1, 0.03, 0.0, 0.07):
        found = rates(made, rate)
        assert found == pytest.approx([rate * factor for factor in factors], rel=1e-6)
        assert [f for f, factor in zip(found, factors, strict=True) if factor == 1] == [rate] * factors.count(1)


def test_the_ratios_are_those_of_a_new_optimizer_after_a_state_is_put_back(own):
    r = recipe("own_optimizers:Layerwise", weight_decay=0)
    saved, resumed = (make_optimizer(nn.Linear(3, 2), r) for _ in range(2))
    rates(saved, 0.0)  # the end of a schedule, from which no ratio can be told
    resumed.restore(saved.tensors())
    assert rates(resumed, 0.004) == [0.004, 0.002]


def test_layer_wise_rates_are_what_a_step_takes(own):
    net = nn.Linear(3, 2)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    made = make_optimizer(net, recipe("own_optimizers:Layerwise", weight_decay=0))
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    made.step(0.5)
    moves = {name: before[name] - p.detach() for name, p in net.named_parameters()}
    assert torch.allclose(moves["weight"], torch.tensor(0.5))
    assert torch.allclose(moves["bias"], torch.tensor(0.25))


@pytest.mark.parametrize("on", ["all", "weights"])
@pytest.mark.parametrize("name", ["Decays", "PassesOn"])
@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_a_weight_decay_of_0_is_told_to_ones_own_optimizer(own, name, on, decay):
    net = nn.Linear(3, 2)
    made = make_optimizer(net, recipe(f"own_optimizers:{name}", weight_decay=decay, weight_decay_on=on))
    found = [(len(group["params"]), group["weight_decay"]) for group in made.parts[0].param_groups]
    assert found == ([(2, decay)] if on == "all" else [(1, decay), (1, 0.0)])


def test_what_takes_no_weight_decay_is_told_none(own):
    (group,) = make_optimizer(nn.Linear(3, 2), recipe("own_optimizers:None_", weight_decay=0)).parts[0].param_groups
    assert group["weight_decay"] == 0.3
    (group,) = make_optimizer(nn.Linear(3, 2), recipe("own_optimizers:Keeps", weight_decay=0)).parts[0].param_groups
    assert "weight_decay" not in group
    with pytest.raises(ValueError, match=r"refuses its arguments: TypeError: .*unexpected keyword argument"):
        make_optimizer(nn.Linear(3, 2), recipe("own_optimizers:Keeps", weight_decay=0.1))


def test_muon_trains_matrices_and_adamw_the_rest():
    made = make_optimizer(network(), recipe("muon"))
    assert [type(part).__name__ for part in made.parts] == ["Muon", "AdamW"]
    assert [p.ndim for p in made.parts[0].param_groups[0]["params"]] == [2]  # not the layer norm's gain


def test_what_torch_refuses_is_said_before_anything_is_trained():
    said = refusal(recipe({"name": "adamw", "betas": [1.5, 0.9]}))
    assert said is not None
    assert "adamw refuses its arguments: ValueError: Invalid beta parameter at index 0: 1.5" in said
    assert refusal(recipe("adamw")) is None


def test_a_network_that_writes_into_its_input_is_given_it_as_often_as_a_step_evaluates_it():
    class Halves(nn.Linear):
        in_place = False

        def forward(self, x):
            return super().forward(x.mul_(0.5) if self.in_place else x * 0.5)

    networks = Halves(4, 3), Halves(4, 3)
    networks[1].load_state_dict(networks[0].state_dict())
    networks[1].in_place = True
    for network in networks:
        x, y = torch.randn(8, 4, generator=torch.Generator().manual_seed(1)), torch.arange(8) % 3
        Step(network, recipe("lbfgs"), make_optimizer(network, recipe("lbfgs"))).take(x, y, y, 0.1, None)
    assert torch.equal(networks[0].weight, networks[1].weight)
