"""Networks that are valid and unusual: heads that are defined first or train alone, inputs that no gradient reaches."""

import math

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from skipray.architectures import HiddenLayer
from skipray.metrics import Absent
from skipray.metrics.computing.deletion import block_deletion
from skipray.metrics.computing.hessian import curvature
from skipray.metrics.computing.input_gradients import input_gradients
from skipray.metrics.computing.jacobian import jacobian_singular_values
from skipray.metrics.flatness import flatness
from skipray.metrics.gradient_correlation_neighbours import neighbour_gradient_correlation
from skipray.metrics.norm_log_path import log_path_norm
from skipray.probe import probe
from skipray.probe.generalization import generalization_measures, initial_weights
from skipray.spec import ProbeSpec

SAMPLES, FEATURES, CLASSES = 40, 6, 3
COLLAPSE = ("nc1", "nc2.angles", "nc2.lengths", "nc3", "nc4")


class Net(nn.Module):
    """Layers in the order in which they are named, and what they compute."""

    def __init__(self, forward, order=("stem", "body", "head"), **more):
        super().__init__()
        torch.manual_seed(0)
        made = {
            "stem": nn.Linear(FEATURES, CLASSES), "body": nn.Linear(CLASSES, CLASSES),
            "head": nn.Linear(CLASSES, CLASSES), **more,
        }  # fmt: skip
        for name in (*order, *more):
            setattr(self, name, made[name])
        self.computed = forward

    def forward(self, x):
        return self.computed(self, x)


def features(net, x):
    return net.body(net.stem(x).relu()).relu()


def whole(net, x):
    return net.head(features(net, x))


def samples():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(SAMPLES, FEATURES, generator=generator)
    return x, torch.randint(CLASSES, (SAMPLES,), generator=generator)


def measures(net, **probe):
    spec = ProbeSpec(**(probe or {"preset": "full"}))
    return generalization_measures(net, *samples(), initial=initial_weights(net), spec=spec).values


def collapse(net):
    return {key: value for key, value in measures(net).items() if key.startswith("nc")}


def by_hand(net):
    """NC1 from its definition."""
    x, y = samples()
    h = features(net, x).detach().double()
    means = torch.stack([h[y == c].mean(0) for c in range(CLASSES)])
    within = torch.cov((h - means[y]).T, correction=0)
    spread = means - means.mean(0)
    return float((within @ torch.linalg.pinv(spread.T @ spread / CLASSES)).trace() / CLASSES)


@pytest.mark.parametrize("order", [("stem", "body", "head"), ("head", "body", "stem"), ("body", "head", "stem")])
def test_the_classifier_is_what_makes_the_scores_wherever_it_is_defined(order):
    found = collapse(Net(whole, order))
    assert found["nc1"] == pytest.approx(by_hand(Net(whole)), rel=1e-6)
    assert found == collapse(Net(whole))


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: net.head(features(net, x)) + (net.more(x) if net.training else 0),
        lambda net, x: net.head(features(net, x)).log_softmax(1),
        lambda net, x: net.head(features(net, x)).mul_(2.0),
        lambda net, x: net.head(input=features(net, x)),
        lambda net, x: (net.head(x[:, :CLASSES]), net.head(features(net, x)))[1],
    ],
    ids=["trained beside another", "log-softmax", "in place", "by keyword", "called twice"],
)
def test_the_classifier_is_found_behind_what_moves_no_order(forward):
    net = Net(forward, more=nn.Linear(FEATURES, CLASSES))
    assert collapse(net) == pytest.approx(collapse(Net(whole)), rel=1e-6)


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: nn.functional.linear(features(net, x), net.head.weight),
        lambda net, x: net.head(features(net, x)) + net.more(x),
        lambda net, x: net.head(features(net, x)).relu(),
        lambda net, x: net.head(features(net, x)[:, None].expand(-1, 2, -1)).mean(1),
    ],
    ids=["no module", "two heads", "no linear end", "several rows"],
)
def test_without_a_classifier_there_is_no_collapse(forward):
    assert collapse(Net(forward, more=nn.Linear(FEATURES, CLASSES))) == {}


def test_a_frozen_or_parametrised_classifier_is_one():
    plain, frozen, parametrised = Net(whole), Net(whole), Net(whole)
    frozen.requires_grad_(False)
    nn.utils.parametrizations.weight_norm(parametrised.head)
    assert collapse(frozen) == collapse(plain)
    assert collapse(parametrised) == pytest.approx(collapse(plain), rel=1e-5)


NO_GRADIENT = {
    "rounded": lambda net, x: net.head(net.table((x > 0).long()).mean(1)),
    "detached": lambda net, x: net.head(features(net, x).detach()),
    "constant": lambda net, x: net.head.bias.expand(len(x), CLASSES) * 1,
}


@pytest.mark.parametrize("forward", NO_GRADIENT.values(), ids=NO_GRADIENT)
def test_where_no_gradient_reaches_the_input_what_reads_it_is_absent(forward):
    net = Net(forward, table=nn.Embedding(2, CLASSES))
    for asked in (lambda: input_gradients(net, *samples()), lambda: jacobian_singular_values(net, samples()[0])):
        with pytest.raises(Absent, match="no gradient reaches the input"):
            asked()
    found = measures(net, preset="full", jacobian=True)
    assert "norm.log_spectral_product" in found
    assert not any("jacobian" in key or "gradient_correlation" in key for key in found)


def test_token_numbers_have_no_gradients():
    net = nn.Sequential(nn.Embedding(9, FEATURES), nn.Flatten(), nn.Linear(2 * FEATURES, CLASSES)).eval()
    x, y = torch.arange(2 * SAMPLES).reshape(SAMPLES, 2) % 9, samples()[1]
    with pytest.raises(Absent, match="token numbers"):
        input_gradients(net, x, y)
    found = generalization_measures(net, x, y, spec=ProbeSpec(preset="full", jacobian=True)).values
    assert {"margin.q50", *COLLAPSE} <= set(found)


def test_a_head_for_training_alone_has_no_part_in_the_hessian():
    aux = Net(lambda net, x: whole(net, x) + (net.more(x) if net.training else 0), more=nn.Linear(FEATURES, CLASSES))
    found, plain = (curvature(net.eval(), *samples()) for net in (aux, Net(whole)))
    assert found == plain
    with pytest.raises(Absent, match="no weight that is trained"):
        curvature(Net(whole).requires_grad_(False), *samples())


def test_the_hessian_of_what_has_no_forward_derivative_is_absent():
    bags = nn.Sequential(nn.EmbeddingBag(9, 4), nn.Linear(4, CLASSES)).eval()
    with pytest.raises(Absent, match="cannot be differentiated forward"):
        curvature(bags, torch.arange(2 * SAMPLES).reshape(SAMPLES, 2) % 9, samples()[1])


class Sign(torch.autograd.Function):
    """A sign with the gradient of the identity, as torch's first examples write it."""

    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


@pytest.mark.parametrize("kind", ["checkpoint", "function"])
def test_the_hessian_of_what_torch_differentiates_once_is_absent_and_all_else_is_there(kind):
    def forward(net, x):
        return net.head(
            checkpoint(features, net, x, use_reentrant=False) if kind == "checkpoint" else Sign.apply(net.stem(x))
        )

    net = Net(forward)
    with pytest.raises(Absent, match=r"gradient cannot be differentiated: .*functorch|saved tensor hooks"):
        curvature(net.eval(), *samples())
    found = measures(net, preset="full", hessian=True, jacobian=True)
    assert {"flatness", "gradient_correlation", "jacobian.rms"} <= found.keys()
    assert "hessian.trace" not in found


def noisy(net, x):
    return net.head(features(net, x) + torch.randn(len(x), CLASSES))


def test_what_is_drawn_in_evaluation_too_is_the_same_in_passes_that_are_compared():
    """As where the draws are constants: of the Hessian, flatness and neighbouring gradients."""
    torch.manual_seed(5)
    drawn = torch.randn(SAMPLES, CLASSES)
    fixed = Net(lambda net, x: net.head(features(net, x) + drawn[: len(x)]))
    before = torch.get_rng_state()
    for metric in (curvature, flatness, neighbour_gradient_correlation):
        found, expected = (metric(net.eval(), *samples(), seed=5) for net in (Net(noisy), fixed))
        assert found == expected, metric
    assert flatness(Net(noisy).eval(), *samples(), seed=5) > 0
    torch.set_rng_state(before)


def test_a_part_that_is_compiled_is_measured_without_its_graphs():
    """Hooks would make it compile again, for each."""
    compiled: list[int] = []

    def backend(graph, inputs):
        compiled.append(1)
        return graph.forward

    body = nn.Sequential(nn.Linear(CLASSES, CLASSES), nn.ReLU())
    net = Net(lambda net, x: net.head(net.more(net.stem(x))), more=torch.compile(body, backend=backend))
    plain = Net(lambda net, x: net.head(net.more(net.stem(x))), more=body)
    plain.load_state_dict({name.replace("_orig_mod.", ""): value for name, value in net.state_dict().items()})
    assert measures(net) == measures(plain)
    found, expected = (probe(one.eval(), samples()) for one in (net, plain))
    assert found["value"].equals(expected["value"])
    assert not compiled
    with torch.no_grad():
        net(samples()[0])
    assert len(compiled) == 1


def test_a_network_of_one_type_of_numbers_has_no_path_norm():
    net = Net(lambda net, x: whole(net, x.float()))
    with pytest.raises(Absent, match="float64"):
        log_path_norm(net, (FEATURES,))
    assert measures(net).keys() == measures(Net(whole)).keys() - {"norm.log_path"}
    assert math.isfinite(log_path_norm(nn.Flatten(), (FEATURES,))), "nothing to square"


def test_blocks_of_several_tensors_or_without_a_call_are_not_deleted():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    blocks = nn.ModuleList([nn.Linear(CLASSES, CLASSES), Pair(), nn.Identity(), nn.Linear(CLASSES, CLASSES)])
    net = Net(lambda net, x: net.head(net.more[2](net.more[1](net.more[0](net.stem(x)))[0])), more=blocks).eval()
    layers = [HiddenLayer("stem", net.stem, None, None, ())]
    layers += [HiddenLayer(f"{i}", block, None, None, ()) for i, block in enumerate(blocks)]
    x, y = samples()
    assert [d.layer for d in block_deletion(net, x, y, layers, seed=0)] == ["0"]
