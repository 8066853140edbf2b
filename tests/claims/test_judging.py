"""What all claims have in common: missing data, diverged networks, pairing, and verdicts as one family."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skipray.claims import PAPER_SOURCE, Comparison, finding, judge, paper_claims
from skipray.claims.judging.data import ROLES, SweepData
from skipray.claims.judging.evidence import Mean
from skipray.claims.judging.verdict import Stated, judged
from skipray.extension import catalog

PAPERS = ["C1a", "C1b", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10", "C11"]
ALL = [catalog.find("claims", name).ID for name in paper_claims()]

NEEDED = ("architecture", "depth", "seed", "outcome")

# Claims that say something good of a network, with data that support them as long as it does not diverge.
GOOD = {
    "C1b": ("resnext", {"train.accuracy": 0.99}),
    "C4": ("resnet", {"hidden.log10_condition.median": 2.0}),
    "C7": ("resnext", {"hidden.log10_condition.median": {"resnet": 4.0, "resnext": 3.0}}),
    "C8": ("resnext", {"test.accuracy": {"resnet": 0.90, "resnext": 0.92}}),
    "C10": ("resnet", {"deletion.output_change.median": {"plainnet": 1.2, "resnet": 0.1}}),
}


@pytest.mark.parametrize("claim_id", GOOD)
def test_a_diverged_network_is_no_missing_one(claim_id: str, table, verdict) -> None:
    family, metrics = GOOD[claim_id]

    def found(deepest: str):
        rng = np.random.default_rng(0)

        def measure(name, depth, seed):
            bad = name == family and depth >= 56
            own = {k: v.get(name, 0.5) if isinstance(v, dict) else v for k, v in metrics.items()}
            noise = 0.001 * rng.standard_normal()
            return {k: v + noise for k, v in own.items()} | {"outcome": deepest if bad else "trained"}

        return verdict(claim_id, table(measure))

    assert found("trained").verdict == "supported"
    lost = found("diverged")
    # What the claim says of the family that diverges is refuted; what it says of the other stands.
    assert lost.verdict == ("in part" if claim_id in ("C1b", "C4", "C10") else "refuted")
    assert any(part.verdict != "supported" for part in lost.parts)
    assert "networks diverged" in found("diverged").sentence


def test_diverged_networks_do_not_speak_for_a_claim(table, verdict) -> None:
    """ResNets that diverge do not make ResNeXts better."""

    def measure(family, depth, seed):
        lost = family == "resnet" and depth > 20
        return {"test.accuracy": 0.9 + 0.001 * np.sin(7 * seed + depth), "outcome": "diverged" if lost else "trained"}

    claim = verdict("C8", table(measure, families=("resnet", "resnext")))
    assert claim.verdict != "supported"
    assert set(claim.depths) == {8, 20}
    assert "20 of 60 networks diverged" in claim.sentence


@pytest.mark.catalog
def test_the_papers_claims_come_in_its_order() -> None:
    assert [claim for claim in ALL if claim in PAPERS] == PAPERS
    sources = {c.id: c.source for c in judge(pd.DataFrame(columns=["trial_id", *NEEDED]))}
    assert {sources[claim] for claim in PAPERS} == {PAPER_SOURCE}


@pytest.mark.catalog
def test_every_claim_without_data_says_what_to_run() -> None:
    claims = judge(pd.DataFrame(columns=["trial_id", *NEEDED]))
    assert [c.id for c in claims] == ALL
    for claim in claims:
        assert claim.verdict == "not tested"
        assert claim.sentence.startswith(("Run", "Train"))
        assert claim.reason
        assert (claim.effect, claim.low, claim.high, claim.p, claim.p_adjusted, claim.margin) == (None,) * 6


def test_one_seed_is_not_tested(table, verdict, noisy) -> None:
    measure = noisy(np.random.default_rng(0), "hidden.log10_condition.median", {"resnet": 1.0}, 0.1)
    assert verdict("C7", table(measure, seeds=1)).verdict == "not tested"


def test_missing_columns() -> None:
    with pytest.raises(ValueError, match="without outcome"):
        judge(pd.DataFrame({"architecture": [], "depth": [], "seed": []}))


def test_twins_are_paired_within_the_other_factors(table) -> None:
    """Without norm everything is 3 decades up, and resnext was run more often there: pairing takes that out."""
    rng = np.random.default_rng(0)

    def measure(norm):
        def inner(family, depth, seed):
            up = 3.0 if norm == "none" else 0.0
            value = 2.0 + up - 0.5 * (family == "resnext") + 0.05 * rng.standard_normal()
            return {"hidden.log10_condition.median": value, "normalization": norm}

        return inner

    batch = table(measure("batch"), families=("resnet", "resnext"))
    none = table(measure("none"), families=("resnext",))
    claim = next(c for c in judge(pd.concat([batch, none]), factors=["normalization"]) if c.id == "C7")
    assert claim.effect == pytest.approx(0.5, abs=0.05)
    assert claim.verdict == "supported"


@pytest.mark.catalog
def test_a_factor_that_a_family_lacks_is_judged_with_the_others(table) -> None:
    """As in sweeps/cardinality.yaml: resnet has no cardinality, and pandas has NaN for it."""
    rng = np.random.default_rng(3)

    def measure(family, depth, seed):
        return {
            "hidden.log10_condition.median": 2 + 0.3 * (family == "resnet") + 0.02 * rng.standard_normal(),
            "test.accuracy": 0.9 + 0.01 * rng.standard_normal(),
            "train.loss": 0.1 + 0.01 * rng.standard_normal(),
        }

    parts = [table(measure, families=("resnet",)).assign(cardinality=np.nan)]
    parts += [table(measure, families=("resnext",)).assign(cardinality=float(c)) for c in (1, 4)]
    found = {c.id: c for c in judge(pd.concat(parts, ignore_index=True), None, None, factors=["cardinality"])}
    assert list(found) == ALL
    assert [p.verdict for p in found["C7"].parts] == [
        "supported",
        "inconclusive",
    ]  # lower than resnet's, but it does not fall with the cardinality
    assert found["C8"].verdict == "inconclusive"
    assert found["C4"].verdict != "not tested"


@pytest.mark.parametrize("claim_id", ["C1b", "C7", "C8", "C10"])
def test_planted_effects_are_found_nulls_are_not(claim_id: str, benchmark) -> None:
    """Effects of two standard deviations of what one seed says, 8 seeds; shares of 6 sweeps within three binomial
    standard errors. Each claim is judged with whatever else its metrics allow."""
    repetitions, rates = 6, benchmark.rates
    null, planted, reversed_ = (rates(claim_id.lower(), k, 8, repetitions) for k in ("null", "planted", "reversed"))
    spare = 3 / np.sqrt(repetitions)
    assert null["supported"] <= 0.05 + spare * np.sqrt(0.05 * 0.95)
    assert planted["supported"] >= 0.8 - spare * np.sqrt(0.8 * 0.2)
    assert reversed_["supported"] <= 0.05
    assert planted["refuted"] <= 0.05


def test_whole_sweeps_without_effect_have_few_wrong_verdicts(benchmark) -> None:
    """6 sweeps of all metrics at 5 seeds; at most 5 % of them, within three binomial standard errors."""
    found = benchmark.whole_rates(5, 6)
    for kind in ("null", "edges"):
        assert found[f"{kind}: wrongly either"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 6)
    assert benchmark.found_rates(5, 3)[0]["C7"] >= 0.5


def test_the_rule_of_verdicts(table) -> None:
    """Among others, evidence of one claim that would do alone leans; verdict, interval and p never contradict."""
    rng = np.random.default_rng(5)
    signs = rng.standard_normal(3)

    def measure(family, depth, seed):
        own = rng.standard_normal(6)
        return {
            "hidden.log10_condition.median": 3 - (0.4 + 0.1 * signs[seed]) * (family == "resnext") + 0.01 * own[0],
            "weight.log10_condition.median": 2 + 0.3 * own[1],
            "deletion.output_change.median": 0.6 + 0.2 * own[2],
            "train.accuracy": 0.97 + 0.01 * own[3],
            "hidden.effective_rank.last": 5 + own[4],
            "hidden.mean_cosine.last": 0.5 + 0.1 * own[5],
        }

    claims = {c.id: c for c in judge(table(measure, seeds=3), factors=())}
    assert claims["C7"].verdict == "leaning"
    assert claims["C7"].p <= 0.025 < claims["C7"].p_adjusted
    assert claims["C7"].sentence.startswith("Leans")
    for claim in claims.values():
        for part in claim.parts:
            sides = {"above": (part.low > part.margin), "below": (part.high < part.margin)}
            sides["within"] = -part.margin < part.low and part.high < part.margin
            assert (part.verdict == "supported") == sides[part.wanted] == (part.p_adjusted <= 0.025), part
            if part.verdict == "refuted":
                assert part.p_against_adjusted <= 0.025


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_verdict_interval_and_p_agree_whatever_else_is_tested(seed: int) -> None:
    """Of an equivalence too, and whatever the shares of the two directions."""
    rng = np.random.default_rng(seed)
    stated = []
    for claim in range(rng.integers(1, 6)):
        parts = []
        for part in range(rng.integers(1, 4)):
            wanted, margin = rng.choice(["above", "below", "within"]), float(rng.choice([0.25, 0.5]))
            mean = Mean(float(rng.normal(0, 1)), float(10 ** rng.uniform(-2, 0.5)), int(rng.integers(1, 10)))
            parts.append(Comparison(f"{claim}.{part}", mean, "", "yes", "no", margin, wanted))
        stated.append(Stated(str(claim), "", finding("It is so", parts, [0], [8], open="Open.")))
    for part in [part for claim in judged(stated) for part in claim.parts]:
        low, high, margin = part.low, part.high, part.margin
        holds = {"above": low > margin, "below": high < margin, "within": -margin < low and high < margin}
        fails = {"above": high < margin, "below": low > margin, "within": low > margin or high < -margin}
        assert (part.verdict == "supported") == holds[part.wanted] == (part.p_adjusted <= 0.025), part
        assert (part.verdict == "refuted") == fails[part.wanted] == (part.p_against_adjusted <= 0.025), part


@pytest.mark.parametrize("name", paper_claims())
def test_a_file_of_the_folder_is_a_claim(name: str) -> None:
    """Adding a claim is adding such a file; `judge` takes them all."""
    claim = catalog.find("claims", name)
    assert claim.ID.lower() == name
    assert set(claim.ROLES) <= set(ROLES)
    assert claim.NEEDS
    assert isinstance(claim.TRAINS, bool)
    empty = pd.DataFrame(columns=["trial_id", *NEEDED])
    found = claim.judge(SweepData.read(empty, None, ()))
    assert found.statement
    assert found.what_to_run
    untrained = {c.id: c for c in judge(empty, trained=False)}[claim.ID]
    assert (untrained.reason == "nothing was trained") == claim.TRAINS


def test_claims_about_singularity_say_how_many_networks_exploded(table, verdict, noisy) -> None:
    measure = noisy(np.random.default_rng(0), "weight.log10_condition.median", {"plainnet": 2.0}, 0.1)

    def some_explode(family, depth, seed):
        lost = family == "plainnet" and depth > 56
        return measure(family, depth, seed) | {"outcome": "exploded" if lost else "trained"}

    claim = verdict("C6", table(some_explode))
    assert claim.sentence.endswith("10 of these 90 networks exploded (loss far above chance's).")
    assert "exploded" not in verdict("C6", table(measure)).sentence


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("train.accuracy", 97.1, "row 3: train.accuracy: found 97.1; allowed: a share from 0 to 1, percent divided"),
        ("gap.accuracy", -1.5, "row 3: gap.accuracy: found -1.5; allowed: a share from -1 to 1, percent divided"),
        ("depth", 0, "row 3: depth: found 0; allowed: a whole number, at least 1"),
        ("depth", np.nan, "row 3: depth: found nan; allowed: a whole number, at least 1"),
        ("seed", 0.5, "row 3: seed: found 0.5; allowed: a whole number, at least 0"),
    ],
)
def test_a_table_that_says_something_else_is_refused(column: str, value, said: str, table) -> None:
    trials = table(lambda *_: {"train.accuracy": 0.9, "gap.accuracy": 0.1}, families=("resnet",))
    judge(trials)
    wrong = trials.astype({column: object})
    wrong.loc[2, column] = value
    with pytest.raises(ValueError, match=said):
        judge(wrong)


def test_a_trial_counts_once(table) -> None:
    """Rows that were given twice made 80 pairs of 20."""
    trials = table(lambda *_: {"test.accuracy": 0.9}, families=("a", "b"))
    for twice in (pd.concat([trials, trials]), pd.concat([trials, trials]).drop(columns="trial_id")):
        with pytest.raises(ValueError, match="row 61: found the trial of row 1 again; allowed: each once"):
            judge(twice)
    wider = pd.concat([trials.assign(width=32), trials.assign(width=64)]).drop(columns="trial_id")
    judge(wider, factors=["width"])
    with pytest.raises(ValueError, match="told from others by the columns that `factors` names"):
        judge(wider, factors=())


def test_what_ones_own_metric_is_called_says_nothing_of_its_values(table) -> None:
    judge(table(lambda *_: {"my.accuracy": 97.1}))
