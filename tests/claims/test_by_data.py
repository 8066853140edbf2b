"""Claims of a sweep over several data sets: each is judged on each data set, never on their mean."""

import numpy as np
import pandas as pd
import pytest

from skipray.claims import Claim, judge
from skipray.spec.claims import ComparisonClaim


def sweep_over(table, leads: dict[str, float]) -> pd.DataFrame:
    """ResNeXt's kappa lies so many decades below ResNet's on each data set."""
    rng = np.random.default_rng(0)

    def measure(lead: float):
        def inner(family, depth, seed):
            noise = 0.05 * rng.standard_normal()
            return {"hidden.log10_condition.median": 3.0 - lead * (family == "resnext") + noise}

        return inner

    families = ("resnet", "resnext")
    return pd.concat([table(measure(lead), families=families).assign(dataset=name) for name, lead in leads.items()])


def found(trials: pd.DataFrame, name: str, *own: ComparisonClaim) -> Claim:
    return next(c for c in judge(trials, factors=["dataset"], own=own) if c.id == name)


def test_opposite_effects_on_two_data_sets_are_no_mean_of_none(table) -> None:
    claim = found(sweep_over(table, {"digits": 1.0, "gaussian": -1.0}), "C7")
    assert claim.verdict == "in part"
    assert [(part.label, part.verdict) for part in claim.parts] == [
        ("ResNet above ResNeXt on digits", "supported"),
        ("ResNet above ResNeXt on gaussian", "refuted"),
    ]
    assert claim.statement.endswith(", on each data set")
    assert "ResNeXt's kappa is not below ResNet's on gaussian" in claim.sentence
    assert "on gaussian: 0.99 decades above ResNet's" in claim.sentence


def test_what_holds_on_each_is_supported_in_one_sentence(table) -> None:
    claim = found(sweep_over(table, {"digits": 1.0, "gaussian": 0.5}), "C7")
    assert claim.verdict == "supported"
    assert claim.sentence.startswith("On digits: ResNeXt's representations")
    assert "; on gaussian: ResNeXt's representations" in claim.sentence
    assert ". " not in claim.sentence, "MLflow's page shows the first sentence"


def test_a_data_set_without_twins_is_named(table) -> None:
    trials = sweep_over(table, {"digits": 1.0, "gaussian": 1.0})
    trials = trials[(trials["dataset"] == "digits") | (trials["architecture"] == "resnet")]
    claim = found(trials, "C7")
    assert claim.verdict == "supported"
    assert "It was not tested on gaussian: no pairs" in claim.sentence
    assert "no trial of ResNeXt has finished" in claim.sentence


@pytest.mark.parametrize(("family", "than", "pairs"), [("resnet", "resnext", 60), ("", "", 30)])
def test_a_claim_of_ones_own_is_judged_on_each_but_where_it_compares_data_sets(table, family, than, pairs) -> None:
    trials = sweep_over(table, {"digits": 1.0, "gaussian": -1.0})
    own = ComparisonClaim(
        id="a", kind="comparison", metric="hidden.log10_condition.median", direction="above",
        family=family or "resnext dataset=gaussian", than=than or "resnext dataset=digits",
    )  # fmt: skip
    claim = found(trials, "a", own)
    if family:
        assert claim.verdict == "in part"
        assert "30 pairs; on gaussian:" in claim.sentence
    else:
        assert claim.verdict == "supported"
        assert claim.effect == pytest.approx(2.0, abs=0.1)
        assert f"{pairs} pairs" in claim.sentence


def test_a_claim_says_which_factors_it_was_judged_over(table) -> None:
    """Other factors are judged together, which a reader of "near depth 58" has to know; what a claim itself tells apart
    is none of them."""
    one = sweep_over(table, {"digits": 1.0, "gaussian": 0.9}).rename(columns={"dataset": "optimizer"})
    own = ComparisonClaim(
        id="mine", kind="comparison", metric="hidden.log10_condition.median", family="resnet optimizer=digits",
        than="resnext optimizer=digits", direction="above",
    )  # fmt: skip
    claims = {c.id: c for c in judge(one, factors=["optimizer"], own=[own])}
    assert claims["C7"].sentence.endswith("All values of optimizer are judged together.")
    assert claims["mine"].parts
    assert "judged together" not in claims["mine"].sentence
    assert not any("judged together" in c.sentence for c in claims.values() if not c.parts)
    alone = judge(one[one["optimizer"] == "digits"], factors=["optimizer"])
    assert not any("judged together" in c.sentence for c in alone)
