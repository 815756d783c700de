"""Nonnegative factors of a nonnegative matrix, by multiplicative updates (Lee and Seung, 2001)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

_TINY = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class NonnegativeFactors:
    """``F H``, neither below 0.

    Attributes:
        left: F, ``(N, K)``.
        right: H, ``(K, M)``.
        errors: ``|M - F H|^2`` at the start and after each round; it cannot rise.
    """

    left: Matrix
    right: Matrix
    errors: tuple[float, ...]


def nonnegative_factors(
    matrix: Matrix, *, rank: int, rounds: int, generator: np.random.Generator
) -> NonnegativeFactors:
    """Factor a matrix whose entries are not below 0, from a random start.

    Args:
        matrix: ``(N, M)``.
        rank: K.
        rounds: Of updates to both factors.
        generator: Draws the start.
    """
    level = float(np.sqrt(matrix.mean() / rank))
    left = level * np.abs(generator.standard_normal((len(matrix), rank)))
    right = level * np.abs(generator.standard_normal((rank, matrix.shape[1])))
    errors = [float(((matrix - left @ right) ** 2).sum())]
    for _ in range(rounds):
        right = right * ((left.T @ matrix) / np.maximum(left.T @ left @ right, _TINY))
        left = left * ((matrix @ right.T) / np.maximum(left @ (right @ right.T), _TINY))
        errors.append(float(((matrix - left @ right) ** 2).sum()))
    return NonnegativeFactors(left=left, right=right, errors=tuple(errors))
