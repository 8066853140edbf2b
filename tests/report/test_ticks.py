"""Axes of values of any size."""

import numpy as np
import pytest

from skipray.report.ticks import linear_axis


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e-7, 1.0, 12345.0, 6.9e22, 3e38, 1e300])
@pytest.mark.parametrize("low", [-1.0, 0.0, 0.3, 1.0])
def test_a_linear_axis_holds_its_values_and_a_few_ticks(size: float, low: float) -> None:
    axis = linear_axis("x", [low * size, size])
    assert axis.low <= low * size <= size <= axis.high
    places = np.array([place for place, _ in axis.ticks])
    assert 1 <= len(places) <= 12
    assert ((places >= axis.low) & (places <= axis.high)).all()
