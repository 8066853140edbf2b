"""C2 to C7 on synthetic sweeps whose truth is known."""

import numpy as np
import pandas as pd
import pytest


@pytest.mark.parametrize(("collapses", "wanted"), [(True, "supported"), (False, "refuted")])
def test_c3(collapses: bool, wanted: str, table, verdict) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        left = np.exp(-depth / 15) if collapses else 1.0
        return {
            "hidden.effective_rank.last": 1 + 20 * left * np.exp(0.05 * rng.standard_normal()),
            "hidden.mean_cosine.last": 1 - 0.7 * left * np.exp(0.05 * rng.standard_normal()),
        }

    assert verdict("C3", table(measure)).verdict == wanted


def test_c2_line_then_floor_against_saturation_and_decay(table, verdict, layer_table) -> None:
    rng = np.random.default_rng(0)
    trials = table(lambda f, d, s: {}, seeds=3, families=("plainnet",), depths=(38, 74))

    def line(trial, layer):
        value = 0.3 + 0.15 * layer + 0.05 * rng.standard_normal()
        return (6.9, 1) if value > 6.9 else (value, 0)

    def saturating(trial, layer):
        return 6.0 * (1 - np.exp(-layer / (trial.depth / 8))) + 0.05 * rng.standard_normal(), 0

    supported = verdict("C2", trials, layer_table(trials, line))
    assert supported.verdict == "supported"
    assert supported.parts[0].effect == pytest.approx(0.15, abs=0.01)
    assert verdict("C2", trials, layer_table(trials, saturating)).verdict == "in part"  # it grows, and is no line
    assert verdict("C2", trials, layer_table(trials, lambda t, k: (5 - 0.05 * k, 0))).verdict == "refuted"


@pytest.mark.parametrize(
    ("level", "fall", "wanted"), [(3.0, 2.0, "supported"), (3.0, -2.0, "in part"), (6.8, 2.0, "in part")]
)
def test_c4(level: float, fall: float, wanted: str, table, verdict, layer_table) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        return {"hidden.log10_condition.median": level + 0.05 * rng.standard_normal()}

    trials = table(measure, seeds=3, families=("resnet", "resnext"), depths=(20, 38))
    layers = layer_table(trials, lambda t, k: (level + fall * (0.5 - k / t.depth) + 0.02 * rng.standard_normal(), 0))
    assert verdict("C4", trials, layers).verdict == wanted


def test_c4_censored_everywhere_is_not_supported(table, verdict) -> None:
    trials = table(
        lambda f, d, s: {"hidden.log10_condition.median": 6.9, "hidden.log10_condition.median.censored": 1.0},
        families=("resnet",),
    )
    assert verdict("C4", trials).verdict == "refuted"


@pytest.mark.parametrize(("sign", "wanted"), [(1, "supported"), (-1, "refuted")])
def test_c5(sign: int, wanted: str, table, verdict, layer_table) -> None:
    rng = np.random.default_rng(0)
    trials = table(lambda f, d, s: {}, seeds=3, families=("plainnet",), depths=(20, 38))
    hidden = layer_table(trials, lambda t, k: (0.1 * k + 0.1 * rng.standard_normal(), 0))
    others = [
        layer_table(trials, lambda t, k: (sign * 0.1 * k + 0.3 * rng.standard_normal(), 0), tensor)
        for tensor in ("weight_gradient", "weight_update")
    ]
    assert verdict("C5", trials, pd.concat([hidden, *others])).verdict == wanted


def test_c2_of_profiles_that_do_not_change_at_all(table, layer_table, verdict) -> None:
    """Of orthogonal linear networks log kappa is 0 at every layer."""
    trials = table(lambda f, d, s: {}, seeds=3, families=("plainnet",), depths=(20, 38))
    claim = verdict("C2", trials, layer_table(trials, lambda t, k: (0.0, 0)))
    assert claim.verdict == "inconclusive"
    assert "nan" not in claim.sentence


@pytest.mark.parametrize(
    ("plain", "resnext", "wanted"),
    [
        (4.0, 4.0, "supported"),
        (2.0, 2.0, "in part"),
        (2.4, 4.0, "in part"),
        (4.0, 1.0, "in part"),
        (1.0, 4.0, "refuted"),
    ],
)
def test_c6(plain: float, resnext: float, wanted: str, table, verdict, noisy) -> None:
    rng = np.random.default_rng(0)
    offsets = {"plainnet": plain, "resnet": 2.0, "resnext": resnext}
    claim = verdict("C6", table(noisy(rng, "weight.log10_condition.median", offsets, 0.1)))
    assert claim.verdict == wanted
    found = {part.label: part for part in claim.parts}
    far, equal = found["PlainNet far above ResNet"], found["PlainNet above ResNeXt"]
    # "Far" and "equal" are our margins: a smaller lead is no refutation, one in the other direction is.
    assert far.verdict == {4.0: "supported", 2.4: "in part", 2.0: "inconclusive", 1.0: "refuted"}[plain]
    assert ("less than tenfold" in claim.sentence) == (plain in (2.0, 2.4))
    assert equal.verdict == ("supported" if plain == resnext else "refuted")


def test_c7_only_at_matched_parameters(table, verdict) -> None:
    def measure(ratio):
        def inner(family, depth, seed):
            rng = np.random.default_rng([depth, seed, len(family)])
            return {
                "hidden.log10_condition.median": 3.0 - (family == "resnext") + 0.05 * rng.standard_normal(),
                "model.parameters": 1e6 * (ratio if family == "resnext" else 1.0),
            }

        return inner

    assert verdict("C7", table(measure(0.95))).verdict == "supported"
    apart = verdict("C7", table(measure(0.6)))
    assert apart.verdict == "not tested"
    assert "0.60 times" in apart.sentence
    assert apart.p is None


def test_c7_with_censored_twins(table, verdict) -> None:
    """ResNet beyond the floor, ResNeXt below it: the difference is at least what was seen. Both beyond: no word."""

    def measure(both):
        def inner(family, depth, seed):
            rng = np.random.default_rng([depth, seed, len(family)])
            hit = family == "resnet" or both
            return {
                "hidden.log10_condition.median": 6.9 if hit else 5.0 + 0.1 * rng.standard_normal(),
                "hidden.log10_condition.median.censored": 1.0 if hit else np.nan,
            }

        return inner

    assert verdict("C7", table(measure(False))).verdict == "supported"
    assert verdict("C7", table(measure(True))).verdict == "not tested"
