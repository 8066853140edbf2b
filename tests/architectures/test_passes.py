"""Passes written out beside autograd: the same bits of losses, gradients, buffers and layouts."""

import copy
import inspect
import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from skipray import architectures, torch_private
from skipray.architectures.building.passes import functions
from skipray.architectures.building.passes import network as whole_network
from skipray.architectures.building.passes.network import passes_of
from skipray.extension import catalog
from skipray.spec import Recipe
from skipray.trial.channels_last import memory_format
from skipray.trial.training import make_optimizer, to_device
from skipray.trial.training.step import Step

IMAGE, CLASSES = (3, 8, 8), 5
MLP = {"kind": "mlp", "width": 8}
CNN = {"kind": "cnn", "width": 4, "layout": "cifar", "block": "basic"}
SKIPS = ("resnet", "preresnet", "resnext")


def networks():
    """Families, kinds and what a model may have, with each value of each field at least once."""
    for family, kind, norm, activation in itertools.product(
        ("plainnet", "resnet", "preresnet", "resnext"), ("mlp", "cnn"), ("batch", "layer", "none"),
        ("relu", "tanh", "gelu"),
    ):  # fmt: skip
        fields = dict(MLP if kind == "mlp" else CNN) | {"normalization": norm, "activation": activation}
        fields["depth"] = 8 if kind == "mlp" else 14
        if family == "resnext":
            fields |= {"cardinality": 2, "group_width": 3, "depth": 8 if kind == "mlp" else 20}
            fields.pop("block", None)
        if family in SKIPS:
            fields["residual_scale"] = 1
            if kind == "cnn":
                fields["shortcut"] = "B"
        yield family, fields
    for norm, activation, width in itertools.product(("batch", "layer", "none"), ("relu", "tanh", "gelu"), (1, 2)):
        narrow = {"normalization": norm, "activation": activation, "cardinality": 4, "group_width": width, "width": 8}
        yield "resnext", MLP | {"depth": 8, "residual_scale": 1} | narrow
    for family in ("resnet", "preresnet"):
        small = {"normalization": "batch", "activation": "relu", "residual_scale": 1}
        mlp, cnn = MLP | small | {"depth": 8}, CNN | small | {"depth": 14, "shortcut": "A"}
        yield family, cnn
        yield family, mlp | {"residual_scale": 0.5}
        yield family, mlp | {"residual_scale": 2}
        yield family, mlp | {"residual_scale": "learned"}
        yield family, mlp | {"widths": (8, 6)}
        yield family, mlp | {"layer_scale": 0.1}
        yield family, mlp | {"dropout": 0.3, "stochastic_depth": 0.4}
        yield family, cnn | {"dropout": 0.3}
        yield family, cnn | {"block": "bottleneck", "depth": 20, "shortcut": "B"}
    for name in catalog.names("activations"):
        given = {"name": name, **getattr(catalog.find("activations", name), "EXAMPLE", {})}
        for arguments in ({}, {"frequency": 2.5} if name == "sine" else {}):
            for norm in ("none", "batch")[: 1 if name == "tailored_leaky_relu" else 2]:
                fields = {"depth": 6, "normalization": norm, "activation": given | arguments}
                scheme = {"initialisation": "lecun_normal"} if name == "tailored_leaky_relu" else {}
                yield "plainnet", MLP | fields | scheme
    imagenet = {"layout": "imagenet", "depth": 18, "normalization": "batch", "activation": "relu"}
    yield "resnet", CNN | imagenet | {"residual_scale": 1, "shortcut": "B"}


def name_of(given):
    family, fields = given
    told = (v["name"] if isinstance(v, dict) else v for v in fields.values())
    return "-".join(str(v) for v in (family, *told))


def pair(make_model, family, fields, *, image=IMAGE):
    """The same network twice, and the passes of the second. Biases and scales are no zeros and ones: sums of products
    have other bits where a bias is added before the last of them or after it."""
    fields = {"initialisation": "he_normal"} | fields
    net = to_device(architectures.build(make_model(family, **fields), image, CLASSES, seed=3), torch.device("cpu"))
    drawn = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim < 2:
                parameter.add_(torch.randn(parameter.shape, generator=drawn), alpha=0.3)
    net.train()
    twin = copy.deepcopy(net)
    return net, twin, passes_of(twin)


def gradients(function, x, y, *, pieces=1):
    torch.manual_seed(7)
    losses = []
    for part, labels in zip(x.chunk(pieces), y.chunk(pieces), strict=True):
        loss = F.cross_entropy(function(part), labels)
        loss.backward()
        losses.append(loss.item())
    return losses


def batch(samples=12, *, layout=torch.contiguous_format, image=IMAGE):
    made = torch.Generator().manual_seed(0)
    x, y = torch.randn(samples, *image, generator=made), torch.randint(CLASSES, (samples,), generator=made)
    return x.contiguous(memory_format=layout), y


def assert_same(net, twin):
    for (name, a), (_, b) in zip(net.named_parameters(), twin.named_parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), name
        assert a.grad.stride() == b.grad.stride(), name
    for (name, a), (_, b) in zip(net.named_buffers(), twin.named_buffers(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("given", networks(), ids=name_of)
def test_the_bits_are_those_of_autograd(make_model, given):
    """As a function that autograd differentiates, with loss and gradients at once, and in evaluation."""
    family, fields = given
    net, twin, passes = pair(make_model, family, fields)
    assert passes is not None
    x, y = batch(layout=memory_format(net))
    for _ in range(2):  # gradients are added to those that are there
        assert gradients(net, x, y) == gradients(passes, x, y)
        assert_same(net, twin)
    assert gradients(net, x, y, pieces=3) == gradients(passes, x, y, pieces=3)
    assert_same(net, twin)
    for parameter in (*net.parameters(), *twin.parameters()):
        parameter.grad = None
    y[3] = -100  # counts nowhere
    assert all(map(torch.equal, in_pieces(by_autograd(net), x, y), in_pieces(passes.cross_entropy, x, y)))
    assert_same(net, twin)
    net.eval()
    before = {name: buffer.clone() for name, buffer in twin.named_buffers()}
    with torch.no_grad():
        assert torch.equal(net(x[:7]), passes.evaluated(x[:7]))
    assert all(torch.equal(buffer, before[name]) for name, buffer in twin.named_buffers())
    assert torch.equal(x, batch(layout=memory_format(net))[0]), "the inputs are as they were"
    assert is_torchs(passes)


def is_torchs(passes):
    """Torch's own interpreter runs them."""
    return type(getattr(passes.functions.forward, "args", [None])[-1]).__name__ == "ScriptFunction"


def by_autograd(net):
    def cross_entropy(x, y, share):
        scores = net(x)
        loss = F.cross_entropy(scores, y) * share
        loss.backward()
        return loss.detach(), scores.detach()

    return cross_entropy


def in_pieces(cross_entropy, x, y):
    """Losses and scores of two pieces, the second of which is given its whole share."""
    torch.manual_seed(7)
    found = zip(x.split([8, 4]), y.split([8, 4]), (8 / 12, 1.0), strict=True)
    return [tensor for piece in found for tensor in cross_entropy(*piece)]


def interpreters(make_model, monkeypatch, family, fields):
    """The passes of one network, run by torch's interpreter and by Python's."""
    made = []
    for without in (False, True):
        functions.functions.cache_clear()
        with monkeypatch.context() as patch:
            if without:
                patch.setattr(functions, "interpreted", lambda text: None)
            made.append(pair(make_model, family, fields)[1:])
    functions.functions.cache_clear()
    return made


@pytest.mark.parametrize("family", ["plainnet", "resnet", "preresnet", "resnext"])
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_pythons_interpreter_reads_them_as_torchs_does(make_model, monkeypatch, family, kind):
    fields = (MLP if kind == "mlp" else CNN) | {"normalization": "batch", "activation": "relu"}
    fields["depth"] = 20 if kind == "cnn" else 8
    if family in SKIPS:
        fields |= {"residual_scale": 0.5} | ({"shortcut": "B"} if kind == "cnn" else {})
    if family == "resnext":
        fields |= {"cardinality": 2, "group_width": 3}
        fields.pop("block", None)
    (ours, torchs), (theirs, pythons) = interpreters(make_model, monkeypatch, family, fields)
    assert is_torchs(torchs)
    assert inspect.isfunction(pythons.functions.forward)
    x, y = batch(layout=memory_format(ours))
    assert torch.equal(torchs.cross_entropy(x, y, 0.5)[0], pythons.cross_entropy(x, y, 0.5)[0])
    assert torch.equal(torchs.evaluated(x), pythons.evaluated(x))
    assert gradients(torchs, x, y) == gradients(pythons, x, y)
    assert_same(ours, theirs)


def test_networks_of_all_depths_share_one_text(make_model, monkeypatch):
    """So that a process reads it once, and a network of 1,000 layers costs no more."""
    texts = set()
    monkeypatch.setattr(whole_network, "functions", texts.add)
    for depth in (8, 20, 110):
        pair(make_model, "resnet", MLP | {"depth": depth, "normalization": "batch", "activation": "relu"})
    assert len(texts) == 1
    assert len(texts.pop().splitlines()) < 200


def test_an_error_is_said_as_an_operator_says_it(make_model):
    _, _, passes = pair(make_model, "plainnet", MLP | {"depth": 6, "normalization": "batch", "activation": "relu"})
    x, _ = batch()
    with pytest.raises(RuntimeError, match=r"^Target 9 is out of bounds\.$"):
        passes.cross_entropy(x, torch.full((len(x),), 9), 1.0)
    with pytest.raises(RuntimeError, match=r"^(mm: )?mat1 and mat2 shapes cannot be multiplied \(12x5 and 192x8\)$"):
        passes.evaluated(torch.zeros(12, 5))


def test_a_step_without_its_way_back_leaves_nothing_to_the_next(make_model):
    net, twin, passes = pair(make_model, "plainnet", MLP | {
        "depth": 6, "normalization": "batch", "activation": "relu"
    })  # fmt: skip
    x, y = batch()
    assert torch.equal(net(x[:5]), passes(x[:5]))
    assert gradients(net, x, y) == gradients(passes, x, y)
    assert_same(net, twin)


@pytest.mark.parametrize(
    ("family", "fields", "image"),
    [
        ("plainnet", MLP | {"width": 32, "depth": 6, "normalization": "none", "activation": "relu"}, (1, 28, 28)),
        ("plainnet", MLP | {"width": 32, "depth": 6, "normalization": "none", "activation": "tanh"}, (3, 32, 32)),
        ("resnet", MLP | {"width": 512, "depth": 6, "normalization": "batch", "activation": "relu"}, (1, 8, 8)),
        ("resnet", CNN | {"width": 128, "depth": 8, "normalization": "batch", "activation": "relu"}, (3, 8, 8)),
    ],
)
def test_the_bits_of_long_sums_stay(make_model, family, fields, image):
    """Products are summed in pieces, and a bias is added within them. At each of several calls: an interpreter may
    begin to run something else than what is written."""
    if family == "resnet":
        fields = fields | {"residual_scale": 1, "shortcut": "B"}
    net, twin, passes = pair(make_model, family, fields, image=image)
    x, y = batch(32, layout=memory_format(net), image=image)
    for _ in range(4):
        assert all(map(torch.equal, by_autograd(net)(x, y, 1.0), passes.cross_entropy(x, y, 1.0)))
        assert gradients(net, x, y) == gradients(passes, x, y)
        assert_same(net, twin)
    net.eval()
    with torch.no_grad():
        assert torch.equal(net(x), passes.evaluated(x))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_bits_stay_at_the_sizes_of_a_sweep(make_model, layout):
    """Wide enough for every vectorised way through the kernels, in a layout that is not the network's own too."""
    for family, fields in (
        ("resnet", {"kind": "mlp", "width": 64, "depth": 20}),
        ("resnet", CNN | {"width": 16, "depth": 20, "shortcut": "B"}),
    ):
        fields |= {"residual_scale": 1, "normalization": "batch", "activation": "relu"}
        net, twin, passes = pair(make_model, family, fields)
        x, y = batch(130, layout=layout)
        assert gradients(net, x, y) == gradients(passes, x, y)
        assert_same(net, twin)


def watched(network):
    network.blocks[0].register_forward_hook(lambda *given: None)


def frozen(network):
    network.stem.linear.weight.requires_grad = False


def tensor_hook(network):
    network.classifier.weight.register_hook(lambda gradient: 2 * gradient)


def accumulated(network):
    network.classifier.weight.register_post_accumulate_grad_hook(lambda parameter: None)


def replaced(network):
    network.blocks[0].forward = lambda x: x


@pytest.mark.parametrize("change", [watched, frozen, tensor_hook, accumulated, replaced])
def test_what_passes_would_not_see_is_left_to_autograd(make_model, change):
    net, _, passes = pair(make_model, "resnet", MLP | {"depth": 8, "normalization": "batch", "activation": "relu"})
    assert passes is not None
    change(net)
    assert passes_of(net) is None


def test_so_is_a_hook_on_all_modules(make_model):
    net, _, _ = pair(make_model, "resnet", MLP | {"depth": 8, "normalization": "batch", "activation": "relu"})
    handle = nn.modules.module.register_module_forward_hook(lambda *given: None)
    try:
        assert passes_of(net) is None
    finally:
        handle.remove()
    assert passes_of(net) is not None


def test_so_are_other_networks_and_a_torch_without_the_kernels(make_model, monkeypatch):
    fields = {"depth": 8, "normalization": "none", "activation": "relu"}
    _, _, none = pair(make_model, "highway", MLP | fields)
    assert none is None
    assert passes_of(nn.Linear(2, 2)) is None
    net, _, passes = pair(make_model, "plainnet", MLP | fields)
    assert passes is not None
    functions.functions.cache_clear()
    monkeypatch.setattr(functions, "operator", lambda name: None if name == "mm" else torch_private.operator(name))
    assert passes_of(net) is None
    functions.functions.cache_clear()


def doubled(network):
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    network.classifier = Doubled(8, CLASSES)


def another_block(network):
    network.blocks[1] = nn.Sequential(nn.Linear(8, 8))


def another_stem(network):
    network.stem = nn.Sequential(nn.Linear(192, 8), nn.ReLU())


def another_head(network):
    network.head = nn.GELU()


def another_norm(network):
    norm = nn.BatchNorm1d(8, affine=False)
    network.blocks[0].norm1 = norm
    network.blocks[0].first = (norm, network.blocks[0].first[1])


def another_skip(network):
    network.blocks[0].shortcut = nn.Sequential()


def one_layer_twice(network):
    network.blocks[1].linear1.weight = network.blocks[0].linear1.weight


def another_scale(network):
    network.blocks[0].scale = nn.Sequential()


@pytest.mark.parametrize(
    "change",
    [doubled, another_block, another_stem, another_head, another_norm, another_skip, another_scale, one_layer_twice],
)
def test_so_is_a_network_with_a_part_of_anothers(make_model, change):
    fields = {"depth": 8, "normalization": "batch", "activation": "relu", "residual_scale": 1}
    net, _, passes = pair(make_model, "preresnet", MLP | fields)
    assert passes is not None
    change(net)
    assert passes_of(net) is None


def test_so_are_dirac_layers_and_activations_of_ones_own(make_model):
    fields = {"depth": 6, "normalization": "none", "activation": "relu"}
    assert pair(make_model, "plainnet", MLP | fields | {"initialisation": "dirac"})[2] is None
    assert pair(make_model, "plainnet", MLP | fields | {"activation": "torch.nn.functional:mish"})[2] is None
    endless = {"name": "elu", "alpha": math.inf}
    assert pair(make_model, "plainnet", MLP | fields | {"activation": endless})[2] is None


@pytest.mark.parametrize("closed", [False, True], ids=["sgd", "lbfgs"])
def test_a_step_takes_them(make_model, monkeypatch, closed):
    """The same weights after some steps, with pieces of a batch, clipping, and an optimizer that evaluates again."""
    given = {"epochs": 1, "batch_size": 12, "schedule": "constant", "augmentation": "none", "weight_decay": 1e-3}
    given |= {"learning_rate": 0.1, "gradient_clip_norm": 0.5, "gradient_accumulation": 2}
    given |= {"optimizer": {"name": "lbfgs"}} if closed else {"momentum": 0.9}
    recipe = Recipe(**given)
    net, twin, _ = pair(make_model, "resnext", MLP | {
        "depth": 8, "normalization": "batch", "activation": "relu", "cardinality": 2, "group_width": 3,
        "residual_scale": 1,
    })  # fmt: skip
    x, y = batch()
    losses = []
    for network, written_out in ((net, False), (twin, True)):
        with monkeypatch.context() as patch:
            if not written_out:
                patch.setattr("skipray.trial.training.step.passes_of", lambda network, ignored: None)
            step = Step(network, recipe, make_optimizer(network, recipe))
        assert (step.forward is network) == (not written_out)
        losses.append([float(step.take(x, y, y, 0.1, None)[0]) for _ in range(4)])
    assert losses[0] == losses[1]
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), twin.parameters(), strict=True))


def test_bfloat16_is_left_to_autograd(make_model):
    net, _, _ = pair(make_model, "resnet", MLP | {"depth": 8, "normalization": "batch", "activation": "relu"})
    recipe = Recipe(
        epochs=1, batch_size=4, learning_rate=0.1, momentum=0.9, weight_decay=0, schedule="constant",
        augmentation="none", precision="bfloat16",
    )  # fmt: skip
    assert Step(net, recipe, make_optimizer(net, recipe)).forward is net
