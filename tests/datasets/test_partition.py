import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skipray.datasets.preparing.partition import balanced_order, fixed_order, held_out, partition
from skipray.spec import DatasetSpec


def test_a_fixed_order_is_a_permutation_that_its_name_alone_decides():
    order = fixed_order("a", 100)
    assert sorted(order) == list(range(100))
    assert np.array_equal(order, fixed_order("a", 100))
    assert not np.array_equal(order, fixed_order("b", 100))
    # Written out: an order that changed would silently move samples between training and validation.
    assert fixed_order("validation", 8).tolist() == [2, 1, 7, 0, 6, 4, 5, 3]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_every_beginning_of_a_balanced_order_is_balanced(labels):
    labels = np.array(labels)
    order = balanced_order("probe", labels)
    assert sorted(order) == list(range(len(labels)))
    sizes = np.bincount(labels, minlength=5)
    for length in range(1, len(labels) + 1):
        counts = np.bincount(labels[order[:length]], minlength=5)
        unfinished = counts[(counts < sizes)]
        if len(unfinished):
            assert counts.max() - unfinished.min() <= 1


@given(st.lists(st.integers(0, 3), min_size=10, max_size=200), st.floats(0.01, 0.49))
def test_validation_is_stratified_and_of_the_planned_size(labels, fraction):
    labels = np.array(labels)
    mask = held_out(labels, fraction)
    assert np.sum(~mask) == round(len(labels) * (1 - fraction))
    for label in np.unique(labels):
        share = np.sum(labels == label) * mask.mean()
        assert abs(np.sum(mask & (labels == label)) - share) < 1


def test_groups_stay_whole():
    groups = np.repeat(np.arange(10), 7)
    mask = held_out(np.zeros(70, int), 0.2, groups)
    assert {bool(mask[groups == g].all()) for g in np.unique(groups[mask])} == {True}
    assert mask.sum() == 14
    with pytest.raises(ValueError, match="found 1 group"):
        held_out(np.zeros(5, int), 0.2, np.zeros(5, int))


def test_subsets_are_class_balanced_even_where_files_are_sorted_by_class():
    labels = np.repeat(np.arange(4), 50)
    parts = partition(DatasetSpec(name="x", train_samples=20, test_samples=8), labels, labels)
    assert np.bincount(labels[parts.train]).tolist() == [5, 5, 5, 5]
    assert np.bincount(labels[parts.test]).tolist() == [2, 2, 2, 2]
    assert len(parts.validation) == 20
    assert not set(parts.train) & set(parts.validation)
    assert sorted(parts.balanced) == list(range(20))
