"""A store of the first release, read by its name: without its file, its code, its folder, torch or any of its paths."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skipray import tracking
from skipray.analysis.aggregation import Aggregate, aggregate
from skipray.spec import SweepSpec

GOLDEN = Path(__file__).parents[1] / "golden" / "store"
NUMBERS = json.loads((GOLDEN / "numbers.json").read_text())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("moved here")
    with zipfile.ZipFile(GOLDEN / "store.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def uri(place: Path) -> str:
    return f"sqlite:///{place}/skipray.db"


@pytest.fixture(scope="module")
def sweep(uri: str) -> SweepSpec:
    stored = tracking.stored_sweep("golden", uri)
    assert stored is not None
    assert stored.others == ()
    return stored.sweep


@pytest.fixture(scope="module")
def result(sweep: SweepSpec) -> Aggregate:
    return aggregate(sweep)


def test_the_table_is_what_it_was(uri: str) -> None:
    assert "nets" not in sys.modules
    table = tracking.read_trials("golden", uri)
    then = pd.read_csv(GOLDEN / "trials.csv", float_precision="round_trip")
    assert set(table["trial_id"]) == set(then["trial_id"])
    now = table.set_index("trial_id").loc[then["trial_id"]].reset_index()
    missing = [c for c in then.columns if c not in now.columns]
    assert missing == []
    for column in then.columns:
        if then[column].dtype.kind in "if":
            np.testing.assert_array_equal(now[column].to_numpy(float), then[column].to_numpy(), err_msg=column)
        else:
            assert now[column].astype(str).tolist() == then[column].astype(str).tolist(), column


def test_the_sweep_is_what_it_was(sweep: SweepSpec) -> None:
    assert sweep.question == "Does what was measured outlive the code that measured it?"
    assert sweep.seeds == (0, 1)
    assert sweep.factors == {"architecture": ("resnet", "nets:tower"), "depth": (4, 8, 14)}
    assert {t.label for t in sweep.trials()} >= {"resnet-d004-s00", "tower-d014-s01"}
    assert sweep.probe.samples == 64


def test_the_trends_are_what_they_were(result: Aggregate) -> None:
    now = {(s.metric, s.group.architecture): s for s in result.series}
    for then in NUMBERS["trends"]:
        series = now[then["metric"], then["group"]["architecture"]]
        here = dict(zip(zip(series.depth, series.seed, strict=True), series.value, strict=True))
        there = dict(zip(zip(then["depth"], then["seed"], strict=True), then["value"], strict=True))
        assert here == there, then["metric"]
        assert series.trend.curve == then["trend"]["curve"]


def test_every_group_has_its_limit_and_its_size(result: Aggregate) -> None:
    """What "trained" means is decided at reading, and was decided otherwise then: the limits' depths may differ."""
    limits = {group.architecture for group, _ in result.limits}
    assert limits == {then["group"]["architecture"] for then in NUMBERS["limits"]}
    sizes = dict(zip(result.trials["trial_id"], result.trials["model.parameters"], strict=True))
    assert sizes == NUMBERS["parameters"]


def test_layers_and_histograms_are_found_beside_the_database(result: Aggregate) -> None:
    assert len(result.layers) == NUMBERS["layers"]["rows"]
    assert result.layers["value"].sum() == pytest.approx(NUMBERS["layers"]["sum"], rel=1e-12)
    assert len(result.histograms) == NUMBERS["histograms"]["rows"]
    assert result.histograms["count"].sum() == NUMBERS["histograms"]["count"]


def test_the_doctor_says_what_it_cannot_tell(uri: str, sweep: SweepSpec) -> None:
    said: list[str] = []
    tracking.examine(sweep, uri, say=said.append)
    assert said[0].startswith(f"{len(sweep.trials())} runs were recorded without checksums")
