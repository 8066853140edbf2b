"""Claims that a sweep declares: read strictly, judged on synthetic sweeps whose truth is known, bound to any
families."""

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from skipray.analysis.declared import late_remarks
from skipray.claims import asks_of, judge
from skipray.spec import SpecError, load_sweep
from skipray.spec.claims import ComparisonClaim, CorrelationClaim, LimitClaim, TrendClaim
from skipray.spec.manifest import manifest_of, read_manifest
from skipray.terminal.claims_table import claims_table, untested_line
from skipray.tracking.read.row import ROW_TAGS, made_row

SWEEP = """\
name: mine
question: Does it hold?
dataset: {name: digits}
model: {kind: mlp, width: 64, normalization: batch, initialisation: he_normal, activation: relu, residual_scale: 1}
recipe: {epochs: 2, batch_size: 128, learning_rate: 0.05, momentum: 0.9, weight_decay: 1e-4, schedule: constant,
  augmentation: none}
factors: {architecture: [plainnet, resnet], depth: [8, 20]}
seeds: [0, 1, 2]
"""


def load(tmp_path: Path, claims: str):
    path = tmp_path / "mine.yaml"
    path.write_text(SWEEP + claims, encoding="utf-8")
    return load_sweep(path)


def mistakes(tmp_path: Path, claims: str) -> list[str]:
    with pytest.raises(SpecError) as error:
        load(tmp_path, claims)
    return [m.partition("mine.yaml:")[2] for m in error.value.mistakes]


def test_claims_are_read_and_leave_trials_alone(tmp_path: Path) -> None:
    sweep = load(
        tmp_path,
        "claims:\n  skip: resnet\n  own:\n"
        "    - {id: a, kind: comparison, metric: flatness, family: resnet, than: plainnet, direction: above}\n"
        "    - {id: deep, kind: limit, family: resnet, direction: above, than: 20}\n"
        "    - {id: t, kind: correlation, metric: gap.loss, other: flatness, direction: positive, strata: [depth]}",
    )
    assert sweep.claims.roles == {"skip": "resnet"}
    assert [type(c) for c in sweep.claims.own] == [ComparisonClaim, LimitClaim, CorrelationClaim]
    plain = load(tmp_path, "")
    assert plain.claims.roles is None
    assert [t.trial_id for t in plain.trials()] == [t.trial_id for t in sweep.trials()]


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ("claims: {plain: plainet}\n", "9: claims.plain: found 'plainet', no family of this sweep; allowed: plainnet"),
        ("claims: {plain: resnet, skip: resnet}\n", "claims.skip: found resnet in two roles; allowed"),
        ("claims: {skp: resnet}\n", "claims.skp: found an unknown key (did you mean skip?)"),
        (
            "claims:\n  own:\n  - {id: a, kind: nope}\n",
            "11: claims.own.0.kind: found 'nope'; allowed: comparison",
        ),
        ("claims:\n  own:\n  - {id: a}\n", "claims.own.0: found no kind; allowed: comparison"),
        (
            "claims:\n  own:\n  - {id: C1a, kind: limit, family: resnet, direction: above, than: 20}\n",
            "claims.own.0.id: found C1a, which names one of the paper's; allowed",
        ),
        (
            "claims:\n  own:\n  - {id: a, kind: limit, family: resnet, direction: above, than: resnt}\n",
            "claims.own.0.than: found 'resnt', no family of this sweep; allowed: plainnet, resnet, or a depth",
        ),
        (
            "claims:\n  own:\n  - {id: a, kind: trend, metric: accuracy, family: resnet, direction: rising}\n",
            "claims.own.0.metric: found the metric 'accuracy'",
        ),
        (
            "claims:\n  own:\n  - {id: a, kind: trend, metric: test.accuracy, family: resnet, direction: flat}\n",
            "found a margin of 0; allowed: above 0",
        ),
        (
            "claims:\n  own:\n"
            "  - {id: a, kind: correlation, metric: test.loss, other: test.loss, direction: positive}\n",
            "claims.own.0.other: found test.loss, the metric itself; allowed: another one",
        ),
        (
            "claims:\n  own:\n  - {id: a, kind: limit, family: resnet, direction: above, than: resnet}\n",
            "claims.own.0.than: found resnet, the family itself; allowed: another one",
        ),
        ("claims:\n  own:\n  - {id: a, kind: 'nowhere:x'}\n", "claims.own.0.kind: found 'nowhere:x', but importing"),
    ],
)
def test_mistakes_name_the_line_and_what_is_allowed(claims: str, said: str, tmp_path: Path) -> None:
    found = mistakes(tmp_path, claims)
    assert len(found) == 1
    assert said in found[0]


def own(table: pd.DataFrame, *claims, **options):
    return {c.id: c for c in judge(table, factors=(), own=claims, **options) if c.own}


def planted(table, lead: float, rise: float, seeds: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        up = lead * (family == "vit") + rise * np.log(depth / 8)
        return {
            "test.accuracy": 0.7 + up + 0.005 * rng.standard_normal(),
            "gap.accuracy": 0.1 - 2 * up + 0.005 * rng.standard_normal(),
            "outcome": "trained" if family == "vit" or depth < 40 else "untrained",
        }

    return table(measure, seeds=seeds, families=("cnn", "vit"))


@pytest.mark.parametrize(("lead", "wanted"), [(0.05, "supported"), (-0.05, "refuted"), (0.01, "refuted")])
def test_a_comparison_holds_a_difference_against_its_margin(lead: float, wanted: str, table) -> None:
    claim = ComparisonClaim(
        id="a", kind="comparison", metric="test.accuracy", family="vit", than="cnn", direction="above", margin=0.02
    )
    found = own(planted(table, lead, 0.0), claim)["a"]
    assert found.verdict == wanted
    assert found.effect == pytest.approx(lead, abs=0.01)
    assert found.statement == "test.accuracy: vit above cnn, above by more than 0.02"


def test_claims_of_ones_own_come_first_and_are_one_family_with_the_others(table) -> None:
    """Among nineteen claims of which nothing is known, one does not stand that would by itself. Twenty of the same
    evidence are as sure as one."""
    rng = np.random.default_rng(2)

    def measure(family, depth, seed):
        return {"test.accuracy": 0.7 + 0.01 * (family == "vit") + 0.02 * rng.standard_normal()}

    trials = table(measure, families=("cnn", "vit"))
    one = ComparisonClaim(
        id="a0", kind="comparison", metric="test.accuracy", family="vit", than="cnn", direction="above"
    )
    alone = judge(trials, own=[one], factors=())
    assert alone[0].id == "a0"
    others = [one.model_copy(update={"id": f"a{i}", "direction": "below"}) for i in range(1, 20)]
    many = judge(trials, own=[one, *others], factors=())
    assert many[0].p == alone[0].p
    assert many[0].p_adjusted == pytest.approx(min(1.0, 20 * many[0].p))
    same = judge(trials, own=[one.model_copy(update={"id": f"a{i}"}) for i in range(20)], factors=())
    assert same[0].p_adjusted == pytest.approx(alone[0].p)


def test_trend_limit_and_correlation(table) -> None:
    trials = planted(table, 0.0, 0.02, seeds=6)
    found = own(
        trials,
        TrendClaim(id="up", kind="trend", metric="test.accuracy", family="vit", direction="rising", margin=0.02),
        TrendClaim(id="flat", kind="trend", metric="test.accuracy", family="vit", direction="flat", margin=0.02),
        LimitClaim(id="more", kind="limit", family="vit", direction="above", than="cnn"),
        LimitClaim(id="deep", kind="limit", family="vit", direction="above", than=100),
        LimitClaim(id="not", kind="limit", family="cnn", direction="above", than=100),
        CorrelationClaim(
            id="with", kind="correlation", metric="test.accuracy", other="gap.accuracy", direction="negative",
            strata=("architecture",),
        ),
    )  # fmt: skip
    verdicts = {key: claim.verdict for key, claim in found.items()}
    # Six seeds of six say no more than 1.6 % of a share of a half: enough alone, not among six claims.
    assert verdicts == {
        "up": "supported", "flat": "refuted", "more": "supported", "deep": "leaning", "not": "leaning",
        "with": "supported",
    }  # fmt: skip
    assert found["deep"].sentence.endswith(
        "Open: 6 of 6 vits train at depth 110, the nearest to 100 that could settle it."
    )
    assert found["not"].parts[0].leans == "against"


def test_what_is_missing_is_named(table) -> None:
    claim = TrendClaim(id="a", kind="trend", metric="test.acuracy", family="vit", direction="rising")
    found = own(planted(table, 0.0, 0.0), claim)["a"]
    assert found.verdict == "not tested"
    assert found.reason == "no run has test.acuracy (the nearest are test.accuracy, gap.accuracy)"


def test_without_a_finished_trial_that_is_the_reason(table) -> None:
    claim = TrendClaim(id="a", kind="trend", metric="test.accuracy", family="vit", direction="rising")
    none = table(lambda *_: {}).iloc[:0].assign(**{"trained.bar": 0.5})
    assert judge(none, own=[claim])[0].reason == "no trial is finished"


def test_families_that_a_factor_sets_apart_are_told_which(table) -> None:
    claim = ComparisonClaim(
        id="a", kind="comparison", metric="test.accuracy", family="vit", than="cnn", direction="above"
    )
    trials = planted(table, 0.05, 0.0)
    trials["width"] = np.where(trials["architecture"] == "vit", 64, 32)
    found = {c.id: c for c in judge(trials, factors=["width"], own=[claim])}
    assert found["a"].verdict == "not tested"
    assert found["a"].reason == (
        "0 pairs of twins with test.accuracy: twins share their width, and vit has 64 and cnn 32; `vit width=...` in a "
        "claim compares across it"
    )
    named = claim.model_copy(update={"family": "vit width=64"})
    assert {c.id: c for c in judge(trials, factors=["width"], own=[named])}["a"].verdict == "supported"
    apart = trials[(trials["architecture"] == "vit") == (trials["seed"] < 2)]
    assert "twins share their seed, and vit has 0, 1 and cnn 2, 3, 4" in own(apart, claim)["a"].reason


def test_a_negative_lead_is_said_without_a_sign(table) -> None:
    claim = LimitClaim(id="less", kind="limit", family="cnn", direction="above", than="vit")
    sentence = own(planted(table, 0.0, 0.0), claim)["less"].sentence
    assert re.search(r"cnn trains at least [\d.]+ doublings of depth less far than vit", sentence)


def test_roles_bind_the_papers_claims_to_any_families(table, verdict) -> None:
    trials = planted(table, 0.0, 0.0)
    assert verdict("C1a", trials).verdict == "not tested"
    bound = verdict("C1a", trials, roles={"plain": "cnn", "skip": "vit"})
    assert bound.verdict == "supported"
    assert bound.statement == "cnn's trainability limit lies below its twins'"
    assert "vit beyond 110, where 5 of 5 train" in bound.sentence


def test_a_claim_of_ones_own_code(table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_claims.py").write_text(
        "from skipray.claims import Comparison, finding, mean_of\n\n\n"
        "class Half:\n"
        "    @staticmethod\n"
        "    def judge(data):\n"
        "        table = data.measured('test.accuracy')\n"
        "        mean = mean_of(table.assign(cell=data.cells(table)), 'value')\n"
        "        part = Comparison('mean', mean, '', 'it is', 'it is not', 0.5)\n"
        "        return finding('More than half', [part], table['seed'], table['depth'], supported='Yes.')\n\n\n"
        "class Broken:\n"
        "    @staticmethod\n"
        "    def judge(data):\n"
        "        raise KeyError('width')\n\n\n"
        "class Nothing:\n"
        "    @staticmethod\n"
        "    def judge(data):\n"
        "        pass\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("my_claims", None)
    sweep = load(
        tmp_path,
        "claims:\n  own:\n  - {id: half, kind: 'my_claims:Half'}\n  - {id: b, kind: 'my_claims:Broken'}\n"
        "  - {id: n, kind: 'my_claims:Nothing'}\n",
    )
    trials = planted(table, 0.0, 0.0)
    found = own(trials, sweep.claims.own[0], remarks={"half": " Declared late."})["half"]
    assert (found.verdict, found.sentence) == ("supported", "Yes. Declared late.")
    both = own(trials, *sweep.claims.own)
    assert both["half"].verdict == "supported", "what one claim raises costs no other"
    assert both["b"].verdict == "not tested"
    assert re.fullmatch(r"my_claims:Broken raised .*my_claims\.py:16: KeyError: 'width'", both["b"].reason)
    assert untested_line(tuple(both.values()), asked=True).startswith(f"not tested: b ({both['b'].reason})")
    assert own(trials, sweep.claims.own[2])["n"].reason == "my_claims:Nothing returned NoneType; allowed: a Finding"
    assert own(trials.iloc[:0], sweep.claims.own[1])["b"].reason == "no trial has finished"


def test_what_was_declared_before_the_first_result_is_said_nothing_of() -> None:
    rows = [
        made_row(str(i), "FINISHED", 0, end, None, [None] * len(ROW_TAGS))
        for i, end in enumerate((1000, 2000, 86_400_000))
    ]
    said = late_remarks({"before": 999, "after": 1500, "never": None}, rows)
    assert said == {
        "after": " It was declared on 1970-01-01, after 1 of these 3 trials had finished.",
        "never": " It was declared at no launch, after 3 of these 3 trials had finished.",
    }
    assert late_remarks({"never": None}, []) == {}


def test_a_manifest_keeps_the_claims_which_are_known_by_what_they_test(tmp_path: Path) -> None:
    own = "  - {id: a, kind: trend, metric: test.accuracy, family: resnet, direction: rising, margin: 0.01}\n"
    sweep = load(tmp_path, f"claims:\n  plain: plainnet\n  own:\n{own}")
    back = read_manifest(json.dumps(manifest_of(sweep, sweep.trials(), {}, "0"))).sweep
    assert back.claims == sweep.claims
    claim = back.claims.own[0]
    assert claim.model_copy(update={"statement": "In other words"}).tested == claim.tested
    assert claim.model_copy(update={"id": "renamed"}).tested == claim.tested
    assert claim.model_copy(update={"margin": 0.02}).tested != claim.tested


def test_the_terminal_shows_margins_and_both_p_in_80_columns(table) -> None:
    claim = TrendClaim(id="up", kind="trend", metric="test.accuracy", family="vit", direction="rising", margin=0.02)
    claims = judge(planted(table, 0.0, 0.02), own=[claim], factors=())
    shown = io.StringIO()
    Console(file=shown, width=80).print(claims_table(claims))
    assert max(map(len, shown.getvalue().splitlines())) <= 80
    assert "claimed above 0.02; p < 0.001 for" in " ".join(shown.getvalue().split())
    # A sweep of families that no claim of the paper speaks of is not told twelve times that they were not tested.
    assert not asks_of({"vit", "cnn"}, None)
    assert untested_line(claims, asked=False).startswith("the paper's claims ask for families in roles")
    assert "C1a, C1b" in untested_line(claims, asked=True)


def test_the_readmes_claims_are_a_sweep(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]
    path = tmp_path / "mine.yaml"
    path.write_text("".join(b for b in blocks if b.startswith(("name: mine", "claims:"))), encoding="utf-8")
    sweep = load_sweep(path)
    assert [claim.id for claim in sweep.claims.own] == ["further", "better", "degrades", "linked"]
    assert sweep.claims.roles == {"plain": "plainnet", "skip": "preresnet"}


def narrowed_table() -> pd.DataFrame:
    """Two seeds, two depths; accuracy .9 with norm pre, .5 with post, at two rates that both have."""
    rows = [
        {"architecture": "transformer", "depth": depth, "seed": seed, "options.norm": norm, "learning_rate_": rate,
         "outcome": "trained" if norm == "pre" or depth == 2 else "untrained", "trial_id": f"{depth}{seed}{norm}{rate}",
         "test.accuracy": (0.9 if norm == "pre" else 0.5) + 0.001 * seed * depth + rate}
        for depth in (2, 8) for seed in (0, 1) for norm in ("pre", "post") for rate in (0.01, 0.02)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_claim_may_compare_two_values_of_a_factor() -> None:
    pre, post = "transformer options.norm=pre", "transformer options.norm=post"
    claims = [
        ComparisonClaim(id="a", kind="comparison", metric="test.accuracy", family=pre, than=post, direction="above"),
        TrendClaim(id="t", kind="trend", metric="test.accuracy", family=pre, direction="rising"),
        LimitClaim(id="l", kind="limit", family=pre, direction="above", than=post),
    ]
    factors = ["options.norm", "learning_rate_"]
    found = {c.id: c for c in judge(narrowed_table(), None, factors=factors, own=claims)}
    assert "Transformer options.norm=pre less Transformer options.norm=post: +0.4 in" in found["a"].sentence
    assert "8 pairs" in found["a"].sentence
    assert "+0.003 from depth 2 to 8" in found["t"].sentence
    assert re.search(r"pre trains at least 1 doubling of depth further than", found["l"].sentence)


def test_a_family_is_itself_in_whatever_order_its_values_stand(tmp_path: Path) -> None:
    text = SWEEP.replace("activation: relu, residual_scale: 1", "residual_scale: 1").replace("width: 64, ", "")
    text = text.replace("depth: [8, 20]", "depth: [8, 20], width: [32, 64], activation: [relu, tanh]")
    family, than = "plainnet width=32 activation=relu", "plainnet activation=relu width=32"
    claim = f"{{id: a, kind: comparison, metric: test.accuracy, family: {family}, than: {than}, direction: above}}"
    path = tmp_path / "mine.yaml"
    path.write_text(f"{text}claims:\n  own: [{claim}]\n", encoding="utf-8")
    with pytest.raises(SpecError, match="than: found plainnet activation=relu width=32, the family itself"):
        load_sweep(path)


def test_networks_that_go_without_a_factor_are_named_none(tmp_path: Path) -> None:
    """Of a factor that only some of a family's cells have."""
    there, without = "plainnet weight_gain=2", "plainnet weight_gain=none"
    path = tmp_path / "mine.yaml"
    claim = f"{{id: a, kind: comparison, metric: test.accuracy, family: {there}, than: {without}, direction: above}}"
    text = SWEEP.replace("depth: [8, 20]", "depth: [8, 20], weight_gain: [null, 2.0]")
    path.write_text(f"{text.replace('he_normal', 'lecun_normal')}claims:\n  own: [{claim}]\n", encoding="utf-8")
    sweep = load_sweep(path)
    table = narrowed_table().assign(architecture="plainnet")
    table["weight_gain"] = np.where(table.pop("options.norm") == "pre", 2.0, np.nan)
    found = judge(table, None, factors=["weight_gain", "learning_rate_"], own=sweep.claims.own)
    assert f"{there.replace('plainnet', 'PlainNet')} less" in found[0].sentence
    assert "+0.4 in test.accuracy, 8 pairs" in found[0].sentence


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ("plainnet depht=8", "found 'depht', no factor of plainnet in this sweep; allowed: normalization"),
        ("plainnet normalization=layr", "found normalization=layr; allowed: batch, layer"),
    ],
)
def test_a_narrowed_family_that_is_not_there_is_refused(tmp_path: Path, family: str, said: str) -> None:
    text = SWEEP.replace("normalization: batch, ", "").replace(
        "depth: [8, 20]", "depth: [8, 20], normalization: [batch, layer]"
    )
    path = tmp_path / "mine.yaml"
    claim = f"{{id: t, kind: trend, metric: test.accuracy, family: {family}, direction: rising}}"
    path.write_text(f"{text}claims:\n  own: [{claim}]\n", encoding="utf-8")
    with pytest.raises(SpecError, match=said):
        load_sweep(path)


def test_a_family_may_be_called_as_a_role_is(table) -> None:
    """The paper's claims still speak of the family that plays the role."""
    trials = planted(table, 0.05, 0.02, seeds=6)
    trials["architecture"] = trials["architecture"].map({"vit": "skip", "cnn": "plain"})
    claims = [
        ComparisonClaim(
            id="a", kind="comparison", metric="test.accuracy", family="skip", than="plain", direction="above"
        ),
        TrendClaim(id="t", kind="trend", metric="test.accuracy", family="plain", direction="rising"),
        LimitClaim(id="l", kind="limit", family="skip", direction="above", than="plain"),
    ]
    found = {c.id: c for c in judge(trials, own=claims, factors=())}
    assert {found[key].verdict for key in ("a", "t", "l")} == {"supported"}
    assert "skip less plain: +0.0496" in found["a"].sentence
    assert found["C1a"].verdict == "not tested"
    bound = {c.id: c for c in judge(trials, own=claims, factors=(), roles={"plain": "skip", "skip": "plain"})}
    assert bound["a"].sentence == found["a"].sentence
    assert bound["C1a"].statement == "skip's trainability limit lies below its twins'"
    assert bound["C1a"].verdict == "refuted"


@pytest.mark.parametrize(
    ("seeds", "depths", "strata", "reason", "what"),
    [
        (
            2,
            (8, 20),
            ("depth", "architecture"),
            "without one of two seeds no pair within depth and architecture",
            "three",
        ),
        (1, (8, 20), (), "4 trained runs with both, of 1 seed", "two"),
        (3, (8,), (), "of which no two that could be compared differ in both", "two"),
    ],
)
def test_why_there_is_no_correlation(table, seeds: int, depths, strata, reason: str, what: str) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        value = 0.5 if len(depths) == 1 else rng.random()
        return {"test.accuracy": rng.random(), "train.accuracy": value}

    claim = CorrelationClaim(
        id="k", kind="correlation", metric="test.accuracy", other="train.accuracy", direction="positive", strata=strata
    )
    (found,) = [c for c in judge(table(measure, seeds, ("a", "b"), depths), own=[claim]) if c.own]
    assert found.verdict == "not tested"
    assert found.reason.endswith(reason)
    assert f"with {what} or more seeds" in found.sentence


def test_a_limit_that_is_no_further_known_than_its_own_depths() -> None:
    """All of one family train up to 16, none of the other from 32 on: which trains further is open."""
    rows = [
        {
            "trial_id": f"{f}{d}{s}",
            "architecture": f,
            "depth": d,
            "seed": s,
            "outcome": "trained" if f == "a" else "untrained",
        }
        for f, depths in (("a", (4, 8, 16)), ("b", (32, 64, 128)))
        for d in depths
        for s in range(4)
    ]
    trials = pd.DataFrame(rows).assign(**{"train.accuracy": 0.5})
    claim = LimitClaim(id="u", kind="limit", family="a", direction="above", than="b")
    (found,) = [c for c in judge(trials, own=[claim]) if c.own]
    assert found.verdict == "inconclusive"
    assert re.search(r"Open: a trains at most [\d.]+ doublings? of depth less far than b\.", found.sentence)
