"""Multi-task embedding and prioritised auxiliary data (Xu, Hospedales, Gong, ECCV 2016)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from zsl_bench.baselines.methods.base import (
    AdaptableMethod,
    FeatureMethod,
    FittedMethod,
    SeenVideos,
)
from zsl_bench.baselines.methods.inputs import Centring, unit_class_vectors, unit_rows
from zsl_bench.baselines.methods.kliep import CENTRES, kliep
from zsl_bench.baselines.methods.mte_factors import ROUNDS, Factors, Moments, Shape
from zsl_bench.baselines.methods.mte_specs import MTE, SPECS
from zsl_bench.baselines.methods.settings import LEAST, check_settings
from zsl_bench.baselines.methods.validation import ClassFold, choose, mean_class_accuracy
from zsl_bench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.inputs import ClipFeatures
    from zsl_bench.baselines.methods.spec import MethodSpec

    Matrix = NDArray[np.float64]

RANKS = (20, 40, 60, 100)
"""Numbers of latent tasks that are tried."""
GRID = tuple(10.0**power for power in range(-4, 1))
"""Regularisers that are tried."""


@dataclass(frozen=True, kw_only=True)
class MteConfig:
    """Settings of ``mte``.

    Attributes:
        rank: K, latent tasks; None chooses it on seen classes.
        video_regulariser: lambda_A; None chooses it on seen classes.
        word_regulariser: lambda_S; None chooses it on seen classes, alike to lambda_A if that is
            chosen, too.
        rounds: Alternations, at most.
        match: ``word`` compares ``x A S`` with word vectors, ``latent`` compares ``x A`` with
            ``(S S^T + eps I)^-1 S z``.
        latent_floor: eps.
        prioritise: ``none``; ``seen`` weighs auxiliary videos by the other seen videos; ``names``
            weighs them by :attr:`unseen_vectors`. Weighting by test videos is ``adapt``.
        auxiliary_classes: Seen classes, by position, whose videos come from other data sets.
        unseen_vectors: Word vectors of the test classes, only for ``names``.
        centres: Target samples that KLIEP puts a bump on, at most.
        keep_videos: Keep the training videos, which ``adapt`` needs.
    """

    rank: int | None = None
    video_regulariser: float | None = None
    word_regulariser: float | None = None
    rounds: int = ROUNDS
    match: Literal["word", "latent"] = "word"
    latent_floor: float = 1e-6
    prioritise: Literal["none", "seen", "names"] = "none"
    auxiliary_classes: tuple[int, ...] = ()
    unseen_vectors: tuple[tuple[float, ...], ...] = ()
    centres: int = CENTRES
    keep_videos: bool = True

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ModelError: One cannot be used, or lacks what it needs.
        """
        check_settings(
            MTE.name,
            self,
            whole=dict.fromkeys(("rank", "rounds", "centres"), 1),
            ranges=dict.fromkeys(
                ("video_regulariser", "word_regulariser", "latent_floor"), (LEAST, math.inf)
            ),
            choices={"match": ("word", "latent"), "prioritise": ("none", "seen", "names")},
        )
        if self.prioritise != "none" and not self.auxiliary_classes:
            raise _error("no auxiliary classes to weigh", "name them, or run mte without weights")
        if (self.prioritise == "names") != bool(self.unseen_vectors):
            raise _error(
                f"{len(self.unseen_vectors)} unseen vectors with prioritise={self.prioritise!r}",
                "give them with prioritise='names', and only then",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """What it is fitted to.

    Attributes:
        rows: ``(N, D)`` float32, centred video vectors of unit length.
        labels: ``(N,)`` positions among the seen classes.
        class_vectors: ``(C, E)``.
        auxiliary: ``(N,)`` bool, which videos come from other data sets.
    """

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]
    class_vectors: Matrix
    auxiliary: NDArray[np.bool_]

    def moments(self, weights: Matrix | None) -> Moments:
        """Return what the solver needs, with a weight for each video."""
        return Moments.of(self.rows.astype(np.float64), self.labels, self.class_vectors, weights)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it, for saving."""
        return {
            "training_rows": self.rows,
            "training_labels": self.labels,
            "training_classes": self.class_vectors,
            "training_auxiliary": self.auxiliary,
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> Training | None:
        """Make it of what was saved; None where it was not kept."""
        if "training_rows" not in arrays:
            return None
        return cls(
            rows=arrays["training_rows"],
            labels=arrays["training_labels"],
            class_vectors=arrays["training_classes"],
            auxiliary=arrays["training_auxiliary"].astype(bool),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedMte(AdaptableMethod):
    """Video vectors through two thin factors, compared with word vectors.

    Attributes:
        centring: Measured on seen training videos.
        factors: A and S.
        weights: ``(N,)`` weight of each training video; None weighs all alike.
        training: What ``adapt`` fits anew; None if it was not kept, or is used up.
        chosen: Settings as they were used, JSON's types.
    """

    centring: Centring
    factors: Factors
    weights: Matrix | None
    training: Training | None
    chosen: dict[str, Any]

    @property
    def spec(self) -> MethodSpec:  # type: ignore[override]
        """What it is, by what weighed its videos."""
        return SPECS[self.chosen["prioritise"]]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned, and the training videos where they were kept."""
        learned = {
            "mean": self.centring.mean,
            "videos": self.factors.videos,
            "words": self.factors.words,
        }
        weighed = {} if self.weights is None else {"weights": self.weights}
        return {**learned, **weighed, **(self.training.arrays() if self.training else {})}

    def settings(self) -> dict[str, Any]:
        """Return the settings as they were used."""
        return dict(self.chosen)

    def embedded(self, videos: ClipFeatures) -> Matrix:
        """Return ``x A S``, or ``x A`` for the latent match."""
        return _embedded(self.centring.rows(videos), self.factors, self.chosen["match"])

    def points(self, class_vectors: Matrix) -> Matrix:
        """Return the class vectors, or where they lie among the latent tasks."""
        if self.chosen["match"] == "word":
            return class_vectors
        return latent_points(self.factors.words, class_vectors, floor=self.chosen["latent_floor"])

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Return cosines."""
        return unit_rows(self.embedded(videos)) @ unit_rows(self.points(class_vectors)).T

    def adapted(self, videos: ClipFeatures, class_vectors: Matrix) -> FittedMethod:  # noqa: ARG002
        """Weigh auxiliary videos by how likely they are among the test videos, and fit anew.

        Raises:
            ModelError: The training videos were not kept.
        """
        if self.training is None:
            raise _error("no training videos", "fit it with keep_videos, and adapt what fit made")
        auxiliary = self.training.auxiliary
        weighed = replace(
            self.training, auxiliary=auxiliary if auxiliary.any() else np.ones_like(auxiliary)
        )
        weights = _weights(weighed, self.centring.rows(videos), self.chosen)
        chosen = {**self.chosen, "prioritise": "videos"}
        return replace(
            self,
            factors=_solved(self.training.moments(weights), chosen),
            weights=weights,
            training=None,
            chosen=chosen,
        )


class Mte(FeatureMethod):
    """Two thin factors in place of one map; auxiliary data may be weighted by relevance."""

    spec = MTE
    config = MteConfig
    quick: ClassVar[Mapping[str, Any]] = {"rank": 20}

    def fitted(self, seen: SeenVideos, config: MteConfig) -> FittedMte:
        """Choose the rank and the regularisers on seen classes, then fit.

        Raises:
            ModelError: Auxiliary classes are out of range, or leave no target videos to weigh by.
        """
        centring = Centring.of(seen.videos)
        training = Training(
            rows=centring.rows(seen.videos).astype(np.float32),
            labels=seen.labels,
            class_vectors=seen.class_vectors,
            auxiliary=_auxiliary(seen, config),
        )
        chosen = {
            **_chosen(seen, config),
            "rounds": config.rounds,
            "match": config.match,
            "latent_floor": config.latent_floor,
            "prioritise": config.prioritise,
            "centres": config.centres,
            "seed": seen.seed,
        }
        weights = _inductive_weights(training, config, chosen)
        return FittedMte(
            centring=centring,
            factors=_solved(training.moments(weights), chosen),
            weights=weights,
            training=training if config.keep_videos else None,
            chosen=chosen,
        )

    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedMte:
        """Make it of what was saved."""
        known = {"prioritise": tuple(SPECS), "match": ("word", "latent")}
        for name, allowed in known.items():
            if settings[name] not in allowed:
                raise KeyError(f"{name} {settings[name]!r}")
        float(settings["latent_floor"])
        return FittedMte(
            centring=Centring(mean=arrays["mean"]),
            factors=Factors(videos=arrays["videos"], words=arrays["words"], objectives=()),
            weights=arrays.get("weights"),
            training=Training.restored(arrays),
            chosen=dict(settings),
        )


def latent_points(words: Matrix, class_vectors: Matrix, *, floor: float) -> Matrix:
    """Return ``(S S^T + eps I)^-1 S z`` for each class, ``(C, K)``.

    Args:
        words: S, ``(K, E)``.
        class_vectors: ``(C, E)``.
        floor: eps.
    """
    inner = words @ words.T + floor * np.eye(len(words))
    return np.asarray(np.linalg.solve(inner, words @ class_vectors.T), dtype=np.float64).T


def _embedded(rows: Matrix, factors: Factors, match: str) -> Matrix:
    latent: Matrix = rows @ factors.videos
    return latent @ factors.words if match == "word" else latent


def _solved(moments: Moments, chosen: Mapping[str, Any]) -> Factors:
    shape = Shape(
        rank=chosen["rank"],
        videos=chosen["video_regulariser"],
        words=chosen["word_regulariser"],
        rounds=chosen["rounds"],
    )
    return moments.factors(shape, seed=chosen["seed"])


def _chosen(seen: SeenVideos, config: MteConfig) -> dict[str, Any]:
    shapes = _shapes(config)
    shape = shapes[0]
    if len(shapes) > 1:
        shape = choose(
            seen,
            shapes,
            lambda fold: _mte_accuracies(fold, shapes, config),
            fallback=shapes[len(GRID) // 2 % len(shapes)],
        )
    return {
        "rank": shape.rank,
        "video_regulariser": shape.videos,
        "word_regulariser": shape.words,
    }


def _shapes(config: MteConfig) -> tuple[Shape, ...]:
    of_videos, of_words = config.video_regulariser, config.word_regulariser
    if of_videos is None and of_words is None:
        pairs = [(value, value) for value in GRID]
    else:
        pairs = list(
            product(
                GRID if of_videos is None else (of_videos,),
                GRID if of_words is None else (of_words,),
            )
        )
    ranks = RANKS if config.rank is None else (config.rank,)
    return tuple(
        Shape(rank=rank, videos=videos, words=words, rounds=config.rounds)
        for rank, (videos, words) in product(ranks, pairs)
    )


def _mte_accuracies(fold: ClassFold, shapes: tuple[Shape, ...], config: MteConfig) -> list[float]:
    learned, held_out = fold.learned, fold.held_out
    centring = Centring.of(learned.videos)
    moments = Moments.of(centring.rows(learned.videos), learned.labels, learned.class_vectors)
    rows, vectors = centring.rows(held_out.videos), held_out.class_vectors
    accuracies = []
    for shape in shapes:
        factors, points = moments.factors(shape, seed=learned.seed), vectors
        if config.match == "latent":
            points = latent_points(factors.words, vectors, floor=config.latent_floor)
        scores = unit_rows(_embedded(rows, factors, config.match)) @ unit_rows(points).T
        accuracies.append(mean_class_accuracy(scores, held_out.labels))
    return accuracies


def _auxiliary(seen: SeenVideos, config: MteConfig) -> NDArray[np.bool_]:
    classes = config.auxiliary_classes
    if any(not 0 <= place < len(seen.class_vectors) for place in classes):
        raise _error(
            f"auxiliary classes {sorted(classes)} of {len(seen.class_vectors)}",
            "give positions among the seen classes",
        )
    auxiliary: NDArray[np.bool_] = np.isin(seen.labels, classes)
    if config.prioritise != "none" and not auxiliary.any():
        raise _error("no video of an auxiliary class", "name other classes, or run mte without")
    if config.prioritise == "seen" and auxiliary.all():
        raise _error("no seen video of the target data set", "run mte without weights")
    return auxiliary


def _inductive_weights(
    training: Training, config: MteConfig, chosen: Mapping[str, Any]
) -> Matrix | None:
    if config.prioritise == "none":
        return None
    if config.prioritise == "seen":
        targets = training.rows[~training.auxiliary].astype(np.float64)
        return _weights(training, targets, chosen)
    words = training.class_vectors[training.labels].astype(np.float32)
    names = unit_class_vectors(np.asarray(config.unseen_vectors, dtype=np.float64))
    return _weights(replace(training, rows=words), names, chosen)


def _weights(training: Training, targets: Matrix, chosen: Mapping[str, Any]) -> Matrix:
    weights = np.ones(len(training.rows))
    samples = training.rows[training.auxiliary].astype(np.float64)
    ratio = kliep(samples, targets, seed=chosen["seed"], centres=chosen["centres"])
    weights[training.auxiliary] = ratio.at(samples)
    return weights


def _error(found: str, fix: str) -> ModelError:
    return ModelError("method mte", found=found, fix=fix)
