"""Ranks of the truth within sets of candidates, from one pass over the score matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zsl_bench.scoring import ScoreMatrix

_CHUNK_ENTRIES = 4_000_000


def ranks_within(
    matrix: ScoreMatrix, rows: NDArray[np.int64], sets: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return how many other classes of a set score as high as the truth or higher.

    Args:
        matrix: ``(V, C)`` scores.
        rows: ``(n,)`` rows of the matrix.
        sets: ``(C, K)``, which classes each of K candidate sets holds. A set need not hold the
            truth of a row; the truth is never its own rival.

    Returns:
        ``(n, K)`` int64; a row is right in a set that holds its truth where the entry is 0.
    """
    members = sets.astype(np.float32)
    itself = sets[matrix.labels[rows]]
    ranks = np.empty((len(rows), sets.shape[1]), dtype=np.int64)
    step = max(_CHUNK_ENTRIES // max(len(sets), 1), 1)
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        rivals = matrix.rivals[part].astype(np.float32)
        ranks[start : start + step] = np.rint(rivals @ members)
    ranks -= itself
    return ranks
