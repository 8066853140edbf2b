"""What `trained` means: decided from logged numbers, by the sweep's own thresholds."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skipray.analysis.limits import limit_records, limit_tables
from skipray.analysis.trained import FITS, KEEPS_UP, LEARNS, definitions, judged
from skipray.spec import Group, SpecError, SweepSpec, load_sweep

SWEEPS = Path(__file__).parents[2] / "sweeps"
PLAIN, RESNET = Group("plainnet"), Group("resnet")


def sweep(*overrides: str) -> SweepSpec:
    return load_sweep(SWEEPS / "quickstart.yaml", overrides)


def table(rows: list[tuple]) -> tuple[pd.DataFrame, list[Group]]:
    """Rows of architecture, depth, seed, train accuracy, and further columns by name."""
    frame = pd.DataFrame(
        [
            {"architecture": a, "depth": d, "seed": s, "train.accuracy": x, "outcome": "trained", **dict(*more)}
            for a, d, s, x, *more in rows
        ]
    )
    return frame, [Group(a) for a in frame["architecture"]]


def test_fitting_is_half_way_to_the_best_mean_of_any_depth_and_family() -> None:
    rows = [("plainnet", 8, s, 0.9) for s in range(3)] + [
        ("plainnet", 38, s, x) for s, x in enumerate((0.5, 0.56, 0.6))
    ]
    alone, groups = table(rows)
    assert judged(sweep(), alone, groups)[FITS].tolist() == [1, 1, 1, 1, 1, 1], "0.1 + (0.9 - 0.1) / 2 = 0.5"
    both, groups = table([*rows, *[("resnet", 38, s, 1.0) for s in range(3)]])
    assert judged(sweep(), both, groups)[FITS].tolist() == [1, 1, 1, 0, 1, 1, 1, 1, 1], "0.55 with a twin that fits"
    asked = sweep("trained.fits.at_least=0.95")
    assert judged(asked, both, groups)[FITS].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1]
    asked = sweep("trained.fits.fraction=0.9")
    assert judged(asked, both, groups)["outcome"].tolist()[:3] == ["untrained"] * 3


def test_the_bar_is_that_of_the_same_other_factors() -> None:
    frame, _ = table([("plainnet", 8, 0, 0.5), ("resnet", 8, 0, 1.0), ("resnet", 8, 0, 0.7)])
    groups = [Group("plainnet", (("learning_rate", 0.1),))]
    groups += [Group("resnet", (("learning_rate", 0.01),)), Group("resnet", (("learning_rate", 0.1),))]
    assert judged(sweep(), frame, groups)[FITS].tolist() == [1, 1, 1], "the bar is 0.4 at the rate 0.1"


def test_where_nobody_learns_nobody_fits() -> None:
    frame, groups = table([("plainnet", d, s, 0.11 + 0.01 * s) for d in (8, 20) for s in range(3)])
    found = judged(sweep(), frame, groups)
    assert set(found["outcome"]) == {"untrained"}
    said = definitions(sweep(), found)[0].sentence
    assert "with a train accuracy of at least 0.19, half-way" in said, (
        "a bar of 0.11 would be contradicted by every cell"
    )
    assert said.endswith("and never less than what learning anything asks for (0.19)")
    low = sweep("trained.fits.at_least=0.05")
    assert "of at least 0.19, and never" in definitions(low, judged(low, frame, groups))[0].sentence


def test_learning_does_not_depend_on_the_number_of_samples_and_knows_chance() -> None:
    frame, groups = table([("plainnet", 8, 0, 0.18), ("plainnet", 8, 1, 0.2), ("plainnet", 8, 2, 0.85)])
    assert judged(sweep(), frame, groups)[LEARNS].tolist() == [0, 1, 1], "chance 0.1 and a tenth of the way to 1"
    frame["chance.accuracy"] = 0.84
    assert judged(sweep(), frame, groups)[LEARNS].tolist() == [0, 0, 0], "the most frequent class alone gives 0.84"


def test_an_old_store_knows_of_a_frequent_class_by_its_tags() -> None:
    frame, groups = table([("plainnet", 8, 0, 0.84), ("plainnet", 8, 1, 0.99)])
    frame["outcome"] = ["untrained", "trained"]
    assert judged(sweep(), frame, groups)[LEARNS].tolist() == [0, 1]


def test_lagging_is_paired_by_depth_and_seed_where_a_twin_learns() -> None:
    frame, groups = table(
        [
            *(("plainnet", 8, 0, 0.97), ("plainnet", 8, 1, 0.9), ("plainnet", 20, 0, 0.1), ("plainnet", 20, 1, 0.1)),
            *(("resnet", 8, 0, 1.0), ("resnet", 8, 1, 1.0), ("resnet", 20, 0, 0.12)),
        ]
    )
    keeps = judged(sweep(), frame, groups)[KEEPS_UP].to_numpy()
    assert keeps[:2].tolist() == [1, 0]
    assert np.isnan(keeps[2:4]).all(), "at 20 the twin has not learned, or has not finished"
    assert keeps[4:6].tolist() == [1, 1]
    assert judged(sweep("trained.lags.margin=0.2"), frame, groups)[KEEPS_UP].tolist()[:2] == [1, 1]


@pytest.mark.parametrize("best", [0.95, 1.0, 0.9, 0.8])
def test_who_lags_by_the_margin_itself_does_not_keep_up_however_it_is_rounded(best: float) -> None:
    frame, groups = table([("plainnet", 8, 0, round(best - 0.05, 2)), ("resnet", 8, 0, best)])
    assert judged(sweep(), frame, groups)[KEEPS_UP].tolist() == [0, 1]


def test_exploded_is_an_outcome_of_its_own() -> None:
    bad, fine = {"train.loss": 20.0}, {"train.loss": 2.5}
    frame, groups = table(
        [("resnet", 8, 0, 1.0, bad), ("resnet", 38, 0, 0.1, bad), ("resnet", 38, 1, 0.1, fine), ("resnet", 38, 2, 0.1)]
    )
    frame.loc[3, "outcome"] = "diverged"
    assert judged(sweep(), frame, groups)["outcome"].tolist() == ["trained", "exploded", "untrained", "diverged"]
    assert judged(sweep("trained.explodes.loss_ratio=10"), frame, groups)["outcome"][1] == "untrained"
    frame["chance.loss"] = 15.0
    assert judged(sweep(), frame, groups)["outcome"][1] == "untrained"


def test_a_trial_without_a_score_keeps_its_own_verdict() -> None:
    frame, groups = table([("resnet", 8, 0, math.nan), ("resnet", 8, 1, 1.0)])
    assert judged(sweep(), frame, groups)[FITS].tolist() == [1, 1]


def test_limits_carry_their_definition_their_counts_and_what_is_missing() -> None:
    frame, groups = table([("plainnet", d, s, 1.0 if d < 30 else 0.1) for d in (8, 38) for s in range(3)])
    asked = sweep()
    found = judged(asked, frame, groups)
    tables = limit_tables([(PLAIN, found)], definitions(asked, found), {PLAIN: {38: 1, 110: 3}})
    (record,) = limit_records(tables, [])
    assert "at least 0.55" in record["definition"]
    assert "chance (0.1)" in record["definition"]
    assert [(c["depth"], c["trained"], c["trials"], c["missing"]) for c in record["counts"]] == [
        (8, 3, 3, 0),
        (38, 0, 3, 1),
        (110, 0, 0, 3),
    ]
    assert record["lags"] is None, "there is no twin"
    assert record["learns"]["depth"] == record["depth"]


def test_another_definition_is_no_other_trial() -> None:
    ids = [t.trial_id for t in sweep().trials()]
    assert ids == [t.trial_id for t in sweep("trained.fits.fraction=0.9").trials()]


@pytest.mark.parametrize("override", ["trained.fits.fraction=1.5", "trained.lags.margin=0", "trained.fit=0.5"])
def test_what_is_not_allowed_is_named(override: str) -> None:
    with pytest.raises(SpecError, match=r"trained\.\w+.*found"):
        sweep(override)


def test_of_values_the_score_is_the_share_of_the_loss_that_is_taken_off(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        "name: r\nquestion: How deep?\n"
        "dataset: {name: table, fingerprint: x, options: {address: t.csv, target: y, labels: values, features: 3}}\n"
        "model: {kind: mlp, width: 8, normalization: layer, initialisation: he_normal, activation: relu}\n"
        "recipe: {epochs: 1, batch_size: 8, learning_rate: 0.1, momentum: 0, weight_decay: 0, loss: mse,\n"
        "  schedule: constant, augmentation: none}\n"
        "factors: {architecture: [plainnet], depth: [4, 8, 16]}\nseeds: [0]\n"
    )
    asked = load_sweep(tmp_path / "r.yaml")
    frame = pd.DataFrame({"architecture": "plainnet", "depth": [4, 8, 16], "seed": 0, "outcome": "trained"})
    frame["train.loss"], frame["chance.loss"] = [1.0, 3.0, 9.0], 4.0
    found = judged(asked, frame, [PLAIN] * 3)
    assert found[FITS].tolist() == [1, 0, 0], "R squared is 0.75, 0.25 and below 0; half-way is 0.375"
    assert found["outcome"].tolist() == ["trained", "untrained", "exploded"]
    assert "train R² of at least 0.375" in definitions(asked, found)[0].sentence
