"""What a reader brings back, checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import WordVectorError, listing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, eq=False)
class SlimVectors:
    """The vectors of some words of a file, as the file has them.

    Attributes:
        words: The words that were found, sorted.
        absent: The words that were looked for and not found.
        matrix: ``(V, D)`` float32, one row a word, not scaled.
        digest: SHA-256 of the file's content.
    """

    words: tuple[str, ...]
    absent: frozenset[str]
    matrix: npt.NDArray[np.float32]
    digest: str


def collect(
    path: Path,
    wanted: frozenset[str],
    found: Mapping[str, npt.NDArray[np.float32]],
    *,
    dim: int,
    digest: str,
) -> SlimVectors:
    """Put found vectors into rows.

    Raises:
        WordVectorError: A vector is zero or not finite.
    """
    words = tuple(sorted(found))
    matrix = np.empty((len(words), dim), np.float32)
    for row, word in enumerate(words):
        matrix[row] = found[word]
    lengths = np.linalg.norm(matrix.astype(np.float64), axis=1)
    bad = [
        word
        for word, length in zip(words, lengths, strict=True)
        if not (np.isfinite(length) and length > 0)
    ]
    if bad:
        raise damaged(path, f"a vector that is zero or not finite: {listing(bad)}")
    return SlimVectors(words=words, absent=wanted.difference(words), matrix=matrix, digest=digest)


def damaged(path: Path, found: str) -> WordVectorError:
    """Make the error for a file that is not what it should be."""
    return WordVectorError(
        f"word vectors from {path}",
        found=found,
        fix="get the file again, or give another one",
    )
