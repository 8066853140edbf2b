"""The probe: what it measures, against definitions written out here; and that it leaves everything as found."""

import copy
import random
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
import torchvision
from torch import nn

from skipray import architectures, metrics
from skipray.extension import catalog
from skipray.probe import measure, probe
from skipray.probe.generalization import generalization_measures, initial_weights
from skipray.records import LAYER_COLUMNS
from skipray.spec import ModelSpec, ProbeSpec

PUBLIC_COLUMNS = [
    "layer", "layer_index", "tensor", "unfolding", "centred", "phase", "statistic", "version", "value", "censored",
]  # fmt: skip
FULL, DEFAULT = ProbeSpec(preset="full"), ProbeSpec()


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def family(
    name: str, kind: str = "mlp", depth: int = 8, normalization: str = "batch", initialisation: str = "he_normal"
) -> nn.Module:
    fields = {"residual_scale": 1, "block": "basic", "shortcut": "A", "cardinality": 2, "group_width": 8,
              "growth_rate": 4, "layout": "cifar"}  # fmt: skip
    entry = catalog.find("architectures", name)
    used = {key: value for key, value in fields.items() if key in entry.fields(kind)}
    model = ModelSpec(
        architecture=name, depth=depth, kind=kind, width=16, normalization=normalization,
        initialisation=initialisation, activation="relu", **used,
    )  # fmt: skip
    return architectures.build(model, (1, 8, 8), 10, seed=0)


def batch(samples: int = 24, shape: tuple[int, ...] = (1, 8, 8)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(samples, *shape, generator=generator), torch.randint(10, (samples,), generator=generator)


def value(table: pd.DataFrame, **where: object) -> float:
    for column, wanted in where.items():
        table = table[table[column] == wanted]
    assert len(table) == 1, (where, len(table))
    return float(table["value"].iloc[0])


def with_reasons(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(reason=pd.Series(table.attrs["reasons"], dtype=object).reindex(table.index, fill_value=""))


class Shared(nn.Module):
    """The same module twice, operations in place, a branch that gives a tuple, and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 12)
        self.twice = nn.Linear(12, 12)
        self.rectified = nn.ReLU(inplace=True)
        self.recurrent = nn.GRU(12, 5, batch_first=True)
        self.dropout = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(12)
        self.last = nn.Linear(5, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.rectified(self.first(x))
        x = self.rectified(self.twice(x))
        x = self.norm(self.dropout(self.twice(x)))
        return self.last(self.recurrent(x[:, None])[0][:, 0])


def models() -> dict[str, tuple[nn.Module, tuple[int, ...]]]:
    small_vit = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=10)
    # Its classifier starts at zero, and so would all gradients before it.
    nn.init.normal_(small_vit.heads.head.weight)
    return {
        "resnet18": (torchvision.models.resnet18(num_classes=10), (3, 32, 32)),
        "vision transformer": (small_vit, (3, 32, 32)),
        "in place and shared": (Shared(), (6,)),
        "starts in place": (nn.Sequential(nn.ReLU(inplace=True), nn.Linear(6, 5), nn.Linear(5, 4)), (6,)),
    }


def state(model: nn.Module) -> dict[str, object]:
    """Everything that a measurement might move, by value."""
    return {
        "tensors": {k: v.clone() for k, v in model.state_dict(keep_vars=False).items()},
        "identity": [id(t) for t in (*model.parameters(), *model.buffers())],
        "gradients": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "requires": [p.requires_grad for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in model.modules()],
        "rng": torch.get_rng_state(),
        "numpy": np.random.get_state()[1].copy(),  # noqa: NPY002
        "python": list(random.getstate()[1]),
        "grad mode": torch.is_grad_enabled(),
        "tf32": (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32),
    }


def assert_same(found: object, expected: object) -> None:
    if isinstance(expected, dict):
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    elif isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    elif isinstance(expected, np.ndarray):
        assert (found == expected).all()
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("name", "training"),
    [(n, t) for n in ("vision transformer", "in place and shared", "starts in place") for t in (True, False)]
    + [("resnet18", True)],
)
def test_leaves_any_model_as_found(name, training):
    model, shape = models()[name]
    inputs, labels = batch(6, shape)
    labels = labels % 4
    model.train()
    nn.functional.cross_entropy(model(inputs.clone()), labels).backward()
    model.train(training)
    next(model.parameters()).requires_grad_(False)
    list(model.modules())[-1].training = not training
    before, kept = state(model), inputs.clone()
    large = name == "resnet18"
    table = probe(model, inputs if large else (inputs, labels))
    assert_same(state(model), before)
    assert torch.equal(inputs, kept)
    gradients = set() if large else {"weight_gradient", "output_gradient"}
    assert set(table["tensor"]) == {"hidden", "weight"} | gradients
    assert set(table["phase"]) == {"train" if training else "eval"}
    assert_same(state(model), before)


class Writes(nn.Module):
    """Its passes of training write parameters and a parametrization's buffers; it has a buffer that is sparse."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 8))
        self.head, self.average = nn.Linear(8, 4), nn.Linear(8, 4).requires_grad_(False)
        self.register_buffer("edges", torch.eye(8).to_sparse())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.average.weight.data.lerp_(self.head.weight.data, 0.1)
            self.head.weight.data.clamp_(-0.1, 0.1)
        return self.head(torch.sparse.mm(self.edges, self.stem(x).T).T)


@pytest.mark.parametrize("training", [True, False])
def test_leaves_what_a_pass_of_training_writes(training):
    torch.manual_seed(0)
    model = Writes().train(training)
    inputs, labels = torch.randn(9, 6), torch.arange(9) % 4
    before = {n: t.clone() for n, t in model.state_dict().items() if n != "edges"}
    probe(model, (inputs, labels))
    now = model.state_dict()
    assert all(torch.equal(now[name], value) for name, value in before.items())


def _smallest(name: str, kind: str) -> dict[str, object] | None:
    """Settings that a family takes, the smallest depth first."""
    for depth in range(6, 41):
        for normalization, initialisation in (("batch", "he_normal"), ("none", "he_normal"), ("none", name)):
            settings = {"depth": depth, "normalization": normalization, "initialisation": initialisation}
            try:
                family(name, kind, **settings)
            except ValueError:
                continue
            return settings
    return None


CASES = {
    (n, k): _smallest(n, k)
    for n in catalog.names("architectures")
    for k in ("mlp", "cnn")
    if (n, k) != ("transformer", "cnn")  # which has one kind
}


def test_every_family_is_among_the_cases():
    assert {name for (name, _), settings in CASES.items() if settings} == set(catalog.names("architectures"))


@pytest.mark.parametrize(("name", "kind"), [case for case, settings in CASES.items() if settings])
def test_leaves_every_family_as_found_and_training_bits_alike(name, kind):
    settings = CASES[name, kind]
    inputs, labels = batch(16)
    trained = []
    for probed in (True, False):
        network = family(name, kind, **settings)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        for epoch in range(3):
            if probed:
                before, momentum = state(network), copy.deepcopy(optimizer.state_dict())
                found = measure(network, inputs, labels, FULL, epoch=epoch)
                assert {"hidden", "weight", "weight_gradient", "output_gradient"} <= set(found.layers["tensor"])
                assert_same(state(network), before)
                assert_same(optimizer.state_dict(), momentum)
            network.train()
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs), labels).backward()
            optimizer.step()
        trained.append(network.state_dict())
    assert_same(trained[0], trained[1])


def test_restores_after_an_error():
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.norm(x)
            torch.rand(3), np.random.rand(), random.random()  # noqa: NPY002
            self.norm.num_batches_tracked = torch.tensor(99)
            raise RuntimeError("half way")

    model = Failing()
    before = state(model)
    with pytest.raises(RuntimeError, match="half way"):
        probe(model, torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))
    assert_same(state(model), before)


def test_columns_and_order():
    inputs, labels = batch()
    table = probe(family("resnet"), (inputs, labels))
    assert list(table.columns) == PUBLIC_COLUMNS
    assert table["censored"].isin([-1, 0, 1]).all()
    assert set(table.index[table["value"].isna()]) == set(table.attrs["reasons"])
    assert np.isfinite(table["value"].dropna()).all()
    unique = table[["layer", "tensor", "unfolding", "centred", "phase", "statistic"]]
    assert not unique.duplicated().any()
    assert list(measure(family("resnet"), inputs, labels, DEFAULT, epoch=0).layers.columns) == list(LAYER_COLUMNS)


def test_no_gradients_without_labels():
    table = probe(family("resnet"), batch()[0])
    assert set(table["tensor"]) == {"hidden", "branch", "skip", "weight"}


def test_hidden_statistics_by_their_definitions():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 4))
    inputs = torch.randn(30, 6)
    table = probe(model, inputs)
    h = model[:2](inputs).detach().double().numpy()
    u = h[np.linalg.norm(h, axis=1) > 0]
    u = u / np.linalg.norm(u, axis=1, keepdims=True)
    cosines = (u @ u.T)[~np.eye(len(u), dtype=bool)]
    for centred in (False, True):
        s = np.linalg.svd(h - h.mean(0) * centred, compute_uv=False)
        p = s / s.sum()
        q = s**2 / (s**2).sum()
        expected = {
            "log10_condition": np.log10(s[0] / s[-1]),
            "log10_sigma_min": np.log10(s[-1]),
            "spectral_norm": s[0],
            "numerical_rank": 9,
            "rank_1e3": (s > s[0] / 1e3).sum(),
            "stable_rank": (s**2).sum() / s[0] ** 2,
            "effective_rank": np.exp(-(p * np.log(p)).sum()),
            "effective_rank_energy": np.exp(-(q * np.log(q)).sum()),
            "participation_ratio": (s**2).sum() ** 2 / (s**4).sum(),
            "log_volume": np.log(s).sum(),
            "structural_rank": 9,
        }
        for statistic, wanted in expected.items():
            where = {"layer": "1", "tensor": "hidden", "centred": centred, "statistic": statistic}
            assert value(table, **where) == pytest.approx(wanted, rel=1e-9), statistic
    entrywise = {
        "mean_cosine": cosines.mean(), "dead_fraction": (h == 0).all(0).mean(), "nonfinite": 0,
        "range": np.ptp(h), "rms": np.sqrt((h**2).mean()),
    }  # fmt: skip
    for statistic, wanted in entrywise.items():
        assert value(table, layer="1", tensor="hidden", statistic=statistic) == pytest.approx(wanted, rel=1e-6)


def test_a_network_that_writes_into_its_input_is_measured_on_the_same_input_in_each_pass():
    class Halves(nn.Module):
        def __init__(self, in_place):
            super().__init__()
            self.in_place = in_place
            self.layers = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))

        def forward(self, x):
            return self.layers(x.mul_(0.5) if self.in_place else x * 0.5)

    x, y = torch.randn(12, 6, generator=torch.Generator().manual_seed(1)), torch.arange(12) % 3
    networks = Halves(False), Halves(True)
    networks[1].load_state_dict(networks[0].state_dict())
    expected, found = (
        generalization_measures(n, x.clone(), y, spec=ProbeSpec(preset="full", hessian=True, jacobian=True)).values
        for n in networks
    )
    assert found == expected
    assert len(found) > 5


def test_in_place_layers_are_seen_before_and_after():
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(inplace=True), nn.Linear(8, 4))
    inputs, labels = torch.randn(20, 5), torch.randint(4, (20,))
    table = probe(model, (inputs, labels))
    before = model[0](inputs).detach()
    assert value(table, layer="0", tensor="hidden", statistic="range") == pytest.approx(float(np.ptp(before.numpy())))
    z = before.double().requires_grad_()
    logits = nn.functional.linear(z.relu(), model[2].weight.double(), model[2].bias.double())
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(logits, labels), z)
    found = value(table, layer="0", tensor="output_gradient", statistic="gradient_norm")
    assert found == pytest.approx(float(gradient.norm()), rel=1e-5)


def test_calls_of_a_shared_module_are_layers_of_their_own():
    table = probe(Shared().eval(), batch(7, (6,))[0])
    hidden = table[table["tensor"] == "hidden"].drop_duplicates("layer")
    assert list(hidden["layer"]) == [
        "first", "rectified", "twice", "rectified#2", "twice#2", "dropout", "norm", "recurrent[0]", "recurrent[1]",
        "last",
    ]  # fmt: skip
    assert list(hidden["layer_index"]) == list(range(10))
    assert set(table[table["tensor"] == "weight"]["layer"]) == {
        "first", "twice", "last", "recurrent.weight_ih_l0", "recurrent.weight_hh_l0",
    }  # fmt: skip


def test_gradients_of_logits_lose_a_rank_to_the_classes():
    model = nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 5))
    table = probe(model, (torch.randn(40, 20), torch.randint(5, (40,))))
    for layer, tensor in (("2", "output_gradient"), ("1", "output_gradient"), ("2", "weight_gradient")):
        rows = table[(table["layer"] == layer) & (table["tensor"] == tensor) & ~table["centred"]]
        assert value(rows, statistic="structural_rank") == 4
        assert int(rows[rows["statistic"] == "log10_condition"]["censored"].iloc[0]) == 0


@pytest.mark.parametrize(("name", "linear"), [("resnet", True), ("fixup", True), ("preresnet", False)])
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_the_last_block_loses_ranks_where_the_head_is_linear(name, linear, kind):
    """A pre-activation network has a rectifier after its last block: the gradient there has every rank."""
    fixup = name == "fixup"
    network = family(
        name, kind, normalization="none" if fixup else "batch", initialisation=name if fixup else "he_normal"
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    found = measure(network, *batch(40), FULL, epoch=1)
    last, unfolding = network.hidden_layers()[-1].name, "matrix" if kind == "mlp" else "samples"
    spectrum = found.spectra[f"1/{last}/output_gradient/{unfolding}/raw"]
    assert (spectrum[9] < 1e-6 * spectrum[0]) == linear
    table = found.layers
    where = {"layer": last, "tensor": "output_gradient", "unfolding": unfolding, "phase": "eval", "centred": False}
    rank = int(value(table, statistic="structural_rank", **where))
    assert rank == 9 if linear else rank > 9
    condition = value(table, statistic="log10_condition", **where)
    assert condition == pytest.approx(np.log10(spectrum[0] / spectrum[rank - 1]))


def test_family_gradients_and_taps():
    network = family("resnet")
    inputs, labels = batch()
    table = measure(network, inputs, labels, FULL, epoch=1).layers
    hidden = network.hidden_layers()
    for tensor in ("branch", "skip"):
        rows = table[table["tensor"] == tensor]
        assert set(rows["layer"]) == {layer.name for layer in hidden if getattr(layer, tensor) is not None}
    last = table[(table["tensor"] == "output_gradient") & (table["statistic"] == "structural_rank") & ~table["centred"]]
    assert value(last, layer="classifier", phase="eval") == 9
    assert value(last, layer=hidden[-1].name, phase="eval") == 9
    assert set(table["phase"]) == {"train", "eval"}


def test_weight_updates_are_those_given():
    network = family("plainnet")
    updates = {name: torch.full_like(p, 2.0) for name, p in network.named_parameters() if p.ndim == 2}
    table = measure(network, *batch(), FULL, epoch=1, weight_updates=updates).layers
    found = table[(table["tensor"] == "weight_update") & (table["statistic"] == "rms")]
    assert len(found) == len(updates)
    assert (found["value"] == 2).all()


def test_a_spectrum_at_the_floor_is_a_bound():
    model = nn.Linear(8, 8, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.ones(8, 8))
    table = probe(model, torch.randn(20, 8))
    row = table[(table["tensor"] == "weight") & ~table["centred"]].set_index("statistic")
    assert row.loc["log10_condition", "value"] == pytest.approx(np.log10(2**23))
    assert row.loc["log10_condition", "censored"] == 1
    assert row.loc["log10_sigma_min", "censored"] == -1
    assert row.loc["numerical_rank", "value"] == 1
    assert row.loc["effective_rank", "value"] == pytest.approx(1)


def test_non_finite_entries_make_absent_with_a_reason():
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
    inputs = torch.randn(6, 4)
    inputs[2, 1] = float("nan")
    rows = with_reasons(probe(model, inputs))
    rows = rows[(rows["layer"] == "1") & (rows["tensor"] == "hidden")].set_index(["statistic", "centred"])
    assert rows.loc[("nonfinite", False), "value"] == 4
    absent = rows.drop(("nonfinite", False))
    assert absent["value"].isna().all()
    assert (absent["reason"] == "non-finite entries").all()
    assert ("log10_condition", True) in rows.index


def test_all_zero_tensors_are_absent_with_a_reason():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].bias.fill_(-1)
    rows = with_reasons(probe(model, torch.randn(6, 4)))
    rows = rows[(rows["layer"] == "1") & (rows["tensor"] == "hidden") & ~rows["centred"]].set_index("statistic")
    assert rows.loc["dead_fraction", "value"] == 1
    assert rows.loc["zero_columns", "value"] == 4
    assert rows.loc["numerical_rank", "value"] == 0
    assert np.isnan(rows.loc["log10_condition", "value"])
    assert rows.loc["log10_condition", "reason"] == "all-zero matrix"
    assert rows.loc["mean_cosine", "reason"] == "fewer than two samples that are not all zero"


@pytest.mark.catalog
def test_headline_aggregates_are_those_of_the_table():
    network = family("resnet", depth=14)
    found = measure(network, *batch(32), DEFAULT, epoch=0)
    rows = found.layers
    rows = rows[(rows["tensor"] == "hidden") & ~rows["centred"] & (rows["statistic"] == "effective_rank")]
    assert set(rows["phase"]) == {"train"}
    v = rows.sort_values("layer_index")["value"].to_numpy()
    assert found.metrics["hidden.effective_rank.last"] == v[-1]
    assert found.metrics["hidden.effective_rank.median"] == np.median(v)
    assert "hidden.effective_rank.max" not in found.metrics, "few keys: the table has it"
    condition = found.layers[(found.layers["tensor"] == "hidden") & ~found.layers["centred"]]
    condition = condition[condition["statistic"] == "log10_condition"]["value"]
    assert found.metrics["hidden.log10_condition.max"] == condition.max()
    assert found.profiles["profile.hidden.effective_rank"] == tuple(v)
    assert found.profile_layers["profile.hidden.effective_rank"] == tuple(range(len(v)))
    assert len(found.profiles["profile.weight.log10_condition"]) == 14
    assert found.profile_layers["profile.weight.log10_condition"] == tuple(range(14))
    declared = Counter(k.removesuffix(".censored").rpartition(".")[0] for k in found.metrics)
    layer_metrics = [e.metric for e in metrics.entries() if isinstance(e.metric, metrics.LayerMetric)]
    assert set(declared) <= {m.name_of(h) for m in layer_metrics for h in m.headlines if m.asked == "always"}
    assert max(declared.values()) <= 4, "few keys: a tracking server draws a chart for each"
    assert all(np.isfinite(list(found.metrics.values())))
    assert set(measure(network, *batch(32), DEFAULT, epoch=2).layers["phase"]) == {"eval"}
    assert found.spectra["0/stem/hidden/matrix/raw"].shape == (16,)


def test_histograms_are_those_of_the_first_and_the_last_layer():
    network, (inputs, labels) = family("resnext", depth=8), batch(32)
    found = measure(network, inputs, labels, DEFAULT, epoch=0)
    places = [(h.epoch, h.layer, h.layer_index, h.tensor) for h in found.histograms]
    last = network.hidden_layers()[-1]
    assert places == [
        (0, "stem", 0, "hidden"),
        (0, last.name, 2, "hidden"),
        (0, "stem.linear", 0, "weight"),
        (0, last.weights[-1].removesuffix(".weight"), 2, "weight"),
    ], "no classifier, no block between"
    weight = network.get_parameter("stem.linear.weight").detach()
    bins = found.histograms[2].bins
    assert sum(bins.count) == weight.numel()
    assert (bins.low[0], bins.high[-1]) == (float(weight.min()), float(weight.max()))
    rows = found.layers[found.layers["statistic"] == "range"]
    for h in found.histograms:
        mine = rows[(rows["layer"] == h.layer) & (rows["tensor"] == h.tensor)]
        assert mine["value"].item() == pytest.approx(h.bins.high[-1] - h.bins.low[0])
    assert measure(network, inputs, labels, ProbeSpec(histograms=False), epoch=0).histograms == ()
    with torch.no_grad():
        network.get_parameter("stem.linear.weight")[0, 0] = float("nan")
    told = {(h.layer_index, h.tensor) for h in measure(network, inputs, labels, DEFAULT, epoch=0).histograms}
    assert told == {(2, "weight")}, "what is not finite has no distribution"


def test_censored_aggregates_say_so():
    network = family("plainnet", depth=8)
    with torch.no_grad():
        dict(network.named_parameters())["classifier.weight"].copy_(torch.ones(10, 16))
    found = measure(network, *batch(32), DEFAULT, epoch=0).metrics
    assert "weight.log10_condition.last" not in found
    assert found["weight.log10_condition.max.censored"] == 1
    assert "weight.log10_condition.median.censored" not in found


def test_nothing_is_measured_on_request():
    found = measure(family("plainnet"), *batch(), ProbeSpec(preset="none"), epoch=0)
    assert found.layers.empty
    assert found.metrics == {}


def test_maps_have_four_unfoldings():
    table = measure(family("plainnet", "cnn"), *batch(), DEFAULT, epoch=1).layers
    of = table.groupby("tensor")["unfolding"].unique()
    assert set(of["hidden"]) == {"samples", "channels", "height", "width"}
    assert set(of["weight"]) == {"out", "in", "height", "width", "matrix"}


def test_tensors_do_not_outlive_their_layer():
    """Weak references to every hidden tensor: at most the one being passed on is alive when the next is measured."""
    import weakref

    alive: list[weakref.ref[torch.Tensor]] = []
    most = 0

    class Watched(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nonlocal most
            most = max(most, sum(r() is not None for r in alive))
            out = x * 1.01
            alive.append(weakref.ref(out))
            return out

    probe(nn.Sequential(*[Watched() for _ in range(12)]), torch.randn(9, 5))
    assert most <= 1


def test_dirac_layers_are_measured_by_what_acts():
    network = family("plainnet", initialisation="dirac")
    inputs, labels = batch()
    rows = measure(network, inputs, labels, DEFAULT, epoch=1).layers
    rows = rows[(rows["tensor"] == "weight") & (rows["statistic"] == "spectral_norm")].set_index("layer")
    layer = network.blocks[0].linear1
    expected = np.linalg.svd(layer.effective_weight().detach().double().numpy(), compute_uv=False)[0]
    assert rows.loc["blocks.0.linear1", "value"] == pytest.approx(expected, rel=1e-6)
    assert expected != pytest.approx(float(torch.linalg.matrix_norm(layer.weight.detach(), 2)), rel=0.01)
    assert set(rows["version"]) == {3}
    norms = generalization_measures(network, inputs, labels, initial=initial_weights(network)).values
    assert norms["norm.log_spectral_product"] == pytest.approx(np.log(rows["value"]).sum(), rel=1e-6)
    assert norms["norm.distance"] == 0


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"x": torch.ones(3, 6)}, "found a batch of dict"),
        ((torch.ones(3, 6), torch.zeros(3, dtype=torch.long), 1), "found a batch of tuple"),
        (np.ones((3, 6)), "found a batch of ndarray"),
        (torch.ones(0, 6), "without samples"),
        (torch.tensor(1.0), "without samples"),
        ((torch.ones(3, 6), torch.zeros(3)), "found labels torch.float32"),
        ((torch.ones(3, 6), torch.zeros(2, dtype=torch.long)), "found labels torch.int64"),
        ((torch.ones(3, 6), [0, 1, 2]), "found labels list"),
        ((torch.ones(3, 6), torch.tensor([0, 1, 4])), r"labels up to 4 and an output of shape \(3, 4\)"),
    ],
)
def test_a_batch_that_cannot_be_measured_is_named(bad, words):
    model = nn.Linear(6, 4)
    with pytest.raises(ValueError, match=words):
        probe(model, bad)
    assert model.training


class Blocks(nn.Module):
    """In the style of image-model libraries: one activation for all places, drop path, attention, outputs in dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 4, stride=4)
        self.act = nn.ReLU(inplace=True)
        self.norms = nn.ModuleList(nn.LayerNorm(8) for _ in range(2))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), self.act, nn.Linear(16, 8))
        self.unused = nn.Linear(8, 8)
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.pre_logits = nn.Identity()
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> dict[str, object]:
        x = self.act(self.embed(x)).flatten(2).transpose(1, 2)
        x = x + self.attention(self.norms[0](x), self.norms[0](x), x)[0]
        x = x * (torch.rand(len(x), 1, 1, dtype=x.dtype) > 0.1) + np.random.rand()  # noqa: NPY002
        x = x + self.mlp(self.norms[1](x))
        states, _ = self.lstm(x)
        return {"logits": self.head(self.pre_logits(states[:, -1])), "features": x, "size": 3}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("grad", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_a_model_of_another_library(dtype, grad):
    seen, passes = [], []

    class Counted(Blocks):
        def forward(self, x: torch.Tensor) -> dict[str, object]:
            passes.append(1)
            return super().forward(x)

    model = Counted().to(dtype).to(memory_format=torch.channels_last)
    model.head.register_forward_hook(lambda *_: seen.append(1))
    before = state(model)
    images, labels = batch(6, (3, 16, 16))
    with grad():
        table = probe(model, (images.to(dtype), labels % 5))
    assert_same(state(model), before)
    assert len(seen) == len(passes) > 0, "its own hooks still see each pass"
    hidden = list(table[table["tensor"] == "hidden"].drop_duplicates("layer")["layer"])
    assert hidden[:5] == ["embed", "act", "norms.0", "norms.0#2", "attention[0]"]
    assert {"act#2", "lstm[0]", "lstm[1][0]", "head"} <= set(hidden)
    assert "unused" not in hidden
    gradients = table[table["tensor"] == "weight_gradient"]
    assert "unused" not in set(gradients["layer"])
    assert gradients["value"].notna().all()


def test_compiled_models_are_seen_through_and_scripted_ones_refused():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    inputs = batch(9, (6,))[0]
    assert probe(torch.compile(model), inputs).equals(probe(model, inputs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        traced = torch.jit.trace(model, inputs)
    with pytest.raises(ValueError, match="found a scripted model"):
        probe(traced, inputs)
