"""Supervised locality preserving projection: a subspace that keeps each class together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.baselines.methods.ridge import class_sums
from zsl_bench.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]
    Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Which videos of a class are joined: W, with zeros between classes.

    Attributes:
        neighbours: Only to so many nearest videos of its class, in either direction; None joins all
            pairs of a class, and a video with itself.
        by_size: Divide a class's weights by its number of videos; the subspace is then that of
            Fisher's discriminant.
    """

    neighbours: int | None = None
    by_size: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Scatters:
    """Both sides of the generalised eigenproblem.

    Attributes:
        spread: ``X^T D X``, ``(D, D)``, with D the row sums of W.
        within: ``X^T L X``, ``(D, D)``, with ``L = D - W``.
    """

    spread: Matrix
    within: Matrix


def scatters(rows: Matrix, labels: Labels, graph: Graph) -> Scatters:
    """Return both scatter matrices; with all pairs joined no matrix of N by N is built.

    Args:
        rows: ``(N, D)``.
        labels: ``(N,)`` class of each row.
        graph: Which rows are joined.
    """
    if graph.neighbours is None:
        return _of_all_pairs(rows, labels, by_size=graph.by_size)
    spread, within = (np.zeros((rows.shape[1],) * 2) for _ in range(2))
    for label in np.unique(labels):
        own = rows[labels == label]
        weights = joined(own, graph.neighbours) / (len(own) if graph.by_size else 1)
        degrees = weights.sum(axis=1)
        around = (own * degrees[:, None]).T @ own
        spread += around
        within += around - own.T @ weights @ own
    return Scatters(spread=spread, within=within)


def projection(sides: Scatters, *, dim: int, regulariser: float) -> Matrix:
    """Return the directions p of largest mu in ``S_d p = mu (S_l + alpha I) p``, ``(D, dim)``.

    Their scale is ``p^T (S_l + alpha I) p = 1``; that of the largest mu comes first.

    Args:
        sides: S_d and S_l.
        dim: How many; at most D.
        regulariser: alpha.

    Raises:
        ModelError: S_l is singular and alpha is too small to mend it.
    """
    from scipy.linalg import LinAlgError, eigh

    size = len(sides.within)
    try:
        _, directions = eigh(
            sides.spread,
            sides.within + regulariser * np.eye(size),
            subset_by_index=(size - min(dim, size), size - 1),
        )
    except LinAlgError as error:
        raise ModelError(
            f"subspace with alpha {regulariser:g}",
            found="videos of a class that do not vary in every direction",
            fix="set a larger regulariser",
        ) from error
    largest_first: Matrix = np.ascontiguousarray(directions[:, ::-1])
    return largest_first


def joined(rows: Matrix, neighbours: int) -> Matrix:
    """Return weights of 1 between each row and its nearest ones, in either direction, ``(N, N)``.

    A row is joined with itself, too.
    """
    from scipy.spatial.distance import cdist

    apart = cdist(rows, rows)
    np.fill_diagonal(apart, -1)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, : neighbours + 1]
    weights = np.zeros_like(apart)
    np.put_along_axis(weights, nearest, 1.0, axis=1)
    both: Matrix = np.maximum(weights, weights.T)
    return both


def _of_all_pairs(rows: Matrix, labels: Labels, *, by_size: bool) -> Scatters:
    sizes = np.bincount(labels).astype(np.float64)
    sums = class_sums(rows, labels, len(sizes))
    shares = 1 / np.maximum(sizes, 1) if by_size else np.ones_like(sizes)
    spread = (rows * (sizes * shares)[labels, None]).T @ rows
    return Scatters(spread=spread, within=spread - (sums * shares[:, None]).T @ sums)
