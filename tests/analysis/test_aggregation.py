"""How trials become the groups that have a trend and a limit each."""

from pathlib import Path

import numpy as np
import pandas as pd

from skipray.analysis.aggregation import _groups
from skipray.spec import load_sweep


def test_a_family_that_lacks_a_factor_is_a_group_without_it():
    sweep = load_sweep(Path(__file__).parents[2] / "sweeps" / "cardinality.yaml")
    trials = pd.DataFrame(
        {
            "architecture": ["resnext", "resnext", "resnet"],
            "cardinality": [1.0, 2.0, np.nan],  # what pandas makes of whole numbers and a gap
            "group_width": [64.0, 38.0, np.nan],
            "depth": [8, 8, 8],
        }
    )
    groups = [group for group, _ in _groups(sweep, trials)]
    assert groups == [
        (("architecture", "resnext"), ("cardinality", 1), ("group_width", 64)),
        (("architecture", "resnext"), ("cardinality", 2), ("group_width", 38)),
        (("architecture", "resnet"),),
    ]
    assert all(isinstance(value, str | int) for group in groups for _, value in group)
