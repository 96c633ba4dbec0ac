"""Spherical k-means: the same for the same vectors, unit centres, no empty cluster, alike beside alike."""

import numpy as np
import pytest

from memories.clustering import BLOCK, centroids, nearest


def groups(count: int, each: int, dimensions: int = 16, noise: float = 0.05) -> np.ndarray:
    random = np.random.default_rng(1)
    middles = random.normal(size=(count, dimensions))
    points = np.repeat(middles, each, axis=0) + noise * random.normal(size=(count * each, dimensions))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def test_it_works():
    vectors = groups(3, 50)
    numbers, cosines = nearest(vectors, centroids(vectors, count=12))
    for first in (0, 50, 100):
        assert not set(numbers[first : first + 50]) & set(np.delete(numbers, slice(first, first + 50)))
    assert cosines.min() > 0.9


def test_centres_are_unit_vectors_and_the_same_each_time():
    vectors = groups(5, 40)
    first, second = centroids(vectors, count=20), centroids(vectors, count=20)
    assert np.array_equal(first, second)
    assert first.dtype == np.float32
    assert np.linalg.norm(first, axis=1) == pytest.approx(np.ones(20), abs=1e-5)
    assert not np.array_equal(first, centroids(vectors, count=20, seed=1))


def test_there_are_never_more_centres_than_vectors():
    assert centroids(groups(2, 2), count=50).shape == (4, 16)


def test_equal_vectors_leave_centres_that_can_be_used():
    vectors = np.tile(np.float32([[0, 1, 0]]), (100, 1))
    found = centroids(vectors, count=10)
    assert np.isfinite(found).all()
    assert nearest(vectors, found)[1] == pytest.approx(np.ones(100))


def test_opposite_vectors_leave_centres_that_can_be_used():
    vectors = np.float32([[1, 0], [-1, 0]] * 50)
    assert np.isfinite(centroids(vectors, count=1)).all()


def test_an_empty_cluster_goes_on_from_the_farthest_vector():
    """All but one vector alike: whatever is drawn at first, the odd one gets a centre."""
    vectors = np.float32([[1, 0, 0]] * 999 + [[0, 0, 1]])
    _, cosines = nearest(vectors, centroids(vectors, count=3))
    assert cosines.min() > 0.99


def test_blocks_change_nothing():
    vectors = groups(2, BLOCK)
    found = centroids(vectors[:100], count=7)
    numbers, cosines = nearest(vectors, found)
    assert np.array_equal(numbers, (vectors @ found.T).argmax(axis=1))
    assert cosines == pytest.approx((vectors @ found.T).max(axis=1))
