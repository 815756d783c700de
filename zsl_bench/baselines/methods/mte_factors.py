"""Two thin factors from video vectors to word vectors, by exact alternating steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from zsl_bench.baselines.methods.ridge import class_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

ROUNDS = 50
_TOLERANCE = 1e-6
_DRAW = 91
_RANK_FLOOR = 1e-10


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How thin the factors are, and what holds them small.

    Attributes:
        rank: K, latent tasks.
        videos: lambda_A.
        words: lambda_S.
        rounds: Alternations, at most; fewer once the objective falls by less than a millionth.
    """

    rank: int
    videos: float
    words: float
    rounds: int = ROUNDS


@dataclass(frozen=True, kw_only=True, eq=False)
class Factors:
    """What ``x A S`` is made of.

    Attributes:
        videos: A, ``(D, K)``.
        words: S, ``(K, E)``.
        objectives: The objective after each round; it cannot rise.
    """

    videos: Matrix
    words: Matrix
    objectives: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """All that the objective needs of the videos, in the basis where ``X^T X`` is diagonal.

    Attributes:
        values: ``(D,)`` eigenvalues of the weighted ``X^T X``.
        basis: ``(D, D)`` its eigenvectors, one a column.
        target: ``(D, R)``, the weighted ``X^T Z`` in that basis and in ``axes``.
        axes: ``(E, R)`` an orthonormal basis of the class vectors; S never leaves their span.
        energy: Weighted sum of squares of the targets.
    """

    values: Matrix
    basis: Matrix
    target: Matrix
    axes: Matrix
    energy: float

    @classmethod
    def of(
        cls,
        rows: Matrix,
        labels: NDArray[np.int64],
        class_vectors: Matrix,
        weights: Matrix | None = None,
    ) -> Self:
        """Measure them.

        Args:
            rows: ``(N, D)``.
            labels: ``(N,)`` positions among the classes.
            class_vectors: ``(C, E)``.
            weights: ``(N,)``; None weighs every row 1.
        """
        shares = np.ones(len(rows)) if weights is None else weights
        weighted = rows * shares[:, None]
        values, basis = np.linalg.eigh(weighted.T @ rows)
        _, lengths, axes = np.linalg.svd(class_vectors, full_matrices=False)
        axes = axes[lengths > _RANK_FLOOR * lengths[0]].T
        sums = class_sums(weighted, labels, len(class_vectors))
        squares = (class_vectors**2).sum(axis=1)
        return cls(
            values=np.maximum(values, 0),
            basis=basis,
            target=basis.T @ (sums.T @ (class_vectors @ axes)),
            axes=axes,
            energy=float(shares @ squares[labels]),
        )

    def factors(self, shape: Shape, *, seed: int) -> Factors:
        """Alternate exact steps for ``sum w |x A S - z|^2 + lambda_A |A|^2 + lambda_S |S|^2``."""
        generator = np.random.default_rng([seed, _DRAW])
        words = 0.1 * generator.standard_normal((shape.rank, self.axes.shape[1]))
        objectives: list[float] = []
        videos = np.zeros((len(self.values), shape.rank))
        for _ in range(shape.rounds):
            videos = self.video_step(words, shape.videos)
            words, objective = self._word_step(videos, shape)
            objectives.append(objective)
            if len(objectives) > 1 and objectives[-2] - objective < _TOLERANCE * objectives[-2]:
                break
        return Factors(
            videos=self.basis @ videos,
            words=words @ self.axes.T,
            objectives=tuple(objectives),
        )

    def video_step(self, words: Matrix, regulariser: float) -> Matrix:
        """Return the best A for S, both in the bases of this object, ``(D, K)``."""
        values, turned = np.linalg.eigh(words @ words.T)
        towards = self.target @ (words.T @ turned)
        scale = np.outer(self.values, np.maximum(values, 0)) + regulariser
        videos: Matrix = (towards / scale) @ turned.T
        return videos

    def _word_step(self, videos: Matrix, shape: Shape) -> tuple[Matrix, float]:
        spread = videos.T @ (self.values[:, None] * videos)
        towards = videos.T @ self.target
        inner = spread + shape.words * np.eye(len(spread))
        words = np.asarray(np.linalg.solve(inner, towards), dtype=np.float64)
        objective = (
            self.energy
            - 2 * (words * towards).sum()
            + (spread * (words @ words.T)).sum()
            + shape.videos * (videos**2).sum()
            + shape.words * (words**2).sum()
        )
        return words, float(objective)
