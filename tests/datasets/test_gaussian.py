import numpy as np
import pytest
from scipy.stats import kstest

from skipray.datasets import DataCorrupt, gaussian, open_dataset, shape_and_classes
from skipray.spec import DatasetSpec


def spec(**options):
    return DatasetSpec(name="gaussian", options=options)


def load(tmp_path, **options):
    return gaussian.load(spec(**options), tmp_path)


def test_shape_and_balance(tmp_path):
    raw = load(tmp_path, features=6, samples=90, classes=3)
    assert raw.train_images.shape == (90, 1, 1, 6)
    assert np.bincount(raw.train_labels).tolist() == [30, 30, 30]
    assert raw.test_images.shape == (22, 1, 1, 6)
    assert shape_and_classes(spec(features=6, classes=3)) == ((1, 1, 6), 3)
    assert gaussian.train_samples(spec(samples=90)) == 90


def test_features_are_independent_standard_normal(tmp_path):
    x = load(tmp_path, features=8, samples=20_000).train_images.reshape(20_000, 8)
    assert kstest(x.ravel(), "norm").pvalue > 0.01
    # Each covariance has a standard error of 1/sqrt(20000) = 0.0071; the largest of 36 lies below 4 of them.
    assert np.abs(np.cov(x.T) - np.eye(8)).max() < 4 * 0.0071 * np.sqrt(2)


def test_draws_depend_on_the_options_alone(tmp_path):
    one = load(tmp_path, seed=1).train_images
    assert np.array_equal(one, load(tmp_path, seed=1).train_images)
    assert not np.array_equal(one, load(tmp_path, seed=2).train_images)
    assert not np.array_equal(load(tmp_path, seed=1).test_images, one[:256])


def test_more_samples_begin_with_the_same_ones(tmp_path):
    assert np.array_equal(load(tmp_path, samples=50).train_images, load(tmp_path, samples=200).train_images[:50])


def test_separation_is_the_length_of_the_class_means(tmp_path):
    near, far = load(tmp_path, classes=4, samples=400), load(tmp_path, classes=4, samples=400, separation=3.0)
    shift = (far.train_images - near.train_images)[:, 0, 0]
    for label in range(4):
        mine = shift[far.train_labels == label]
        assert np.allclose(mine, mine[0], atol=1e-5)
        assert np.linalg.norm(mine[0]) == pytest.approx(3, rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"feature": 3}, {"features": 0}, {"features": 2.5}, {"classes": 1}, {"seed": -1}, {"samples": True}]
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError, match=r"found.*allowed"):
        gaussian.check(spec(**options))


def test_other_numerics_are_refused(monkeypatch):
    monkeypatch.setattr(gaussian, "_normal", lambda stream, shape: np.zeros(shape, np.float32))
    with pytest.raises(DataCorrupt, match="reference draw"):
        open_dataset(spec(), gaussian.FINGERPRINT)
