"""Bags of clips against scikit-learn's k-means."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from zsl_bench.baselines.methods.bags import bag_centres


@pytest.mark.parametrize("bags", [1, 2, 4])
def test_centres_equal_those_of_another_implementation(bags: int) -> None:
    generator = np.random.default_rng(0)
    middles = 8 * np.eye(4)[:bags]
    rows = np.repeat(middles, 20, axis=0) + generator.standard_normal((20 * bags, 4))
    found = bag_centres(rows, bags, generator)
    known = KMeans(bags, n_init=5, random_state=0).fit(rows).cluster_centers_
    order = [int(((known - centre) ** 2).sum(axis=1).argmin()) for centre in found]
    assert sorted(order) == list(range(bags))
    assert found == pytest.approx(known[order])


def test_rows_alike_make_one_bag() -> None:
    found = bag_centres(np.ones((5, 3)), 2, np.random.default_rng(0))
    assert found.tolist() == [[1, 1, 1]]
