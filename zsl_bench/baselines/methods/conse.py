"""ConSE (Norouzi et al., 2013): a convex combination of the word vectors of likely seen classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.baselines.methods.base import FeatureMethod, FittedMethod, SeenVideos
from zsl_bench.baselines.methods.inputs import Centring, unit_rows
from zsl_bench.baselines.methods.seen_classifier import Descent, SeenClassifier
from zsl_bench.baselines.methods.settings import LEAST, check_settings
from zsl_bench.baselines.methods.spec import UNIT_CLASSES, UNIT_VIDEOS, MethodSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.inputs import ClipFeatures

    Matrix = NDArray[np.float64]

CONSE = MethodSpec(
    name="conse",
    title="ConSE (Norouzi et al., 2013)",
    fidelity="faithful",
    sources=("arXiv 1312.5650, abstract",),
    assumed=(
        "top: T = 10 likely classes, from memory",
        UNIT_VIDEOS,
        UNIT_CLASSES,
        "classifier: one linear layer from zero weights, logits times scale = 10",
        "training: Adam 1e-2, weight decay 1e-5, 200 steps",
        "full_batch: every step sees all videos, above 20,000 of them batches of 512",
        "held_out: 10% of the seen videos say when to stop",
        "patience: three looks 10 steps apart without a lower loss",
    ),
)


@dataclass(frozen=True, kw_only=True)
class ConseConfig:
    """Settings of ``conse``.

    Attributes:
        top: T, how many likely seen classes are combined; at most all.
        scale: What the classifier's logits are multiplied by.
        learning_rate: Of Adam.
        weight_decay: Of Adam.
        steps: At most.
        full_batch: Up to so many videos every step sees all.
        batch_size: Videos a step where there are more.
        held_out: Share of the seen videos that says when to stop.
        check_every: Steps between two looks at them.
        patience: Looks in a row without a lower loss after which it stops.
    """

    top: int = 10
    scale: float = 10.0
    learning_rate: float = 1e-2
    weight_decay: float = 1e-5
    steps: int = 200
    full_batch: int = 20_000
    batch_size: int = 512
    held_out: float = 0.1
    check_every: int = 10
    patience: int = 3

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ModelError: One cannot be used.
        """
        counts = ("top", "steps", "full_batch", "batch_size", "check_every", "patience")
        positive = ("learning_rate", "weight_decay")
        check_settings(
            CONSE.name,
            self,
            whole=dict.fromkeys(counts, 1),
            ranges={
                **dict.fromkeys(positive, (0, math.inf)),
                "scale": (LEAST, math.inf),
                "held_out": (0, 1),
            },
        )

    def plan(self, videos: int) -> Descent:
        """Return how the classifier is trained."""
        return Descent(
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            batch_size=videos if videos <= self.full_batch else self.batch_size,
            steps=self.steps,
            check_every=self.check_every,
            patience=self.patience,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedConse(FittedMethod):
    """A seen-class classifier and the word vectors of its classes.

    Attributes:
        spec: What it is.
        classifier: Of the seen classes.
        seen_vectors: ``(C, E)``, their class vectors.
        top: T.
    """

    spec: MethodSpec
    classifier: SeenClassifier
    seen_vectors: Matrix
    top: int

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the classifier and the seen class vectors."""
        return {
            "mean": self.classifier.centring.mean,
            "weights": self.classifier.weights,
            "bias": self.classifier.bias,
            "seen_vectors": self.seen_vectors,
        }

    def settings(self) -> dict[str, Any]:
        """Return T and the scale of the logits."""
        return {"top": self.top, "scale": self.classifier.scale}

    def embedded(self, videos: ClipFeatures) -> Matrix:
        """Return the combined word vectors, which lie in the hull of the seen ones."""
        rows = self.classifier.centring.rows(videos)
        return combined(self.classifier.probabilities(rows), self.seen_vectors, top=self.top)

    def points(self, class_vectors: Matrix) -> Matrix:
        """Return the class vectors."""
        return class_vectors

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Return cosines."""
        return unit_rows(self.embedded(videos)) @ class_vectors.T


class Conse(FeatureMethod):
    """Needs no training beyond the classifier of seen classes."""

    spec = CONSE
    config = ConseConfig

    def fitted(self, seen: SeenVideos, config: ConseConfig) -> FittedConse:
        """Train the classifier."""
        return FittedConse(
            spec=CONSE,
            classifier=SeenClassifier.of(
                seen,
                scale=float(config.scale),
                held_out=config.held_out,
                plan=config.plan(len(seen.videos)),
            ),
            seen_vectors=seen.class_vectors,
            top=config.top,
        )

    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedConse:
        """Make it of what was saved."""
        return FittedConse(
            spec=CONSE,
            classifier=SeenClassifier(
                centring=Centring(mean=arrays["mean"]),
                weights=arrays["weights"],
                bias=arrays["bias"],
                scale=float(settings["scale"]),
            ),
            seen_vectors=arrays["seen_vectors"],
            top=int(settings["top"]),
        )


def combined(probabilities: Matrix, seen_vectors: Matrix, *, top: int) -> Matrix:
    """Return the mean of the likeliest classes' vectors, weighted by their probabilities.

    Args:
        probabilities: ``(N, C)``; the first class wins a tie.
        seen_vectors: ``(C, E)``.
        top: T, how many classes; at most C.

    Returns:
        ``(N, E)``.
    """
    chosen = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    weights = np.zeros_like(probabilities)
    np.put_along_axis(weights, chosen, np.take_along_axis(probabilities, chosen, axis=1), axis=1)
    mixed: Matrix = (weights / weights.sum(axis=1, keepdims=True)) @ seen_vectors
    return mixed
