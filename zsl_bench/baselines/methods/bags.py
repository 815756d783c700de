"""Parting the clips of a class into bags, by k-means of its own: the same on any thread count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

STARTS, ROUNDS = 3, 50


def bag_centres(rows: Matrix, bags: int, generator: np.random.Generator) -> Matrix:
    """Return the centres with the least squared distances among a few starts, ``(B, D)``.

    Args:
        rows: ``(N, D)``.
        bags: How many; fewer where fewer rows differ.
        generator: Draws the starts, each row by its squared distance to those drawn before.
    """
    found = [_lloyd(rows, _start(rows, bags, generator)) for _ in range(STARTS)]
    return min(found, key=lambda each: each[1])[0]


def _start(rows: Matrix, bags: int, generator: np.random.Generator) -> Matrix:
    chosen = [rows[generator.integers(len(rows))]]
    while len(chosen) < bags:
        apart = _squares(rows, np.stack(chosen)).min(axis=1)
        if not apart.any():
            break
        chosen.append(rows[generator.choice(len(rows), p=apart / apart.sum())])
    return np.stack(chosen)


def _lloyd(rows: Matrix, centres: Matrix) -> tuple[Matrix, float]:
    before = np.inf
    for _ in range(ROUNDS):
        apart = _squares(rows, centres)
        nearest, total = apart.argmin(axis=1), float(apart.min(axis=1).sum())
        if total >= before:
            break
        before = total
        held = [rows[nearest == place] for place in range(len(centres))]
        centres = np.stack(
            [own.mean(axis=0) if len(own) else old for own, old in zip(held, centres, strict=True)]
        )
    return centres, float(_squares(rows, centres).min(axis=1).sum())


def _squares(rows: Matrix, centres: Matrix) -> Matrix:
    return np.stack([((rows - centre) ** 2).sum(axis=1) for centre in centres], axis=1)
