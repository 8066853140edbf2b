"""C8 to C10 on synthetic sweeps whose truth is known."""

import numpy as np
import pytest


def test_c8_needs_five_seeds(table, verdict, noisy) -> None:
    measure = noisy(np.random.default_rng(0), "test.accuracy", {"resnext": 0.1}, 0.001)
    few = verdict("C8", table(measure, seeds=3))
    assert few.verdict == "not tested"
    assert "5 seeds" in few.sentence
    assert verdict("C8", table(measure, seeds=5)).effect == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize(("slope", "wanted"), [(0.02, "supported"), (-0.02, "refuted")])
def test_c9(slope: float, wanted: str, table, verdict) -> None:
    rng = np.random.default_rng(0)

    def measure(family, depth, seed):
        kappa = {"plainnet": 5.0, "resnet": 3.0, "resnext": 2.0}[family] + depth / 50 + 0.2 * rng.standard_normal()
        return {
            "hidden.log10_condition.median": kappa,
            "gap.accuracy": 0.05 + slope * kappa + 0.002 * rng.random(),
            "train.accuracy": 0.995,
        }

    assert verdict("C9", table(measure)).verdict == wanted


def test_c9_leaves_untrained_runs_out(table, verdict) -> None:
    def measure(family, depth, seed):
        return {
            "hidden.log10_condition.median": 1.0 * seed,
            "gap.accuracy": np.nan,
            "train.accuracy": 0.1,
            "outcome": "untrained",
        }

    assert verdict("C9", table(measure)).verdict == "not tested"


def test_c9_compares_networks_that_fit_within_depth_and_family(table, verdict) -> None:
    """Families with larger kappa have larger gaps, and networks that have not learned have the largest kappa and no
    gap: neither makes a link within depth and family, where there is none."""
    rng = np.random.default_rng(1)

    def measure(family, depth, seed):
        fits = family != "plainnet" or depth < 38
        kappa = {"plainnet": 4.0, "resnet": 3.0, "resnext": 2.0}[family] + 0.2 * rng.standard_normal()
        return {
            "hidden.log10_condition.median": kappa if fits else 6.5,
            "gap.accuracy": 0.05 * kappa // 0.01 * 0.01 + 0.02 * rng.standard_normal() if fits else 0.0,
            "train.accuracy": 1.0 if fits else 0.4,
        }

    claim = verdict("C9", table(measure))
    over, within = claim.parts
    assert claim.verdict == "in part"
    assert (over.verdict, within.verdict) == ("supported", "inconclusive")
    assert "70 networks with a train accuracy of at least 0.99" in claim.sentence
    assert verdict("C9", table(measure, seeds=2)).verdict == "not tested"


@pytest.mark.parametrize(
    ("plain", "residual", "wanted"), [(1.2, 0.1, "supported"), (1.2, 1.1, "in part"), (1.0, 1.2, "refuted")]
)
def test_c10(plain: float, residual: float, wanted: str, table, verdict, noisy) -> None:
    measure = noisy(
        np.random.default_rng(0), "deletion.output_change.median", {"plainnet": plain, "resnet": residual}, 0.02
    )
    assert verdict("C10", table(measure)).verdict == wanted
