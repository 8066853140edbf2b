"""Why the split is by the writers' forms and not at random: measured on the data themselves."""

import difflib

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import load_digits

from skipray.datasets import digits, fingerprint_of, open_dataset
from skipray.spec import DatasetSpec


@pytest.fixture(scope="module")
def pixels_and_labels():
    return load_digits(return_X_y=True)


@pytest.fixture(scope="module")
def form(pixels_and_labels):
    return np.searchsorted(digits.FORM_STARTS, np.arange(len(pixels_and_labels[1])), side="right") - 1


def test_each_form_repeats_the_same_sequence_of_digits(pixels_and_labels, form):
    sequence = [list(pixels_and_labels[1][form == k]) for k in range(14)]
    assert len(sequence[0]) == 130
    for other in sequence:
        assert other[:10] == [*range(10)] or other[:9] == [*range(1, 10)]  # form 8 lacks its first 0
        assert other[-4:] in ([0, 8, 9, 8], [4, 9, 0, 8], [0, 8, 9, 3])
        assert difflib.SequenceMatcher(None, sequence[0], other, autojunk=False).ratio() > 0.96


def test_neighbours_are_of_the_same_form_so_a_random_split_flatters(pixels_and_labels, form):
    pixels, labels = pixels_and_labels
    distance = cdist(pixels, pixels)
    np.fill_diagonal(distance, np.inf)
    assert np.mean(form[distance.argmin(1)] == form) > 0.5  # 1/14 by chance

    def nearest_neighbour_error(test):
        nearest = distance[np.ix_(test, ~test)].argmin(1)
        return np.mean(labels[~test][nearest] != labels[test])

    by_form = nearest_neighbour_error(form >= 11)
    random = np.random.RandomState(0)
    at_random = [nearest_neighbour_error(random.permutation(len(labels)) < np.sum(form >= 11)) for _ in range(10)]
    assert by_form == pytest.approx(0.042, abs=0.001)
    assert np.mean(at_random) == pytest.approx(0.012, abs=0.003)


def test_no_form_is_on_two_sides(pixels_and_labels, form):
    splits = open_dataset(DatasetSpec(name="digits"), digits.FINGERPRINT)
    rows = {pixels.astype(np.uint8).tobytes(): k for pixels, k in zip(pixels_and_labels[0], form, strict=True)}
    sides = {
        part: {rows[image.numpy().tobytes()] for image in getattr(splits, f"{part}_x")}
        for part in ("train", "validation", "test")
    }
    assert sides["test"] == {11, 12, 13}
    assert len(sides["validation"]) == 1
    assert sides["train"] == set(range(11)) - sides["validation"]
    assert len(splits.train_y) + len(splits.validation_y) == digits.TRAIN_SAMPLES
    assert len(splits.test_y) == 382


def test_more_validation_takes_more_whole_forms():
    splits = open_dataset(DatasetSpec(name="digits", validation_fraction=0.3), digits.FINGERPRINT)
    assert len(splits.validation_y) == pytest.approx(0.3 * 1415, abs=65)


def test_the_fingerprint_is_that_of_the_arrays(tmp_path):
    assert fingerprint_of(digits.load(DatasetSpec(name="digits"), tmp_path)) == digits.FINGERPRINT


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.3, 0.49])
def test_how_many_samples_validation_leaves_is_known_without_the_data(fraction):
    dataset = DatasetSpec(name="digits", validation_fraction=fraction)
    assert digits.samples_left(dataset) == len(open_dataset(dataset, digits.FINGERPRINT).train_y)
