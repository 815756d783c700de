"""Ridge regression from video vectors to word vectors, solved exactly.

One eigendecomposition serves every regulariser that is tried.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from zsl_bench.baselines.methods.base import (
    AdaptableMethod,
    FeatureMethod,
    FittedMethod,
    SeenVideos,
)
from zsl_bench.baselines.methods.inputs import Centring, unit_rows
from zsl_bench.baselines.methods.self_training import SelfTrained, self_trained
from zsl_bench.baselines.methods.settings import LEAST, check_settings
from zsl_bench.baselines.methods.spec import UNIT_CLASSES, UNIT_VIDEOS, MethodSpec
from zsl_bench.baselines.methods.validation import ClassFold, choose, mean_class_accuracy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.inputs import ClipFeatures

    Matrix = NDArray[np.float64]

GRID = tuple(10.0**power for power in range(-3, 4))
"""Regularisers that are tried."""
_XU = "Xu, Hospedales, Gong, ICIP 2015"

RR = MethodSpec(
    name="rr",
    title="ridge regression to word vectors (Xu et al., 2015)",
    fidelity="faithful",
    sources=(_XU,),
    assumed=(
        UNIT_VIDEOS,
        UNIT_CLASSES,
        "lambda by class-wise validation among 10^-3 to 10^3",
    ),
)
RR_ST = MethodSpec(
    name="rr+st",
    title="the same with self-training (Xu et al., 2015)",
    fidelity="faithful",
    transductive=True,
    side_data=("unlabelled test videos",),
    sources=(f"{_XU}, Eq. 3",),
    assumed=(*RR.assumed, "K = 100 neighbours, at most test videos over classes"),
)


@dataclass(frozen=True, kw_only=True)
class RidgeConfig:
    """Settings of ``rr``.

    Attributes:
        regulariser: lambda; None chooses it on seen classes.
        neighbours: Test videos that a class vector moves to in self-training.
    """

    regulariser: float | None = None
    neighbours: int = 100

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ModelError: One cannot be used.
        """
        check_settings(
            RR.name, self, whole={"neighbours": 1}, ranges={"regulariser": (LEAST, math.inf)}
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedRidge(AdaptableMethod):
    """A linear map from video vectors to word vectors.

    Attributes:
        spec: What it is.
        centring: Measured on seen training videos.
        weights: ``(D, E)``.
        regulariser: lambda.
        neighbours: See :class:`RidgeConfig`.
    """

    spec: MethodSpec
    centring: Centring
    weights: Matrix
    regulariser: float
    neighbours: int

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned."""
        return {"mean": self.centring.mean, "weights": self.weights}

    def settings(self) -> dict[str, Any]:
        """Return the regulariser and the number of neighbours."""
        return {"regulariser": self.regulariser, "neighbours": self.neighbours}

    def embedded(self, videos: ClipFeatures) -> Matrix:
        """Map videos into the space of word vectors."""
        return self.centring.rows(videos) @ self.weights

    def points(self, class_vectors: Matrix) -> Matrix:
        """Return the class vectors."""
        return class_vectors

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Return cosines."""
        return unit_rows(self.embedded(videos)) @ class_vectors.T

    def adapted(self, videos: ClipFeatures, class_vectors: Matrix) -> FittedMethod:
        """Move each class vector to the mean of the test videos nearest to it, once."""
        embedded = np.concatenate([self.embedded(part) for part in videos.chunks()])
        moved = self_trained(
            unit_rows(embedded) @ class_vectors.T, embedded, neighbours=self.neighbours
        )
        return SelfTrained(spec=RR_ST, base=self, known=class_vectors, moved=moved, cosine=True)


class Ridge(FeatureMethod):
    """Ridge regression from video vectors to word vectors."""

    spec = RR
    config = RidgeConfig

    def fitted(self, seen: SeenVideos, config: RidgeConfig) -> FittedRidge:
        """Solve it in closed form."""
        regulariser = config.regulariser
        if regulariser is None:
            regulariser = choose(seen, GRID, _ridge_accuracies, fallback=1.0)
        solver = RidgeSolver.of(seen)
        return FittedRidge(
            spec=RR,
            centring=solver.centring,
            weights=solver.weights(regulariser),
            regulariser=float(regulariser),
            neighbours=config.neighbours,
        )

    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedMethod:
        """Make it of what was saved."""
        base = FittedRidge(
            spec=RR,
            centring=Centring(mean=arrays["mean"]),
            weights=arrays["weights"],
            regulariser=float(settings["regulariser"]),
            neighbours=int(settings["neighbours"]),
        )
        if "moved_classes" not in arrays:
            return base
        known, moved = arrays["known_classes"], arrays["moved_classes"]
        return SelfTrained(spec=RR_ST, base=base, known=known, moved=moved, cosine=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class RidgeSolver:
    """``(X^T X + lambda I)^-1 X^T Z`` for any lambda, by one eigendecomposition.

    Attributes:
        centring: Measured on the videos.
        values: ``(D,)`` eigenvalues of ``X^T X``.
        basis: ``(D, D)`` its eigenvectors, one a column.
        target: ``(D, E)``, ``X^T Z`` in that basis.
    """

    centring: Centring
    values: Matrix
    basis: Matrix
    target: Matrix

    @classmethod
    def of(cls, seen: SeenVideos) -> Self:
        """Prepare the solutions for some videos."""
        centring = Centring.of(seen.videos)
        rows = centring.rows(seen.videos)
        values, basis = np.linalg.eigh(rows.T @ rows)
        sums = class_sums(rows, seen.labels, len(seen.class_vectors))
        target = basis.T @ (sums.T @ seen.class_vectors)
        return cls(centring=centring, values=np.maximum(values, 0), basis=basis, target=target)

    def weights(self, regulariser: float) -> Matrix:
        """Return the solution, ``(D, E)``."""
        weights: Matrix = self.basis @ (self.target / (self.values + regulariser)[:, None])
        return weights


def class_sums(rows: Matrix, labels: NDArray[np.int64], classes: int) -> Matrix:
    """Return the sum of each class's rows, ``(C, D)``."""
    sums = np.zeros((classes, rows.shape[1]))
    np.add.at(sums, labels, rows)
    return sums


def _ridge_accuracies(fold: ClassFold) -> list[float]:
    solver = RidgeSolver.of(fold.learned)
    rows, held_out = solver.centring.rows(fold.held_out.videos), fold.held_out
    return [
        mean_class_accuracy(
            unit_rows(rows @ solver.weights(value)) @ held_out.class_vectors.T, held_out.labels
        )
        for value in GRID
    ]
