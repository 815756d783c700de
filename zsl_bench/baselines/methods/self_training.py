"""Moving candidates to where the test videos lie: transductive, and labelled so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.baselines.methods.base import FittedMethod
from zsl_bench.baselines.methods.inputs import same_classes, unit_rows
from zsl_bench.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.inputs import ClipFeatures
    from zsl_bench.baselines.methods.spec import MethodSpec

    Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SelfTrained(FittedMethod):
    """A method whose candidates were moved to where the test videos lie.

    Attributes:
        spec: What it is, transductive.
        base: The method before.
        known: ``(C, E)`` class vectors of the candidates that were moved.
        moved: ``(C, d)`` where they are now.
        cosine: Score by cosine; else by the distance, negated.
    """

    spec: MethodSpec
    base: FittedMethod
    known: Matrix
    moved: Matrix
    cosine: bool

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned before, and the moved candidates."""
        return {**self.base.arrays(), "known_classes": self.known, "moved_classes": self.moved}

    def settings(self) -> dict[str, Any]:
        """Return those of the method before."""
        return self.base.settings()

    def embedded(self, videos: ClipFeatures) -> Matrix | None:
        """Return the points of the method before."""
        return self.base.embedded(videos)

    def points(self, class_vectors: Matrix) -> Matrix:
        """Return the moved points of candidates that it was adapted to.

        Raises:
            ModelError: A class is none of them.
        """
        return self.moved[positions_among(class_vectors, self.known, self.spec.name)]

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Score against the moved candidates."""
        embedded, points = self.base.embedded(videos), self.points(class_vectors)
        if embedded is None:
            raise TypeError(f"{self.base.spec.name} has no points of videos")
        if self.cosine:
            return unit_rows(embedded) @ unit_rows(points).T
        return closeness(embedded, points)


def closeness(embedded: Matrix, points: Matrix) -> Matrix:
    """Return distances from videos ``(N, d)`` to classes ``(C, d)``, negated: ``(N, C)``."""
    from scipy.spatial.distance import cdist

    apart: Matrix = cdist(embedded, points)
    return -apart


def self_trained(close: Matrix, embedded: Matrix, *, neighbours: int) -> Matrix:
    """Return for each class the mean of the videos closest to it (Xu et al., 2015, Eq. 3).

    Args:
        close: ``(N, C)``, higher is closer; the first video wins a tie.
        embedded: ``(N, d)`` points of the videos.
        neighbours: How many; at most N over C, at least 1.
    """
    videos, classes = close.shape
    count = max(min(neighbours, videos // classes), 1)
    nearest = np.argsort(-close, axis=0, kind="stable")[:count]
    moved: Matrix = embedded[nearest].mean(axis=0)
    return moved


def positions_among(wanted: Matrix, known: Matrix, name: str) -> NDArray[np.intp]:
    """Return where each class vector is among those that a method was adapted to.

    Raises:
        ModelError: One is none of them.
    """
    found = same_classes(wanted, known)
    if (found < 0).any():
        raise ModelError(
            f"score with {name}",
            found="a candidate that it was not adapted to",
            fix="adapt it to the full list of candidates",
        )
    return found
