"""ESZSL (Romera-Paredes and Torr, ICML 2015) in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from zsl_bench.baselines.methods.base import FeatureMethod, FittedMethod, SeenVideos
from zsl_bench.baselines.methods.inputs import Centring
from zsl_bench.baselines.methods.ridge import GRID, RidgeSolver
from zsl_bench.baselines.methods.settings import LEAST, check_settings
from zsl_bench.baselines.methods.spec import UNIT_CLASSES, UNIT_VIDEOS, MethodSpec
from zsl_bench.baselines.methods.validation import ClassFold, choose, mean_class_accuracy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.inputs import ClipFeatures

    Matrix = NDArray[np.float64]

ESZSL = MethodSpec(
    name="eszsl",
    title="ESZSL (Romera-Paredes and Torr, 2015)",
    fidelity="faithful",
    sources=("code published by the authors",),
    assumed=(
        "targets 0 and 1",
        UNIT_VIDEOS,
        UNIT_CLASSES,
        "x V is not brought to unit length",
        "gamma and lambda by class-wise validation among 10^-3 to 10^3",
    ),
)


@dataclass(frozen=True, kw_only=True)
class EszslConfig:
    """Settings of ``eszsl``.

    Attributes:
        visual: gamma, the regulariser on the side of the videos; None chooses both on seen classes.
        semantic: lambda, that on the side of the classes.
    """

    visual: float | None = None
    semantic: float | None = None

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ModelError: One cannot be used.
        """
        check_settings(
            ESZSL.name, self, ranges=dict.fromkeys(("visual", "semantic"), (LEAST, math.inf))
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedEszsl(FittedMethod):
    """A bilinear score ``x V z^T``.

    Attributes:
        spec: What it is.
        centring: Measured on seen training videos.
        weights: V, ``(D, E)``.
        visual: gamma.
        semantic: lambda.
    """

    spec: MethodSpec
    centring: Centring
    weights: Matrix
    visual: float
    semantic: float

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned."""
        return {"mean": self.centring.mean, "weights": self.weights}

    def settings(self) -> dict[str, Any]:
        """Return both regularisers."""
        return {"visual": self.visual, "semantic": self.semantic}

    def embedded(self, videos: ClipFeatures) -> Matrix:
        """Return ``x V``."""
        return self.centring.rows(videos) @ self.weights

    def points(self, class_vectors: Matrix) -> Matrix:
        """Return the class vectors."""
        return class_vectors

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Return ``x V z^T``."""
        return self.embedded(videos) @ class_vectors.T


class Eszsl(FeatureMethod):
    """The closed form of Romera-Paredes and Torr, with targets 0 and 1."""

    spec = ESZSL
    config = EszslConfig

    def fitted(self, seen: SeenVideos, config: EszslConfig) -> FittedEszsl:
        """Solve it in closed form; the matrix of targets is never built."""
        visual, semantic = config.visual, config.semantic
        if visual is None or semantic is None:
            visuals = GRID if visual is None else (visual,)
            semantics = GRID if semantic is None else (semantic,)
            pairs = tuple(product(visuals, semantics))
            visual, semantic = choose(
                seen,
                pairs,
                lambda fold: _eszsl_accuracies(fold, pairs),
                fallback=pairs[len(pairs) // 2],
            )
        solver = EszslSolver.of(seen)
        return FittedEszsl(
            spec=ESZSL,
            centring=solver.ridge.centring,
            weights=solver.weights(visual, semantic),
            visual=float(visual),
            semantic=float(semantic),
        )

    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedEszsl:
        """Make it of what was saved."""
        return FittedEszsl(
            spec=ESZSL,
            centring=Centring(mean=arrays["mean"]),
            weights=arrays["weights"],
            visual=float(settings["visual"]),
            semantic=float(settings["semantic"]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class EszslSolver:
    """``(X^T X + gamma I)^-1 X^T Y Z (Z^T Z + lambda I)^-1`` for any pair of regularisers.

    Attributes:
        ridge: The left side; with targets 0 and 1, ``X^T Y Z`` is its ``X^T Z``.
        values: ``(E,)`` eigenvalues of ``Z^T Z``.
        basis: ``(E, E)`` its eigenvectors.
    """

    ridge: RidgeSolver
    values: Matrix
    basis: Matrix

    @classmethod
    def of(cls, seen: SeenVideos) -> Self:
        """Prepare the solutions for some videos."""
        vectors = seen.class_vectors
        values, basis = np.linalg.eigh(vectors.T @ vectors)
        return cls(ridge=RidgeSolver.of(seen), values=np.maximum(values, 0), basis=basis)

    def weights(self, visual: float, semantic: float) -> Matrix:
        """Return V, ``(D, E)``."""
        left = self.ridge.weights(visual) @ self.basis
        weights: Matrix = (left / (self.values + semantic)) @ self.basis.T
        return weights


def _eszsl_accuracies(fold: ClassFold, pairs: tuple[tuple[float, float], ...]) -> list[float]:
    solver, held_out = EszslSolver.of(fold.learned), fold.held_out
    rows = solver.ridge.centring.rows(held_out.videos)
    accuracies = []
    for visual, semantic in pairs:
        scores = rows @ solver.weights(visual, semantic) @ held_out.class_vectors.T
        accuracies.append(mean_class_accuracy(scores, held_out.labels))
    return accuracies
