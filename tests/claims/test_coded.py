"""A claim of one's own code that does harm, or returns what cannot be judged, changes no other claim's verdict."""

import random
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skipray.claims import Claim, judge
from skipray.spec.claims import CodedClaim

HEAD = """
import random

import numpy as np

from skipray.claims import Comparison, Finding, finding, untested
from skipray.claims.judging.evidence import Mean


def found(effect=1.0, **more):
    return finding("s", [Comparison("part", Mean(effect, 0.1, 5), "", "it is", "it is not", **more)], [0, 1], [8])


class Mine:
    @staticmethod
    def judge(data):
"""


def made_up() -> pd.DataFrame:
    noise = np.random.default_rng(1).normal(size=(3, 3, 4))
    rows = []
    for f, (family, slope) in enumerate((("plainnet", -0.1), ("resnet", 0.0), ("resnext", 0.01))):
        for d, depth in enumerate((8, 20, 56)):
            for seed in range(4):
                wobble = 0.01 * noise[f, d, seed]
                measured = {"test.accuracy": 0.8 + slope * depth / 20 + wobble, "test.loss": 0.4 - slope + wobble}
                measured |= {"train.accuracy": measured["test.accuracy"] + 0.1, "train.loss": 0.3 - slope + wobble}
                rows.append(
                    {"trial_id": f"{family}{depth}{seed}", "architecture": family, "depth": depth, "seed": seed,
                     "outcome": "ok", **measured, "hidden.log10_condition.median": 3 - 10 * slope + 10 * wobble}
                )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def trials() -> pd.DataFrame:
    return made_up()


@pytest.fixture(scope="module")
def undisturbed() -> list[str]:
    """The other claims, where no code of one's own is judged."""
    return [repr(claim) for claim in judge(made_up(), factors=[])]


@pytest.fixture
def judged(trials: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def run(body: str) -> tuple[Claim, list[str]]:
        lines = "".join(f"        {line}\n" for line in body.split("; "))
        (tmp_path / "coded_claims.py").write_text(HEAD + lines, encoding="utf-8")
        monkeypatch.syspath_prepend(str(tmp_path))
        sys.modules.pop("coded_claims", None)
        own = CodedClaim.model_validate({"id": "mine", "kind": "coded_claims:Mine"})
        mine, *others = judge(trials, factors=[], own=[own])
        return mine, [repr(claim) for claim in others]

    return run


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        ("found(float('nan'))", "the part 'part' with the effect nan; allowed: a number"),
        ("found(None)", "the part 'part' with the effect None; allowed: a number"),
        ("found('1')", "the part 'part' with the effect '1'; allowed: a number"),
        ("found(1 + 2j)", "the part 'part' with the effect (1+2j); allowed: a number"),
        ("found(np.ones(3))", "the part 'part' with the effect array([1., 1., 1.]); allowed: a number"),
        ("found(margin=float('nan'))", "the part 'part' with margin nan; allowed: a number"),
        ("found(margin=float('inf'))", "the part 'part' with margin inf; allowed: a finite number"),
        ("found(wanted='over')", "the part 'part' with wanted 'over'; allowed: above, below, within"),
        ("finding('s', [3.0], [0], [8])", "a part that is a float; allowed: a Comparison"),
        (
            "finding('s', [Comparison('part', 3.0, '', 'is', 'is not')], [0], [8])",
            "the part 'part' whose evidence is a float without effect, low, high, p_above, p_below; allowed: what "
            "mean_of makes",
        ),
        ("Finding(None)", "a Finding whose statement is None; allowed: a text"),
        ("Finding('s', found().parts, seeds=('a',))", "seeds that are ('a',); allowed: whole numbers"),
    ],
)
def test_a_finding_that_cannot_be_judged_is_not_tested(
    judged, undisturbed: list[str], returned: str, said: str
) -> None:
    mine, others = judged(f"return {returned}")
    assert (mine.verdict, mine.reason) == ("not tested", f"coded_claims:Mine returned {said}")
    assert others == undisturbed


@pytest.mark.parametrize(
    "harm",
    [
        "data.trials['test.accuracy'] = 0.5; data.trials['train.accuracy'] = 0.5",
        "data.trials.drop(index=data.trials.index, inplace=True)",
        "data.roles.clear()",
        "np.seterr(all='raise')",
    ],
)
def test_what_a_claims_code_does_to_its_data_reaches_no_other_claim(
    judged, trials: pd.DataFrame, undisturbed: list[str], harm: str
) -> None:
    before = trials.copy()
    mine, others = judged(f"{harm}; return untested('s', 'w', 'r')")
    assert mine.reason == "r"
    assert others == undisturbed
    pd.testing.assert_frame_equal(trials, before)


def test_a_claims_code_leaves_random_numbers_as_they_were(judged) -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    wanted = random.Random(1).random(), np.random.RandomState(1).rand()
    judged("random.seed(7); np.random.seed(7); return untested('s', 'w', 'r')")
    assert (random.random(), np.random.rand()) == wanted  # noqa: NPY002


def test_numpys_numbers_and_an_iterator_of_parts_are_judged_as_pythons_own(judged) -> None:
    plain, _ = judged("return found(1.0)")
    numpys, _ = judged("return Finding('s', iter(found(np.float32(1)).parts), seeds=(0, 1), depths=(8,))")
    assert type(numpys.effect) is float
    assert (numpys.verdict, numpys.effect, numpys.seeds) == ("supported", 1.0, plain.seeds)
    assert numpys.p == pytest.approx(plain.p, rel=1e-5)
