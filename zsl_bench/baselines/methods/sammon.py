"""Placing points at wanted distances from fixed landmarks and from each other (Sammon's stress)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

FLOOR = 1e-6
"""Least distance that is asked for: two classes of one name do not divide by zero."""
_TOUCHING = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The distances that U free points should have; below :data:`FLOOR` they count as that.

    Attributes:
        landmarks: ``(L, d)``, fixed.
        to_landmarks: ``(U, L)`` distances wanted from each free point to each landmark.
        among: ``(U, U)`` distances wanted among the free points; the diagonal is not read.
    """

    landmarks: Matrix
    to_landmarks: Matrix
    among: Matrix


@dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """Points where the stress came to rest.

    Attributes:
        points: ``(U, d)``.
        stresses: Stress at the start and after each step.
    """

    points: Matrix
    stresses: tuple[float, ...]


def stress(points: Matrix, layout: Layout) -> tuple[float, Matrix]:
    """Return the stress of free points and its gradient, ``(U, d)``.

    The stress is the mean squared relative error of the distances, weighted by what is wanted: that
    from free points to landmarks, plus that among free points.
    """
    from scipy.spatial.distance import cdist

    fixed, wanted = layout.landmarks, np.maximum(layout.to_landmarks, FLOOR)
    value, pull = _pulled(cdist(points, fixed), wanted)
    total = wanted.sum()
    value, gradient = value / total, _moved(points, fixed, pull / total)
    if len(points) > 1:
        apart, wanted = cdist(points, points), np.maximum(layout.among, FLOOR)
        np.fill_diagonal(wanted, 0)
        total = wanted.sum()
        np.fill_diagonal(wanted, 1)
        np.fill_diagonal(apart, 1)
        between, pull = _pulled(apart, wanted)
        value += between / total
        gradient += 2 * _moved(points, points, pull / total)
    return float(value), gradient


def place(layout: Layout, start: Matrix, *, steps: int = 100) -> Placed:
    """Move free points until the stress rests, by L-BFGS; the landmarks stay.

    Args:
        layout: Distances wanted.
        start: ``(U, d)``.
        steps: At most so many.
    """
    from scipy.optimize import OptimizeResult, minimize

    def objective(flat: Matrix) -> tuple[float, Matrix]:
        value, gradient = stress(flat.reshape(start.shape), layout)
        return value, gradient.ravel()

    stresses = [stress(start, layout)[0]]

    def watch(intermediate_result: OptimizeResult) -> None:
        stresses.append(float(intermediate_result.fun))

    found = minimize(
        objective,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=watch,
        options={"maxiter": steps, "ftol": 1e-13, "gtol": 1e-9},
    )
    return Placed(points=found.x.reshape(start.shape), stresses=tuple(stresses))


def _pulled(apart: Matrix, wanted: Matrix) -> tuple[float, Matrix]:
    gap = apart - wanted
    value = float((gap**2 / wanted).sum())
    return value, 2 * gap / (wanted * np.maximum(apart, _TOUCHING))


def _moved(points: Matrix, others: Matrix, pull: Matrix) -> Matrix:
    moved: Matrix = points * pull.sum(axis=1, keepdims=True) - pull @ others
    return moved
