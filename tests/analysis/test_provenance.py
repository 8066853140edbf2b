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


def test_a_metric_of_ones_own_that_was_edited_between_trials() -> None:
    column = "environment.metrics"
    alike = pd.DataFrame({column: ["m:a 1f, m:b 2e", "m:a 1f", None]})
    mixed = pd.DataFrame({column: ["m:a 1f, m:b 2e", "m:a 1f, m:b 2e", "m:a 3d, m:b 2e"]})
    sweep = load_sweep(SWEEP)
    assert not audit(sweep, alike)
    assert audit(sweep, mixed) == ["m:a was measured with 2 versions of its code (2, 1 trials)"]
