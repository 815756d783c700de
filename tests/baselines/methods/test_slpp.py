"""The subspace against explicit N by N matrices and Fisher's discriminant."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from zsl_bench.baselines.methods.slpp import Graph, joined, projection, scatters
from zsl_bench.errors import ModelError


def clusters(*, sizes: tuple[int, ...] = (5, 9, 7, 3), dim: int = 6) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    middles = 2 * generator.standard_normal((len(sizes), dim))
    rows = middles[labels] + generator.standard_normal((len(labels), dim))
    order = generator.permutation(len(labels))
    return (rows - rows.mean(axis=0))[order], labels[order]


def explicit(rows: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    degrees = np.diag(weights.sum(axis=1))
    return rows.T @ degrees @ rows, rows.T @ (degrees - weights) @ rows


@pytest.mark.parametrize("by_size", [False, True])
def test_class_sums_equal_the_explicit_graph(*, by_size: bool) -> None:
    rows, labels = clusters()
    weights = (labels[:, None] == labels).astype(float)
    if by_size:
        weights /= np.bincount(labels)[labels][:, None]
    spread, within = explicit(rows, weights)
    found = scatters(rows, labels, Graph(by_size=by_size))
    assert found.spread == pytest.approx(spread)
    assert found.within == pytest.approx(within)


def test_a_graph_of_neighbours_equals_a_loop() -> None:
    rows, labels = clusters()
    weights = np.zeros((len(rows), len(rows)))
    for place, row in enumerate(rows):
        own = [other for other in range(len(rows)) if labels[other] == labels[place]]
        own.sort(key=lambda other, row=row: ((rows[other] - row) ** 2).sum())
        for other in own[:3]:
            weights[place, other] = weights[other, place] = 1
    spread, within = explicit(rows, weights)
    found = scatters(rows, labels, Graph(neighbours=2))
    assert found.spread == pytest.approx(spread)
    assert found.within == pytest.approx(within)


def test_more_neighbours_than_videos_join_all() -> None:
    rows, labels = clusters()
    every, few = scatters(rows, labels, Graph()), scatters(rows, labels, Graph(neighbours=50))
    assert few.within == pytest.approx(every.within)
    assert joined(rows[:1], 3).tolist() == [[1.0]]


def test_weights_by_size_without_a_regulariser_give_fishers_discriminant() -> None:
    rows, labels = clusters(sizes=(20, 30, 25, 15))
    sides = scatters(rows, labels, Graph(by_size=True))
    middles = np.stack([rows[labels == label].mean(axis=0) for label in range(4)])[labels]
    assert sides.within == pytest.approx((rows - middles).T @ (rows - middles))
    mine = projection(sides, dim=3, regulariser=0.0)
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(rows, labels).scalings_[:, :3]
    cosines = np.linalg.svd(np.linalg.qr(mine)[0].T @ np.linalg.qr(theirs)[0])[1]
    assert cosines == pytest.approx(1.0)


def test_directions_come_largest_first_at_unit_scale() -> None:
    rows, labels = clusters()
    sides = scatters(rows, labels, Graph())
    found = projection(sides, dim=10, regulariser=1.0)
    assert found.shape == (6, 6)
    scale = found.T @ (sides.within + np.eye(6)) @ found
    assert scale == pytest.approx(np.eye(6), abs=1e-9)
    assert (np.diff(np.diag(found.T @ sides.spread @ found)) <= 1e-9).all()


def test_a_singular_side_without_a_regulariser_is_refused() -> None:
    rows = np.ones((4, 3))
    sides = scatters(rows, np.array([0, 0, 1, 1]), Graph())
    with pytest.raises(ModelError, match="larger regulariser"):
        projection(sides, dim=2, regulariser=0.0)
