"""What is said against trials that were not run alike."""

from pathlib import Path

import pandas as pd

from skipray.analysis.provenance import audit
from skipray.spec import load_sweep

SWEEP = Path(__file__).parents[2] / "sweeps" / "quickstart.yaml"


def test_trials_that_auto_has_compiled_and_others_that_it_has_not() -> None:
    alike = pd.DataFrame({"environment.compile": ["none", "none", None]})
    mixed = pd.DataFrame({"environment.compile": ["default", "none", "none"]})
    auto = load_sweep(SWEEP, ["recipe.compile=auto"])
    assert not audit(auto, alike)
    assert audit(auto, mixed) == ["steps were compiled in some trials and not in others: default 1, none 2"]
    asked = load_sweep(SWEEP, ["factors.compile=[none, default]"])
    assert not audit(asked, mixed), "the sweep's own question"
