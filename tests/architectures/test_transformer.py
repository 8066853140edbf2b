"""The transformer family: its formula by hand, its sizes, its layers, its options."""

import itertools
import math
import random
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from skipray import architectures, datasets
from skipray.architectures import transformer
from skipray.architectures.building.measured import measured_sizes
from skipray.metrics import find
from skipray.metrics.computing.entries import Entries
from skipray.probe import measure
from skipray.spec import ModelSpec, ProbeSpec, SpecError, TokenShape, sweep_of

IMAGES = (3, 4, 6)
SENTENCES, WORDS = TokenShape(5, 7), TokenShape(5, 7, by_position=True)
VARIANTS: dict[str, tuple[Any, ...]] = {
    "norm": transformer.CHOICES["norm"],
    "attention_skip": (True, False),
    "mlp": (True, False),
    "mlp_skip": (True, False),
    "layer_scale": ("none", 0.1),
    "positions": transformer.CHOICES["positions"],
    "heads": (1, 2),
    "activation": ("gelu", "relu", "linear"),
    "shape": (IMAGES, SENTENCES, WORDS),
}
PADDED = {"sequence": TokenShape(5, 7, padding=6), "position": TokenShape(5, 7, by_position=True, padding=6)}
ENDS = torch.arange(5) >= torch.tensor([[3], [5], [1], [2], [5], [4]])
"""Where the padding of six sequences begins."""


def make(depth: int = 2, activation: str = "gelu", scheme: str = "xavier", **options: Any) -> ModelSpec:
    values = {"heads": 2, "mlp_ratio": 2} | options
    return ModelSpec(
        architecture="transformer", depth=depth, width=8, initialisation=scheme, activation=activation, options=values
    )


def some(count: int) -> list[dict[str, Any]]:
    every = [dict(zip(VARIANTS, v, strict=True)) for v in itertools.product(*VARIANTS.values())]
    return random.Random(0).sample([v for v in every if v["mlp"] or v["mlp_skip"]], count)


def inputs(shape: tuple[int, ...]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if isinstance(shape, TokenShape):
        return torch.randint(shape.vocabulary, (6, *shape), generator=generator)
    return torch.randn(6, *shape, generator=generator)


def test_counts_are_torchs() -> None:
    for variant in some(40):
        changes = dict(variant)
        shape = changes.pop("shape")
        model = make(**changes)
        built = measured_sizes(lambda: transformer.build(model, shape, 3), shape)  # noqa: B023 (called at once)
        assert transformer.sizes(model, shape, 3) == built, variant


@pytest.mark.parametrize("norm", ["pre", "post", "sandwich", "none"])
@pytest.mark.parametrize("shape", PADDED.values(), ids=PADDED)
def test_padding_changes_no_token_and_no_score(shape: TokenShape, norm: str) -> None:
    """A sequence has the scores and the representations that it has by itself, without positions behind its end."""
    model = make(norm=norm, positions="none")
    network = architectures.build(model, shape, 3, seed=0)
    x = inputs(TokenShape(5, 6)).masked_fill(ENDS, 6)
    scores = network(x)
    seen = _hidden(network, x)
    for i, length in enumerate((~ENDS).sum(1).tolist()):
        alone = x[i : i + 1, :length]
        mine = scores[i : i + 1, :length] if shape.by_position else scores[i : i + 1]
        torch.testing.assert_close(network(alone), mine)
        for whole, own in zip(seen, _hidden(network, alone), strict=True):
            torch.testing.assert_close(own, whole[i : i + 1, :length])
            assert not whole[i, length:].any(), "the residual stream is 0 where there is padding"
    plain = architectures.build(model, TokenShape(5, 7, by_position=shape.by_position), 3, seed=0)
    full = inputs(TokenShape(5, 6))
    torch.testing.assert_close(network(full), plain(full)), "and nothing differs where there is none"
    assert architectures.sizes(model, shape, 3) == measured_sizes(lambda: transformer.build(model, shape, 3), shape)


@pytest.mark.parametrize("shape", PADDED.values(), ids=PADDED.keys())
def test_padding_may_stand_anywhere(shape: TokenShape) -> None:
    """Before the tokens, behind them or between them: without positions the tokens have the same scores."""
    network = architectures.build(make(positions="none"), shape, 3, seed=0)
    tokens = inputs(TokenShape(3, 6))
    places = [[0, 1, 2], [2, 3, 4], [0, 2, 4], [1, 2, 4]]
    found = []
    for kept in places:
        x = torch.full((len(tokens), 5), 6)
        x[:, kept] = tokens
        scores = network(x)
        found.append(scores[:, kept] if shape.by_position else scores)
    for one in found[1:]:
        torch.testing.assert_close(one, found[0])


def _hidden(network: torch.nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    found: list[torch.Tensor] = []
    hooks = [
        layer.output.register_forward_hook(lambda module, given, out: found.append(out))
        for layer in network.hidden_layers()
    ]
    network(x)
    for hook in hooks:
        hook.remove()
    return found


def test_metrics_of_tokens_leave_padding_out() -> None:
    """What the probe finds in padded sequences is the mean of what it finds in each sequence by itself."""
    network = architectures.build(make(positions="none"), PADDED["position"], 3, seed=0).eval()
    x = inputs(TokenShape(5, 6)).masked_fill(ENDS, 6)
    names = ("token_similarity", "rank_one_distance", "attention_entropy")
    probed = ProbeSpec(metrics=names)

    def found(batch: torch.Tensor) -> dict[tuple[str, str], float]:
        table = measure(network, batch, torch.zeros_like(batch), probed, epoch=0).layers
        table = table[table["statistic"].isin(names) & ~table["centred"] & table["value"].notna()]
        return dict(zip(zip(table["layer"], table["statistic"], strict=True), table["value"], strict=True))

    whole = found(x)
    assert len(whole) == 3 + 3 + 2, "the stem has no attention"
    several = [i for i, length in enumerate((~ENDS).sum(1).tolist()) if length > 1]
    each = [found(x[i : i + 1, : int((~ENDS[i]).sum())]) for i in range(len(x))]
    for key, value in whole.items():
        kept = range(len(x)) if key[1] == "rank_one_distance" else several
        assert value == pytest.approx(sum(each[i][key] for i in kept) / len(kept), rel=1e-5), key


def test_every_variant_is_its_formula() -> None:
    """The whole forward pass written out, from the parameters alone."""
    for variant in some(40):
        changes = dict(variant)
        shape = changes.pop("shape")
        network = architectures.build(make(**changes), shape, 3, seed=0)
        x = inputs(shape)
        torch.testing.assert_close(network(x), formula(network, x, variant), rtol=1e-4, atol=1e-5)


def formula(network: torch.nn.Module, x: torch.Tensor, variant: dict[str, Any]) -> torch.Tensor:
    w = {name: p.detach() for name, p in network.named_parameters()}
    norm = lambda h, name: F.layer_norm(h, (8,), w[f"{name}.weight"], w[f"{name}.bias"])  # noqa: E731
    linear = lambda h, name: h @ w[f"{name}.weight"].T + w[f"{name}.bias"]  # noqa: E731
    if isinstance(variant["shape"], TokenShape):
        h = w["stem.embedding.weight"][x]
    else:
        cuts = [x[:, :, i : i + 2, j : j + 2].flatten(1) for i in (0, 2) for j in (0, 2, 4)]
        h = linear(torch.stack(cuts, 1), "stem.embedding.linear")
    if variant["positions"] == "learned":
        h = h + w["stem.positions.table"]
    elif variant["positions"] == "sinusoidal":
        at, pair = torch.arange(h.shape[1])[:, None], torch.arange(8)[None] // 2
        angle = at / 10000 ** (2 * pair / 8)
        h = h + torch.where(torch.arange(8) % 2 == 0, angle.sin(), angle.cos())

    def attention(h: torch.Tensor, name: str) -> torch.Tensor:
        q, k, v = (linear(h, f"{name}.{part}").chunk(variant["heads"], 2) for part in ("query", "key", "value"))
        out = [torch.softmax(a @ b.transpose(1, 2) / a.shape[2] ** 0.5, 2) @ c for a, b, c in zip(q, k, v, strict=True)]
        return linear(torch.cat(out, 2), f"{name}.output")

    def mlp(h: torch.Tensor, name: str) -> torch.Tensor:
        act = {"gelu": F.gelu, "relu": F.relu, "linear": lambda t: t}[variant["activation"]]
        return linear(act(linear(h, f"{name}.up")), f"{name}.down")

    for i in range(2):
        for part, inner in (("attention", attention), ("mlp", mlp)):
            if part == "mlp" and not variant["mlp"]:
                continue
            name, before = f"blocks.{i}.{part}", h
            h = inner(norm(h, f"{name}.before") if variant["norm"] in ("pre", "sandwich") else h, f"{name}.inner")
            h = norm(h, f"{name}.behind") if variant["norm"] == "sandwich" else h
            h = h * w[f"{name}.scale.factors"] if variant["layer_scale"] != "none" else h
            h = h + before if variant[f"{part}_skip"] else h
            h = norm(h, f"{name}.after") if variant["norm"] == "post" else h
    h = norm(h, "norm") if variant["norm"] in ("pre", "sandwich") else h
    return linear(h if variant["shape"] is WORDS else h.mean(1), "classifier")


def test_deepnorm_scales_the_skips_and_the_initial_weights() -> None:
    """Wang et al. 2022, table 1, encoder only: alpha (2 N)^(1/4), beta (8 N)^(-1/4)."""
    plain, deep = (
        architectures.build(make(depth=8, norm="post", deepnorm=on, scheme="lecun_normal"), SENTENCES, 3, seed=0)
        for on in (False, True)
    )
    for (name, a), (_, b) in zip(plain.named_parameters(), deep.named_parameters(), strict=True):
        scaled = name.endswith("weight") and name.rpartition(".inner.")[2].split(".")[0] in (
            "value", "output", "up", "down",
        )  # fmt: skip
        torch.testing.assert_close(b, a * (64**-0.25 if scaled else 1), rtol=1e-6, atol=0)
    branch, x = deep.blocks[0].mlp, torch.randn(2, 5, 8)
    expected = F.layer_norm(2 * x + branch.inner(x), (8,))
    torch.testing.assert_close(branch(x), expected)


def entropy_by_hand(block: torch.nn.Module, x: torch.Tensor) -> float:
    attention, h = block.attention.inner, block.attention.before(x)
    total = 0.0
    for q, k in zip(attention.query(h).chunk(2, 2), attention.key(h).chunk(2, 2), strict=True):
        a = torch.softmax(q @ k.transpose(1, 2) / 4**0.5, 2)
        total += torch.distributions.Categorical(a).entropy().mean().item() / 2
    return total / math.log(x.shape[1])


@pytest.mark.parametrize("shape", [IMAGES, WORDS])
def test_the_residual_stream_is_what_is_measured(shape: tuple) -> None:
    """Token-wise metrics of the probe against hooks written by hand."""
    network, x = architectures.build(make(depth=3), shape, 3, seed=0).eval(), inputs(shape)
    labels = torch.arange(6) % 3 if shape is IMAGES else torch.zeros(6, 5, dtype=torch.int64)
    seen: list[torch.Tensor] = []
    hooks = [m.register_forward_hook(lambda m, i, o: seen.append(o)) for m in (network.stem, *network.blocks)]
    network(x)
    for hook in hooks:
        hook.remove()
    names = ("token_similarity", "rank_one_distance", "attention_entropy")
    table = measure(network, x, labels, ProbeSpec(samples=6, metrics=names), epoch=1).layers
    assert [tuple(h.shape) for h in seen] == [(6, 6 if shape is IMAGES else 5, 8)] * 4
    for name in names[:2]:
        rows = table[(table["statistic"] == name) & (table["tensor"] == "hidden")]
        assert list(rows["layer"]) == ["stem", "blocks.0", "blocks.1", "blocks.2"]
        assert rows["value"].to_list() == pytest.approx([find(name).measure(Entries(h)) for h in seen], rel=1e-6)
    looked = table[table["statistic"] == "attention_entropy"]
    assert list(looked["layer"]) == ["blocks.0", "blocks.1", "blocks.2"]
    by_hand = [entropy_by_hand(block, x.detach()) for block, x in zip(network.blocks, seen[:3], strict=True)]
    assert looked["value"].to_list() == pytest.approx(by_hand)
    assert set(table.loc[table["tensor"] == "attention", "statistic"]) == {"attention_entropy"}
    weights = set(table.loc[table["tensor"] == "weight", "layer"])
    assert len(weights) == 3 * 6 + 1 + (shape is IMAGES)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"heads": 3}, "found 3 heads; allowed: divisors of the width 8"),
        ({"norm": "batch"}, "found norm 'batch'; allowed: pre, post, sandwich, none"),
        ({"mlp": 0}, "found mlp 0; allowed: true, false"),
        ({"mlp_ratio": 2.5}, "found mlp_ratio 2.5; allowed: a whole number from 1"),
        ({"layer_scale": 0}, "found layer_scale 0; allowed: none, or a number above 0"),
        ({"deepnorm": True}, "found deepnorm without norm post"),
        ({"mlp": False, "mlp_skip": False}, "found mlp_skip false without an MLP"),
        ({"patch": 3}, "found patches of 3 pixels in images of 4 by 6"),
        ({"dropuot": 1}, "found the option dropuot; allowed for transformer: norm"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options: dict, said: str) -> None:
    with pytest.raises(ValueError, match="allowed") as raised:
        transformer.check(make(**options), IMAGES, 3)
    assert said in str(raised.value)
    assert raised.value.args[1].partition(".")[0] == "options"


def sweep(dataset: str, **changes: Any) -> Any:
    recipe = {"epochs": 1, "batch_size": 8, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0}
    values = {
        "name": "tokens", "question": "q", "dataset": {"name": dataset}, "seeds": [0],
        "model": {"architecture": "transformer", "width": 8, "initialisation": "xavier", "activation": "gelu"},
        "recipe": recipe | {"schedule": "constant", "augmentation": "none"},
        "factors": {"depth": [1, 2], "options.norm": ["pre", "post"]},
    }  # fmt: skip
    return sweep_of(values | changes)


@pytest.mark.parametrize(("dataset", "by_position"), [("sorting", True), ("parity", False), ("digits", None)])
def test_options_are_factors_on_images_and_on_tokens(dataset: str, by_position: bool | None) -> None:
    cells = sweep(dataset).cells
    assert [cell.model.options["norm"] for cell in cells] == ["pre", "post"] * 2
    assert cells[0].model.kind is None
    shape, classes = datasets.shape_and_classes(cells[0].dataset)
    assert getattr(shape, "by_position", None) == by_position
    network = architectures.build(cells[0].model, shape, classes, seed=0)
    x = torch.zeros(2, *shape, dtype=torch.int64 if isinstance(shape, TokenShape) else torch.float32)
    assert network(x).shape == ((2, *shape, classes) if by_position else (2, classes))


def test_a_sweep_says_which_option_is_wrong() -> None:
    with pytest.raises(SpecError, match=r"factors\.options\.norm.*found norm 'rms'; allowed: pre, post"):
        sweep("sorting", factors={"depth": [1], "options.norm": ["rms"]})
