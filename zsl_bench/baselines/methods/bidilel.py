"""BiDiLEL (Wang and Chen, IJCV 2017): class landmarks from videos, other classes from words.

Bottom-up, seen videos give a subspace and a landmark for each seen class. Top-down, the other
classes are placed in it at distances like those of their names, with the landmarks held fixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zsl_bench.baselines.methods.base import (
    AdaptableMethod,
    FeatureMethod,
    FittedMethod,
    SeenVideos,
    fitting_sizes,
)
from zsl_bench.baselines.methods.inputs import (
    ClipFeatures,
    same_classes,
    unit_class_vectors,
    unit_rows,
)
from zsl_bench.baselines.methods.kernel_rows import KernelRows
from zsl_bench.baselines.methods.ridge import class_sums
from zsl_bench.baselines.methods.sammon import Layout, place
from zsl_bench.baselines.methods.self_training import SelfTrained, closeness, self_trained
from zsl_bench.baselines.methods.settings import LEAST, check_settings
from zsl_bench.baselines.methods.slpp import Graph, projection, scatters
from zsl_bench.baselines.methods.spec import UNIT_CLASSES, UNIT_VIDEOS, MethodSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    Matrix = NDArray[np.float64]

_WANG = "Wang and Chen, IJCV 2017: abstract, the authors' project page and later published code"
_DRAW = 80

BIDILEL = MethodSpec(
    name="bidilel",
    title="BiDiLEL (Wang and Chen, 2017)",
    fidelity="close",
    jointly_embeds_classes=True,
    sources=(_WANG,),
    assumed=(
        UNIT_VIDEOS,
        UNIT_CLASSES,
        "kernel: linear",
        "graph: all pairs of a class, weight 1",
        "dim: 100 directions, of scale p^T (S_l + alpha I) p = 1",
        "regulariser: alpha = 1, as in the first author's later code",
        "projections and landmarks are of unit length",
        "wanted distances are those of the words, scaled by least squares on seen pairs",
        "start: ridge from words to landmarks (the original starts at random)",
        "steps: 100 of L-BFGS",
        "a candidate that is a seen class stays at its landmark",
    ),
)
BIDILEL_ST = MethodSpec(
    name="bidilel+st",
    title="the same with self-training (Wang and Chen, 2017)",
    fidelity="close",
    transductive=True,
    side_data=("unlabelled test videos",),
    sources=(_WANG, "Xu, Hospedales, Gong, ICIP 2015, Eq. 3"),
    assumed=(
        *BIDILEL.assumed,
        "neighbours: 100, at most test videos over classes; one pass, as Xu et al. (2015)",
    ),
)


@dataclass(frozen=True, kw_only=True)
class BidilelConfig:
    """Settings of ``bidilel``.

    Attributes:
        dim: d_y, directions of the subspace; at most as many as a row has numbers.
        regulariser: alpha.
        graph_neighbours: k_G, videos of its class that a video is joined with; None joins all.
        by_size: Divide a class's weights by its number of videos.
        kernel: ``linear``, or ``rbf`` for similarities to seen videos.
        kernel_centres: How many seen videos, with ``rbf``.
        start: Where classes start that have no landmark: ``ridge`` or ``random``.
        start_regulariser: lambda of that ridge.
        steps: Of L-BFGS, at most.
        neighbours: k_st, test videos that a class moves to in self-training.
    """

    dim: int = 100
    regulariser: float = 1.0
    graph_neighbours: int | None = None
    by_size: bool = False
    kernel: Literal["linear", "rbf"] = "linear"
    kernel_centres: int = 2000
    start: Literal["ridge", "random"] = "ridge"
    start_regulariser: float = 1.0
    steps: int = 100
    neighbours: int = 100

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ModelError: One cannot be used.
        """
        check_settings(
            BIDILEL.name,
            self,
            whole={
                **dict.fromkeys(("dim", "kernel_centres", "neighbours", "graph_neighbours"), 1),
                "steps": 0,
            },
            ranges={"regulariser": (0, math.inf), "start_regulariser": (LEAST, math.inf)},
            choices={"kernel": ("linear", "rbf"), "start": ("ridge", "random")},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Placement:
    """Where classes without a landmark go.

    Attributes:
        words: ``(L, E)`` unit vectors of the classes that have a landmark.
        landmarks: ``(L, d)``, of unit length.
        first_guess: ``(E, d)``, maps words to where they start.
        scale: Distance between landmarks for a distance of 1 between words.
        steps: Of L-BFGS, at most.
        seed: Of a random start; None starts at the first guess.
    """

    words: Matrix
    landmarks: Matrix
    first_guess: Matrix
    scale: float
    steps: int
    seed: int | None

    def points(self, class_vectors: Matrix) -> Matrix:
        """Place candidates together, ``(C, d)``; their order does not matter."""
        from scipy.spatial.distance import cdist

        known = same_classes(class_vectors, self.words)
        points: Matrix = self.landmarks[known]
        free = np.flatnonzero(known < 0)
        if not free.size:
            return points
        free = free[np.lexsort(class_vectors[free].T)]
        words = class_vectors[free]
        layout = Layout(
            landmarks=self.landmarks,
            to_landmarks=self.scale * cdist(words, self.words),
            among=self.scale * cdist(words, words),
        )
        points[free] = place(layout, self._start(words), steps=self.steps).points
        return points

    def _start(self, words: Matrix) -> Matrix:
        if self.seed is None:
            guess: Matrix = words @ self.first_guess
            return guess
        generator = np.random.default_rng([self.seed, _DRAW])
        return unit_rows(generator.standard_normal((len(words), self.landmarks.shape[1])))


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedBidilel(AdaptableMethod):
    """A subspace with landmarks; the nearest class point wins.

    Attributes:
        spec: What it is.
        rows: How a video becomes a row.
        projection: ``(D, d)``.
        placement: Where classes go.
        neighbours: See :class:`BidilelConfig`.
    """

    spec: MethodSpec
    rows: KernelRows
    projection: Matrix
    placement: Placement
    neighbours: int

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned."""
        return {
            **self.rows.arrays(),
            "projection": self.projection,
            "seen_words": self.placement.words,
            "landmarks": self.placement.landmarks,
            "first_guess": self.placement.first_guess,
        }

    def settings(self) -> dict[str, Any]:
        """Return the scale of distances and what is needed to place classes."""
        return {
            "bandwidth": self.rows.bandwidth,
            "scale": self.placement.scale,
            "steps": self.placement.steps,
            "start_seed": self.placement.seed,
            "neighbours": self.neighbours,
        }

    def embedded(self, videos: ClipFeatures) -> Matrix:
        """Project videos, each to unit length."""
        return unit_rows(self.rows.rows(videos) @ self.projection)

    def points(self, class_vectors: Matrix) -> Matrix:
        """Return landmarks for seen classes and placed points for the others."""
        return self.placement.points(class_vectors)

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Return distances to the class points, negated."""
        return closeness(self.embedded(videos), self.points(class_vectors))

    def score(
        self, features: ArrayLike, lengths: ArrayLike, class_vectors: ArrayLike
    ) -> NDArray[np.float64]:
        """Score videos against classes; the classes are placed once for all videos.

        Args:
            features: ``(N, T, D)`` clip features.
            lengths: ``(N,)`` clips of each video.
            class_vectors: ``(C, E)``, the full list of candidates.

        Returns:
            ``(N, C)`` float64, higher is a better match.

        Raises:
            DatasetError: The input is malformed.
        """
        videos = ClipFeatures.of(features, lengths)
        vectors = unit_class_vectors(class_vectors)
        with fitting_sizes(self.spec.name, videos, vectors):
            points = self.points(vectors)
            parts = [closeness(self.embedded(part), points) for part in videos.chunks()]
        return np.concatenate(parts)

    def adapted(self, videos: ClipFeatures, class_vectors: Matrix) -> FittedMethod:
        """Move each class to the mean of the test videos nearest to it, once."""
        embedded = np.concatenate([self.embedded(part) for part in videos.chunks()])
        moved = self_trained(
            closeness(embedded, self.points(class_vectors)), embedded, neighbours=self.neighbours
        )
        return SelfTrained(
            spec=BIDILEL_ST, base=self, known=class_vectors, moved=moved, cosine=False
        )


class Bidilel(FeatureMethod):
    """Supervised locality preserving projection, then a landmark-based Sammon mapping."""

    spec = BIDILEL
    config = BidilelConfig

    def fitted(self, seen: SeenVideos, config: BidilelConfig) -> FittedBidilel:
        """Learn the subspace and put a landmark into it for each class that has videos."""
        kernel = KernelRows.of(
            seen, centres=config.kernel_centres if config.kernel == "rbf" else None
        )
        rows = kernel.rows(seen.videos)
        graph = Graph(neighbours=config.graph_neighbours, by_size=config.by_size)
        directions = projection(
            scatters(rows, seen.labels, graph), dim=config.dim, regulariser=config.regulariser
        )
        present, labels = np.unique(seen.labels, return_inverse=True)
        words = seen.class_vectors[present]
        landmarks = unit_rows(class_sums(unit_rows(rows @ directions), labels, len(present)))
        placement = Placement(
            words=words,
            landmarks=landmarks,
            first_guess=_ridge(words, landmarks, config.start_regulariser),
            scale=distance_scale(words, landmarks),
            steps=config.steps,
            seed=seen.seed if config.start == "random" else None,
        )
        return FittedBidilel(
            spec=BIDILEL,
            rows=kernel,
            projection=directions,
            placement=placement,
            neighbours=config.neighbours,
        )

    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedMethod:
        """Make it of what was saved."""
        seed = settings["start_seed"]
        placement = Placement(
            words=arrays["seen_words"],
            landmarks=arrays["landmarks"],
            first_guess=arrays["first_guess"],
            scale=float(settings["scale"]),
            steps=int(settings["steps"]),
            seed=None if seed is None else int(seed),
        )
        base = FittedBidilel(
            spec=BIDILEL,
            rows=KernelRows.restored(arrays, settings["bandwidth"]),
            projection=arrays["projection"],
            placement=placement,
            neighbours=int(settings["neighbours"]),
        )
        if "moved_classes" not in arrays:
            return base
        known, moved = arrays["known_classes"], arrays["moved_classes"]
        return SelfTrained(spec=BIDILEL_ST, base=base, known=known, moved=moved, cosine=False)


def distance_scale(words: Matrix, landmarks: Matrix) -> float:
    """Return the factor from distances of words to those of landmarks, by least squares.

    1 where no two words differ.

    Args:
        words: ``(L, E)``.
        landmarks: ``(L, d)``.
    """
    from scipy.spatial.distance import pdist

    between_words, between = pdist(words), pdist(landmarks)
    squares = float((between_words**2).sum())
    return float((between_words * between).sum() / squares) if squares else 1.0


def _ridge(words: Matrix, landmarks: Matrix, regulariser: float) -> Matrix:
    inner = words @ words.T + regulariser * np.eye(len(words))
    mapped: Matrix = words.T @ np.linalg.solve(inner, landmarks)
    return mapped
