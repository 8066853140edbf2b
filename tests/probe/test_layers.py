"""Which layers of a network are measured: declared, asked for, or found by structure; against hooks written by hand."""

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import parametrizations

from skipray.architectures import HiddenLayer
from skipray.metrics import singularity
from skipray.probe import layers_of, measure, probe
from skipray.probe.batch import Batch
from skipray.probe.weights import weight_layers
from skipray.spec import ProbeSpec


class Block(nn.Module):
    """Pre-norm, with a layer scale: the residual stream is no module's output but the block's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.layer_scale = nn.Parameter(torch.ones(width, 1))
        self.gain = nn.Parameter(torch.ones(2, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layer_scale[:, 0] * self.mlp(self.norm(x))


class Stage(nn.Module):
    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.before = nn.Linear(width, width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(blocks)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks(self.before(x))


class Tower(nn.Module):
    """Positions, a token and norms with two axes, which are no weight layers."""

    def __init__(self, blocks: nn.Module, width: int = 8) -> None:
        super().__init__()
        self.embed = nn.Linear(5, width)
        self.pos_embedding = nn.Parameter(torch.randn(7, width))
        self.class_token = nn.Parameter(torch.randn(2, width))
        self.body = blocks
        self.norm = nn.LayerNorm([1, width])
        self.head = nn.Linear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.body(self.embed(x) + self.pos_embedding[0])[:, None])[:, 0])


def rule(model: nn.Module, inputs: torch.Tensor, patterns: list[str] | None = None) -> str:
    return layers_of(model, Batch((inputs,), samples=len(inputs)), patterns).rule


def names(model: nn.Module, inputs: torch.Tensor, patterns: list[str] | None = None) -> list[str]:
    found = layers_of(model, Batch((inputs,), samples=len(inputs)), patterns)
    return [layer.name for layer in found.hidden]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_the_residual_stream_is_what_blocks_give_out():
    model, inputs = Tower(nn.Sequential(*[Block(8) for _ in range(3)])).eval(), torch.randn(20, 5)
    seen: list[torch.Tensor] = []
    handles = [b.register_forward_hook(lambda m, a, out: seen.append(out.detach())) for b in model.body]
    model(inputs)
    for handle in handles:
        handle.remove()
    table, spectra = probe(model, inputs, spectra=True)
    assert table.attrs["layers"] == "3 repeated blocks (Block), found by structure"
    hidden = table[(table["tensor"] == "hidden") & ~table["centred"] & (table["statistic"] == "effective_rank")]
    assert list(hidden["layer"]) == ["body.0", "body.1", "body.2"]
    for name, stream, value in zip(hidden["layer"], seen, hidden["value"], strict=True):
        expected = np.linalg.svd(stream.double().numpy(), compute_uv=False)
        assert spectra[f"{name}/hidden/matrix/raw"] == pytest.approx(expected, rel=1e-6)
        assert value == pytest.approx(singularity.effective_rank(expected))
    weights = list(dict.fromkeys(table[table["tensor"] == "weight"]["layer"]))
    assert weights == ["embed", *(f"body.{i}.mlp.{j}" for i in range(3) for j in (0, 2)), "head"]
    indices = table[table["tensor"] == "weight"].drop_duplicates("layer")["layer_index"]
    assert list(indices) == [0, 0, 0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("model", "shape", "count", "first", "kind"),
    [
        (lambda: torchvision.models.resnet18(), (3, 64, 64), 8, "layer1.0", "BasicBlock"),
        (lambda: torchvision.models.mobilenet_v2(), (3, 64, 64), 17, "features.1", "InvertedResidual"),
        (lambda: torchvision.models.VisionTransformer(32, 8, 3, 2, 16, 32), (3, 32, 32), 3,
         "encoder.layers.encoder_layer_0", "EncoderBlock"),
        (lambda: torchvision.models.convnext_tiny(), (3, 64, 64), 18, "features.1.0", "CNBlock"),
        (lambda: Tower(nn.Sequential(Stage(8, 2), Stage(8, 3))), (5,), 5, "body.0.blocks.0", "Block"),
        (lambda: nn.Sequential(*[nn.Sequential(nn.Linear(6, 6), nn.ReLU()) for _ in range(4)], nn.Linear(6, 2)), (6,),
         4, "0", "Sequential"),
        (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 9, batch_first=True), 2), (4, 6), 2, "layers.0",
         "TransformerEncoderLayer"),
    ],
    ids=["resnet", "mobilenet", "vit", "convnext", "stages", "sequentials", "torch encoder"],
)  # fmt: skip
def test_blocks_are_found_by_structure(model, shape, count, first, kind):
    network, inputs = model().eval(), torch.randn(2, *shape)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert names(network, inputs)[0] == first
    assert rule(network, inputs) == f"{count} repeated blocks ({kind}), found by structure"
    assert all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())
    assert not network.training


def test_without_blocks_every_module_that_computes_is_a_layer():
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Identity(), nn.Linear(5, 2))
    assert names(model, torch.randn(4, 6)) == ["0", "1", "3"]
    assert rule(model, torch.randn(4, 6)) == "3 modules that compute by themselves"
    assert rule(nn.Linear(4, 2), torch.randn(4, 4)) == "the network as a whole"


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["body.*"], ["body.0", "body.1", "body.2"]),
        (["body.1", "head"], ["body.1", "head"]),
        (["**.mlp"], ["body.0.mlp", "body.1.mlp", "body.2.mlp"]),
        (["*.0.mlp.0"], ["body.0.mlp.0"]),
    ],
)
def test_layers_by_patterns(patterns, expected):
    model, inputs = Tower(nn.Sequential(*[Block(8) for _ in range(3)])), torch.randn(9, 5)
    assert names(model, inputs, patterns) == expected
    table = probe(model, inputs, layers=patterns)
    assert list(dict.fromkeys(table[table["tensor"] == "hidden"]["layer"])) == expected
    found = measure(model, inputs, torch.zeros(9, dtype=torch.long), ProbeSpec(layers=tuple(patterns)), epoch=1)
    assert list(dict.fromkeys(found.layers[found.layers["tensor"] == "hidden"]["layer"])) == expected
    assert found.layers_rule.endswith(f"named by {', '.join(patterns)}")


def test_a_pattern_that_fits_nothing_is_told_what_there_is():
    with pytest.raises(ValueError, match=r"found layers 'bdy.\*', which fits no module; there are body"):
        probe(Tower(nn.Sequential(Block(8), Block(8))), torch.randn(4, 5), layers=["bdy.*"])


@pytest.mark.parametrize("given", ["patterns", "names"])
def test_layers_that_no_pass_calls_are_refused(given):
    class Bare(Tower):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + 0 * nn.functional.linear(self.embed(x), self.spare.weight).sum()

        if given == "names":

            def skipray_layers(self) -> list[str]:
                return ["spare"]

    model = Bare(nn.Sequential(Block(8), Block(8)))
    model.spare = nn.Linear(8, 8)
    with pytest.raises(ValueError, match="found layers spare, which no pass of the network calls; allowed: modules"):
        probe(model, torch.randn(4, 5), layers=["spare"] if given == "patterns" else None)


@pytest.mark.parametrize("kind", ["list", "held"])
def test_a_network_of_bare_weights_is_measured_at_what_it_gives(kind):
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            weights = [nn.Parameter(torch.randn(5, 5) / 2) for _ in range(3)]
            self.parts = (
                nn.ParameterList(weights) if kind == "list" else nn.ModuleList(nn.Linear(5, 5) for _ in weights)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for part in self.parts:
                x = torch.tanh(x @ (part if kind == "list" else part.weight))
            return x

    model, x = Bare(), torch.randn(9, 5)
    assert rule(model, x) == "the network as a whole"
    table = probe(model, x)
    hidden = table[(table["tensor"] == "hidden") & (table["statistic"] == "rms")]
    assert hidden["value"].tolist() == pytest.approx([model(x).square().mean().sqrt().item()], rel=1e-5)
    assert table[table["tensor"] == "weight"]["layer"].nunique() == 3


def test_a_block_that_is_called_again_is_measured_at_each_of_its_calls():
    class Looped(Tower):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.embed(x)
            for _ in range(4):
                x = self.body(x)
            return self.head(x)

    model, x = Looped(Block(8)), torch.randn(9, 5)
    assert rule(model, x) == "1 repeated block (Block), found by structure, in 4 calls"
    table = probe(model, x)
    hidden = table[(table["tensor"] == "hidden") & (table["statistic"] == "rms") & ~table["centred"]]
    assert hidden["layer"].tolist() == ["body", "body#2", "body#3", "body#4"]
    expected, state = [], model.embed(x)
    for _ in range(4):
        state = model.body(state)
        expected.append(state.double().square().mean().sqrt().item())
    assert hidden["value"].tolist() == pytest.approx(expected, rel=1e-6)


class Gain(nn.Module):
    """A block of bare parameters, without a module inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, width) / width**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.tanh(x @ self.weight)


def test_blocks_that_hold_parameters_themselves_are_repeated_blocks():
    model = Tower(nn.Sequential(*[Gain(8) for _ in range(3)]))
    assert rule(model, torch.randn(9, 5)) == "3 repeated blocks (Gain), found by structure"


class Message(Block):
    """A graph's layer, which takes the graph first."""

    def forward(self, graph: torch.Tensor, x: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return super().forward(graph @ x)


class Dense(nn.Module):
    """A layer that takes all features so far, as a list."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width)

    def forward(self, features: list[torch.Tensor]) -> torch.Tensor:
        return torch.relu(self.linear(torch.cat(features, -1)))


class Messages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Message(8) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        graph = torch.eye(len(x)) + 1 / len(x)
        for layer in self.layers:
            x = layer(graph, x)
        return x


class Denses(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Dense(8 + 4 * i, 4) for i in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(features))
        return torch.cat(features[1:], -1)[:, :8]


@pytest.mark.parametrize("body", [Messages, Denses])
def test_a_block_may_take_the_one_before_behind_other_arguments(body: type[nn.Module]) -> None:
    """Measured is what each gives out, by a hook."""
    torch.manual_seed(0)
    model, x = Tower(body()), torch.randn(9, 5)
    given: list[torch.Tensor] = []
    hooks = [m.register_forward_hook(lambda m, i, o: given.append(o.detach())) for m in model.body.layers]  # type: ignore[union-attr]
    model(x)
    for hook in hooks:
        hook.remove()
    table = probe(model, x)
    kind = type(model.body.layers[0]).__name__  # type: ignore[union-attr,index]
    assert table.attrs["layers"].startswith(f"3 repeated blocks ({kind}), found by structure")
    hidden = table[(table["tensor"] == "hidden") & (table["statistic"] == "rms") & ~table["centred"]]
    assert hidden["layer"].tolist() == [f"body.layers.{i}" for i in range(3)]
    expected = [o.double().square().mean().sqrt().item() for o in given]
    assert hidden["value"].tolist() == pytest.approx(expected, rel=1e-6)


def test_encoder_and_decoder_of_one_kind_by_their_states_alone_are_no_chain() -> None:
    """A decoder begins with the state of the encoder, and reads nothing of its outputs."""

    class Translator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.LSTM(5, 5, batch_first=True), nn.LSTM(5, 5, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            _, state = self.encoder(x)
            return self.decoder(torch.zeros_like(x), state)[0].mean(1)

    assert "repeated" not in rule(Translator(), torch.randn(9, 4, 5))


@pytest.mark.parametrize("scheme", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_plain_blocks_whose_weights_are_parametrised_are_the_blocks_they_were(scheme) -> None:
    def model(scheme) -> nn.Module:
        return Tower(nn.Sequential(*[nn.Sequential(scheme(nn.Linear(8, 8)), nn.Tanh()) for _ in range(3)]))

    x = torch.randn(9, 5)
    assert rule(model(scheme), x) == rule(model(lambda layer: layer), x)
    assert rule(model(scheme), x) == "3 repeated blocks (Sequential), found by structure"


def test_where_another_part_runs_in_training_its_blocks_are_measured():
    """As of a network that is evaluated by an average of itself."""

    class Averaged(Tower):
        def __init__(self) -> None:
            super().__init__(nn.Sequential(Block(8), Block(8)))
            self.average = nn.Sequential(Block(8), Block(8), Block(8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.embed(x)
            return self.head(self.body(x) if self.training else self.average(x))

    model, x = Averaged(), torch.randn(9, 5)
    for training, part, count in ((True, "body", 2), (False, "average", 3)):
        table = probe(model.train(training), x)
        assert table.attrs["layers"].startswith(f"{count} repeated blocks (Block), found by structure")
        names = dict.fromkeys(table[table["tensor"] == "hidden"]["layer"])
        assert list(names) == [f"{part}.{i}" for i in range(count)]


def _named(give: str) -> nn.Module:
    class Named(Tower):
        def skipray_layers(self) -> object:
            options = {
                "names": ["embed", "body.*"],
                "modules": [self.embed, self.body[1]],
                "layers": [HiddenLayer("first", self.embed, None, None, ("embed.weight",))],
                "wrong": {"embed": 1},
                "foreign": [nn.Linear(2, 2)],
                "empty": [],
            }
            return options[give]

    return Named(nn.Sequential(Block(8), Block(8)))


@pytest.mark.parametrize(
    ("give", "expected"),
    [("names", ["embed", "body.0", "body.1"]), ("modules", ["embed", "body.1"]), ("layers", ["first"])],
)
def test_a_network_says_itself_which_its_layers_are(give, expected):
    model, inputs = _named(give), torch.randn(9, 5)
    assert names(model, inputs) == expected
    assert rule(model, inputs).endswith("named by the network")
    labels = torch.randint(3, (9,))
    table = probe(model, (inputs, labels))
    assert list(dict.fromkeys(table[table["tensor"] == "hidden"]["layer"])) == expected
    assert "classifier" in set(table[table["tensor"] == "output_gradient"]["layer"])


@pytest.mark.parametrize(
    ("give", "message"),
    [("wrong", "gives dict"), ("empty", "gives an empty list"), ("foreign", "a Linear from skipray_layers")],
)
def test_what_a_network_says_wrongly_is_told(give, message):
    with pytest.raises(ValueError, match=message):
        probe(_named(give), torch.randn(9, 5))


@pytest.mark.parametrize("what", ["list", "sequential", "method", "raises", "needs"])
def test_an_attribute_named_hidden_layers_breaks_nothing(what):
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            inner = [nn.Linear(4, 4) for _ in range(2)]
            body = nn.Sequential(*inner) if what == "sequential" else nn.ModuleList(inner)
            if what in ("list", "sequential"):
                self.hidden_layers = body
            else:
                self.body = body
            self.last = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.hidden_layers if what in ("list", "sequential") else self.body:
                x = layer(x).relu()
            return self.last(x)

    if what == "method":
        Net.hidden_layers = lambda self: 3
    elif what == "raises":
        Net.hidden_layers = lambda self: 1 / 0
    elif what == "needs":
        Net.hidden_layers = lambda self, x: x
    table = measure(Net(), torch.randn(9, 4), torch.randint(2, (9,)), ProbeSpec(preset="full"), epoch=1).layers
    assert table[table["tensor"] == "hidden"]["layer"].nunique() == 3
    assert table[table["tensor"] == "weight"]["layer"].nunique() == 3


@pytest.mark.parametrize("parametrisation", [parametrizations.weight_norm, parametrizations.orthogonal])
def test_every_parametrised_weight_is_found_at_every_look(parametrisation):
    """Each look makes the weight anew: one must not be taken for another that was freed at the same address."""
    model = nn.Sequential(*(parametrisation(nn.Linear(16, 16)) for _ in range(6)))
    for _ in range(50):
        assert [layer.layer for layer in weight_layers(model)] == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize("parametrisation", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_a_parametrised_weight_is_measured_as_it_acts(parametrisation):
    model = nn.Sequential(parametrisation(nn.Linear(6, 5)), nn.Tanh(), nn.Linear(5, 3)).eval()
    if parametrisation is parametrizations.weight_norm:
        with torch.no_grad():
            model[0].parametrizations.weight.original0.copy_(torch.logspace(0, 3, 5)[:, None])
    inputs, labels = torch.randn(20, 6), torch.randint(3, (20,))
    table = probe(model, (inputs, labels))
    assert list(dict.fromkeys(table[table["tensor"] == "hidden"]["layer"])) == ["0", "1", "2"]
    assert list(dict.fromkeys(table[table["tensor"] == "weight"]["layer"])) == ["0", "2"]
    acting = model[0].weight.detach()
    expected = np.linalg.svd(acting.double().numpy(), compute_uv=False)
    rows = table[(table["layer"] == "0") & ~table["centred"]].set_index(["tensor", "statistic"])["value"]
    assert rows["weight", "log10_condition"] == pytest.approx(np.log10(expected[0] / expected[-1]), rel=1e-5)
    plain = acting.clone().requires_grad_()
    scores = model[2](torch.tanh(nn.functional.linear(inputs, plain, model[0].bias)))
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(scores, labels), plain)
    assert rows["weight_gradient", "gradient_norm"] == pytest.approx(float(gradient.norm()), rel=1e-5)


def test_shared_weights_are_one_and_attention_and_recurrence_have_theirs():
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(9, 6), nn.Embedding(4, 6)
            self.attention, self.gru = nn.MultiheadAttention(6, 2), nn.GRU(6, 6)
            self.conv, self.group = nn.Conv1d(6, 6, 3), nn.GroupNorm(2, 6)
            self.tied = nn.Linear(6, 9, bias=False)
            self.tied.weight = self.words.weight
            self.bias_table, self.mixing = nn.Parameter(torch.ones(3, 4)), nn.Parameter(torch.ones(3, 4))

    found = [layer.layer for layer in weight_layers(Mixed())]
    assert found == [
        "mixing", "attention.in_proj_weight", "attention.out_proj", "gru.weight_ih_l0", "gru.weight_hh_l0", "conv",
        "tied",
    ]  # fmt: skip


class Pair(nn.Module):
    """As blocks of transformers libraries do: the stream, and attention weights beside."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.mlp = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y, weights = self.attention(x, x, x)
        return x + y + self.mlp(x).relu(), weights


class Named(nn.Module):
    """A mask goes through in front of the stream."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Linear(4, 4)

    def forward(self, both: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"mask": both["mask"], "x": both["x"] + self.mlp(both["x"]).relu() * both["mask"]}


class Reversible(nn.Module):
    """Two streams."""

    def __init__(self) -> None:
        super().__init__()
        self.f, self.g = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        a = a + self.f(b).tanh()
        return a, b + self.g(a).tanh()


class InPlace(nn.Module):
    """Adds to what it is given, and gives it out."""

    def __init__(self) -> None:
        super().__init__()
        self.f, self.g = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        beside = self.g(x.clone())
        x += self.f(x.clone()).tanh()
        return x, beside


class Several(nn.Module):
    def __init__(self, kind: str, blocks: int) -> None:
        super().__init__()
        make = {"recurrent": lambda: nn.LSTM(4, 4, batch_first=True), "pair": Pair, "named": Named,
                "reversible": Reversible, "in place": InPlace}[kind]  # fmt: skip
        self.kind, self.blocks, self.head = kind, nn.ModuleList([make() for _ in range(blocks)]), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state: object = x.clone()
        if self.kind == "named":
            state = {"mask": torch.ones(*x.shape[:2], 1), "x": x}
        for i, block in enumerate(self.blocks):
            if self.kind == "reversible":
                state = block(*(state if i else (x, x + 1)))
            else:
                state = block(state)
                state = state if self.kind == "named" else state[0]
        stream = {"named": lambda: state["x"], "reversible": lambda: sum(state)}.get(self.kind, lambda: state)()
        return self.head(stream.mean(1))


PLACES = {"recurrent": ["[0]"], "pair": ["[0]"], "named": [".x"], "reversible": ["[0]", "[1]"], "in place": ["[0]"]}


@pytest.mark.parametrize("kind", PLACES)
def test_of_several_outputs_of_a_block_those_are_measured_that_it_makes_and_hands_on(kind: str) -> None:
    torch.manual_seed(0)
    network, x = Several(kind, 3).eval(), torch.randn(11, 5, 4)
    seen: dict[str, torch.Tensor] = {}

    def see(name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, given: object, output: object) -> None:
            items = output.items() if isinstance(output, dict) else enumerate(output)  # type: ignore[arg-type]
            seen.update({f"{name}{place(key)}": v.clone() for key, v in items if isinstance(v, torch.Tensor)})

        return hook

    def place(key: object) -> str:
        return f"[{key}]" if isinstance(key, int) else f".{key}"

    handles = [block.register_forward_hook(see(f"blocks.{i}")) for i, block in enumerate(network.blocks)]
    network(x)
    for handle in handles:
        handle.remove()
    assert rule(network, x).startswith("3 repeated blocks")
    spec = ProbeSpec(samples=11, preset="full")
    table = measure(network, x, torch.arange(11) % 3, spec, epoch=1).layers
    rows = table[
        (table["tensor"] == "hidden") & (table["statistic"] == "effective_rank")
        & (table["unfolding"] == "samples") & ~table["centred"] & (table["phase"] == "eval")
    ]  # fmt: skip
    expected = [f"blocks.{i}{where}" for i in range(3) for where in PLACES[kind]]
    assert list(rows["layer"]) == expected
    assert list(rows["layer_index"]) == list(range(len(expected)))
    for row in rows.itertuples():
        values = np.linalg.svd(seen[row.layer].detach().double().numpy().reshape(11, -1), compute_uv=False)
        share = values[values > 0] / values.sum()
        assert row.value == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-5)
    weights = table[table["tensor"] == "weight"]
    assert set(weights.loc[weights["layer"] == "head", "layer_index"]) == {len(expected)}


@pytest.mark.parametrize("kind", ["recurrent", "pair", "named", "in place"])
def test_so_are_those_of_the_only_block(kind: str) -> None:
    network, x = Several(kind, 1).eval(), torch.randn(11, 5, 4)
    found = layers_of(network, Batch((x,), samples=11), None, ["blocks.0"])
    (tap,) = found.taps(branches=False, attention=False)
    assert tap.places == set(PLACES[kind])
    assert found.tensors == 1
