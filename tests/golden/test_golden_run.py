"""A change that moves a trial_id or a number is seen at once."""

import importlib.util
import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.catalog
def test_ids_and_numbers_are_the_pinned_ones() -> None:
    spec = importlib.util.spec_from_file_location("golden_run", HERE / "golden_run.py")
    assert spec is not None
    assert spec.loader is not None
    golden = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(golden)
    pinned = json.loads((HERE / "run.json").read_text())
    run = golden.golden_run(pinned["keys"])
    assert set(run) == set(pinned["trials"]), "trial_ids have moved"
    for key, found in run.items():
        expected = pinned["trials"][key]
        assert found["outcome"] == expected["outcome"]
        metrics = {key: value for key, value in found["metrics"].items() if key in pinned["keys"]}
        assert metrics == pytest.approx(expected["metrics"], rel=0.05, abs=0.02), found["label"]
    known = pinned["digests"].get(golden.processor_class())
    if known is None:
        pytest.skip(f"no bits are pinned for {golden.processor_class()}: numbers agree within rounding")
    assert {key: found["digest"] for key, found in run.items()} == known, "numbers have moved by bits"
