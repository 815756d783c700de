"""DeViSE (Frome et al., 2013): a linear map to word vectors learned by ranking seen classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from zsl_bench.baselines.methods.base import FeatureMethod, FittedMethod, SeenVideos
from zsl_bench.baselines.methods.inputs import Centring
from zsl_bench.baselines.methods.seen_classifier import (
    Descent,
    Examples,
    descend,
    ranking_loss,
)
from zsl_bench.baselines.methods.settings import check_settings
from zsl_bench.baselines.methods.spec import UNIT_CLASSES, UNIT_VIDEOS, MethodSpec
from zsl_bench.baselines.methods.validation import ClassFold, choose, mean_class_accuracy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from zsl_bench.baselines.methods.inputs import ClipFeatures

    Matrix = NDArray[np.float64]

DEVISE = MethodSpec(
    name="devise",
    title="DeViSE (Frome et al., 2013) with the settings of a public re-implementation for video",
    fidelity="faithful",
    sources=("code of Elaborative Rehearsal (zeroshot/configs, zeroshot/models/baselines.py)",),
    assumed=(
        UNIT_VIDEOS,
        UNIT_CLASSES,
        "weights start as a linear layer's, uniform within one over the root of D",
        "the loss is the mean over a batch",
        "small_share: below small = 20,000 videos the warm-up takes 5% of the steps",
        "choose_epochs: by class-wise validation, of equal ones the last",
        "all seen classes are then learned anew for as many epochs",
    ),
)


@dataclass(frozen=True, kw_only=True)
class DeviseConfig:
    """Settings of ``devise``.

    Attributes:
        margin: By how much the true class should lead each other one.
        dropout: Share of the numbers cleared in video vectors and in class vectors.
        learning_rate: Of Adam.
        batch_size: Videos a step.
        epochs: How many are tried.
        choose_epochs: Choose among them on seen classes; else make all.
        warm_up: Steps in which the rate rises.
        decay: Steps in which it would fall to 0.
        clip: Largest length of the gradient.
        small: Below so many videos the warm-up is scaled down.
        small_share: To this share of all steps.
    """

    margin: float = 0.1
    dropout: float = 0.5
    learning_rate: float = 1e-4
    batch_size: int = 128
    epochs: int = 30
    choose_epochs: bool = True
    warm_up: int = 2000
    decay: int = 50_000
    clip: float = 10.0
    small: int = 20_000
    small_share: float = 0.05

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ModelError: One cannot be used.
        """
        positive = ("margin", "learning_rate", "clip")
        check_settings(
            DEVISE.name,
            self,
            whole={
                **dict.fromkeys(("batch_size", "epochs"), 1),
                **dict.fromkeys(("warm_up", "decay", "small"), 0),
            },
            ranges={
                **dict.fromkeys(positive, (0, math.inf)),
                "dropout": (0, 0.99),
                "small_share": (0, 1),
            },
        )

    def plan(self, videos: int) -> Descent:
        """Return how the map is learned."""
        steps = self.epochs * self.steps_of_an_epoch(videos)
        scaled = math.ceil(self.small_share * steps)
        return Descent(
            learning_rate=self.learning_rate,
            weight_decay=0.0,
            batch_size=self.batch_size,
            steps=steps,
            warm_up=scaled if videos < self.small else self.warm_up,
            decay=self.decay,
            clip=self.clip,
        )

    def steps_of_an_epoch(self, videos: int) -> int:
        """Return after how many steps every video was seen."""
        return math.ceil(videos / self.batch_size)


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedDevise(FittedMethod):
    """A bilinear score ``x M z^T``.

    Attributes:
        spec: What it is.
        centring: Measured on seen training videos.
        weights: M, ``(D, E)`` float32.
        epochs: For how many it was learned.
    """

    spec: MethodSpec
    centring: Centring
    weights: NDArray[np.float32]
    epochs: int

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned."""
        return {"mean": self.centring.mean, "weights": self.weights}

    def settings(self) -> dict[str, Any]:
        """Return the number of epochs."""
        return {"epochs": self.epochs}

    def embedded(self, videos: ClipFeatures) -> Matrix:
        """Return ``x M``."""
        return self.centring.rows(videos) @ self.weights.astype(np.float64)

    def points(self, class_vectors: Matrix) -> Matrix:
        """Return the class vectors."""
        return class_vectors

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Return ``x M z^T``."""
        return self.embedded(videos) @ class_vectors.T


class Devise(FeatureMethod):
    """Ranks the true class above all other seen classes."""

    spec = DEVISE
    config = DeviseConfig
    quick: ClassVar[Mapping[str, Any]] = {
        "epochs": 5,
        "learning_rate": 1e-3,
        "choose_epochs": False,
    }

    def fitted(self, seen: SeenVideos, config: DeviseConfig) -> FittedDevise:
        """Choose the number of epochs on seen classes, then learn all of them."""
        epochs = config.epochs
        if config.choose_epochs:
            latest_first = tuple(range(config.epochs, 0, -1))
            epochs = choose(
                seen,
                latest_first,
                lambda fold: _accuracies(fold, config)[::-1],
                fallback=config.epochs,
            )
        centring = Centring.of(seen.videos)
        weights = next(islice(_learned(seen, centring, config), epochs - 1, None))
        return FittedDevise(spec=DEVISE, centring=centring, weights=weights, epochs=epochs)

    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedDevise:
        """Make it of what was saved."""
        return FittedDevise(
            spec=DEVISE,
            centring=Centring(mean=arrays["mean"]),
            weights=arrays["weights"],
            epochs=int(settings["epochs"]),
        )


def _learned(
    seen: SeenVideos, centring: Centring, config: DeviseConfig
) -> Iterator[NDArray[np.float32]]:
    """Yield M after each epoch."""
    examples = Examples.of(centring.rows(seen.videos), seen.labels)
    vectors = torch.from_numpy(seen.class_vectors.astype(np.float32))
    generator = torch.Generator().manual_seed(seen.seed)
    bound = 1 / math.sqrt(seen.videos.dim)
    weights = torch.empty(seen.videos.dim, vectors.shape[1]).uniform_(
        -bound, bound, generator=generator
    )
    weights.requires_grad_()

    def dropped(rows: Tensor) -> Tensor:
        kept = torch.rand(rows.shape, generator=generator) >= config.dropout
        return rows * kept / (1 - config.dropout)

    def loss(rows: Tensor) -> Tensor:
        scores = dropped(examples.rows[rows]) @ weights @ dropped(vectors).T
        return ranking_loss(scores, examples.labels[rows], margin=config.margin)

    count = config.steps_of_an_epoch(len(examples))
    for step in descend((weights,), loss, len(examples), config.plan(len(examples)), generator):
        if step % count == 0:
            yield weights.detach().numpy().copy()


def _accuracies(fold: ClassFold, config: DeviseConfig) -> list[float]:
    """Return the accuracy on held-out classes after each epoch."""
    centring, held_out = Centring.of(fold.learned.videos), fold.held_out
    rows = centring.rows(held_out.videos)
    return [
        mean_class_accuracy(rows @ weights @ held_out.class_vectors.T, held_out.labels)
        for weights in _learned(fold.learned, centring, config)
    ]
