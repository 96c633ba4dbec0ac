"""Spherical k-means: buckets of unit vectors, by cosine. Pure.

Source: I. Dhillon and D. Modha, "Concept Decompositions for Large Sparse Text Data Using Clustering", 2001.
"""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Numbers = NDArray[np.intp]

ITERATIONS = 8
# Rows compared at once: 4,096 of them with 4,096 centroids take 64 MB.
BLOCK = 4096


def centroids(vectors: Matrix, *, count: int, seed: int = 0) -> Matrix:
    """`count` unit vectors (fewer if there are fewer vectors), the centres of the clusters of `vectors`, one a row.

    Begins with vectors drawn at random, the same for the same seed. A cluster that runs empty goes on from the vector
    that is farthest from its own centre.
    """
    random = np.random.default_rng(seed)
    count = min(count, len(vectors))
    centres = vectors[random.choice(len(vectors), count, replace=False)].copy()
    for _ in range(ITERATIONS):
        numbers, cosines = nearest(vectors, centres)
        sums = np.zeros_like(centres)
        np.add.at(sums, numbers, vectors)
        norms = np.linalg.norm(sums, axis=1)
        empty = np.flatnonzero(norms < 1e-6)
        sums[empty] = vectors[np.argsort(cosines)[: len(empty)]]
        centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return centres


def nearest(vectors: Matrix, centres: Matrix) -> tuple[Numbers, Matrix]:
    """For each vector the number of its nearest centre, and their cosine."""
    numbers = np.empty(len(vectors), dtype=np.intp)
    cosines = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        products = vectors[start : start + BLOCK] @ centres.T
        best = products.argmax(axis=1)
        numbers[start : start + BLOCK] = best
        cosines[start : start + BLOCK] = products[np.arange(len(best)), best]
    return numbers, cosines
