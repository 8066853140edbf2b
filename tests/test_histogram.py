"""Histograms of a tensor's entries against numpy's, and where numpy's own arithmetic ends."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skipray.probe.histogram import BINS, CHUNK, histogram

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def zeros_of(bins):
    return sum(n for low, high, n in zip(bins.low, bins.high, bins.count, strict=True) if low == high == 0)


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=FLOATS))
def test_every_entry_is_in_one_bin_that_holds_it(values):
    bins = histogram(torch.from_numpy(values))
    assert sum(bins.count) == values.size
    assert all(n > 0 for n in bins.count)
    assert list(zip(bins.low, bins.high, strict=True)) == sorted(zip(bins.low, bins.high, strict=True))
    if values.min() == values.max():
        assert (bins.low, bins.high) == ((float(values.min()),), (float(values.max()),))
        return
    assert zeros_of(bins) == (values == 0).sum()
    assert len(bins.count) <= BINS + 1
    slack = 1e-9 * (float(values.max()) - float(values.min()))
    for value in values[values != 0].astype(float):
        assert any(low - slack <= value <= high + slack for low, high in zip(bins.low, bins.high, strict=True))


@pytest.mark.parametrize("shape", [(7, 5), (256, 64), (3, 5, CHUNK // 8, 5)])
def test_counts_are_numpys(shape):
    tensor = torch.relu(torch.randn(shape, generator=torch.Generator().manual_seed(len(shape))))
    flat = tensor.numpy().ravel().astype(float)
    counts, edges = np.histogram(flat[flat != 0], bins=BINS, range=(flat.min(), flat.max()))
    bins = histogram(tensor)
    wide = [i for i, (low, high) in enumerate(zip(bins.low, bins.high, strict=True)) if high > low]
    assert [bins.count[i] for i in wide] == counts[counts > 0].tolist()
    np.testing.assert_allclose([bins.low[i] for i in wide], edges[:-1][counts > 0], atol=1e-12)
    assert zeros_of(bins) == (flat == 0).sum() > 0


def test_a_range_beyond_the_largest_number_has_finite_bins():
    bins = histogram(torch.tensor([-1.7e308, 0.0, 1.7e308], dtype=torch.float64))
    assert bins.count == (1, 1, 1)
    assert np.isfinite([*bins.low, *bins.high]).all()
    assert (bins.low[0], bins.high[-1]) == (-1.7e308, 1.7e308)
