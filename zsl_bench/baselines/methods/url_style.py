"""A stand-in for URL (Zhu et al., CVPR 2018), which cannot be rebuilt on frozen clip features.

What is kept is the outline: building blocks from bags of clips, a video as its similarities to
them, and a space that seen videos and names share. Every step and number is our own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zsl_bench.baselines.methods.bags import bag_centres
from zsl_bench.baselines.methods.base import FeatureMethod, FittedMethod, SeenVideos
from zsl_bench.baselines.methods.inputs import Centring, unit_rows
from zsl_bench.baselines.methods.nmf import nonnegative_factors
from zsl_bench.baselines.methods.ridge import class_sums
from zsl_bench.baselines.methods.settings import LEAST, check_settings
from zsl_bench.baselines.methods.spec import UNIT_CLASSES, MethodSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.inputs import ClipFeatures

    Matrix = NDArray[np.float64]

_DRAW = 12
URL_STYLE = MethodSpec(
    name="url-style",
    title="URL-style, not a reproduction (after Zhu et al., 2018)",
    fidelity="stand-in",
    sources=("Zhu et al., CVPR 2018: abstract and notes by readers",),
    assumed=(
        "all of it: the original's frame features, kernel, objective and adaptation are not there",
        UNIT_CLASSES,
        "clips are centred on seen videos",
        "bags: 2 a class, by k-means from 3 starts",
        "rank: 60, at most the classes; rounds: 300 of multiplicative updates",
        "semantic: nmf",
    ),
)
URL_STYLE_RIDGE = replace(
    URL_STYLE,
    name="url-style+ridge",
    title="URL-style with ridge regression, not a reproduction (after Zhu et al., 2018)",
    assumed=(*URL_STYLE.assumed[:4], "semantic: ridge", "regulariser: 1"),
)


@dataclass(frozen=True, kw_only=True)
class UrlStyleConfig:
    """Settings of ``url-style``.

    Attributes:
        bags: H, building blocks of each seen class.
        semantic: ``nmf`` factors videos and names together; ``ridge`` maps names to videos.
        rank: Of the factors, at most the seen classes that have videos.
        rounds: Of multiplicative updates.
        regulariser: lambda of ``ridge``.
    """

    bags: int = 2
    semantic: Literal["nmf", "ridge"] = "nmf"
    rank: int = 60
    rounds: int = 300
    regulariser: float = 1.0

    def __post_init__(self) -> None:
        """Check the settings.

        Raises:
            ModelError: One cannot be used.
        """
        check_settings(
            URL_STYLE.name,
            self,
            whole=dict.fromkeys(("bags", "rank", "rounds"), 1),
            ranges={"regulariser": (LEAST, math.inf)},
            choices={"semantic": ("nmf", "ridge")},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedUrlStyle(FittedMethod):
    """Videos and names in one space, compared by cosine.

    Attributes:
        spec: What it is.
        centring: Measured on seen training videos.
        blocks: ``(B, D)`` building blocks, of unit length.
        from_videos: ``(B, K)``, from similarities to the shared space; None leaves them.
        from_words: ``(2 E, K)`` from the positive and negative parts of words, or ``(E, B)``.
    """

    spec: MethodSpec
    centring: Centring
    blocks: Matrix
    from_videos: Matrix | None
    from_words: Matrix

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned."""
        learned = {"mean": self.centring.mean, "blocks": self.blocks, "words": self.from_words}
        return learned if self.from_videos is None else {**learned, "videos": self.from_videos}

    def settings(self) -> dict[str, Any]:
        """Return how names are brought into the space."""
        return {"semantic": "ridge" if self.from_videos is None else "nmf"}

    def embedded(self, videos: ClipFeatures) -> Matrix:
        """Return the videos in the shared space."""
        similar = similarities(videos, self.centring, self.blocks)
        return similar if self.from_videos is None else similar @ self.from_videos

    def points(self, class_vectors: Matrix) -> Matrix:
        """Return the names in the shared space."""
        words = class_vectors if self.from_videos is None else halves(class_vectors)
        return words @ self.from_words

    def scored(self, videos: ClipFeatures, class_vectors: Matrix) -> Matrix:
        """Return cosines."""
        return unit_rows(self.embedded(videos)) @ unit_rows(self.points(class_vectors)).T


class UrlStyle(FeatureMethod):
    """Building blocks from bags of clips, and a nonnegative space shared with names."""

    spec = URL_STYLE
    config = UrlStyleConfig

    def fitted(self, seen: SeenVideos, config: UrlStyleConfig) -> FittedUrlStyle:
        """Find the building blocks, then the space."""
        centring, generator = Centring.of(seen.videos), np.random.default_rng([seen.seed, _DRAW])
        present, labels = np.unique(seen.labels, return_inverse=True)
        bags = [
            bag_centres(_clips(seen.videos.take(labels == label), centring), config.bags, generator)
            for label in range(len(present))
        ]
        blocks = unit_rows(np.concatenate(bags))
        similar = similarities(seen.videos, centring, blocks)
        exemplars = class_sums(similar, labels, len(present)) / np.bincount(labels)[:, None]
        words = seen.class_vectors[present]
        if config.semantic == "ridge":
            inner = words @ words.T + config.regulariser * np.eye(len(words))
            from_videos, from_words = None, words.T @ np.linalg.solve(inner, exemplars)
        else:
            from_videos, from_words = _shared(exemplars, words, config, generator)
        return FittedUrlStyle(
            spec=URL_STYLE if from_videos is not None else URL_STYLE_RIDGE,
            centring=centring,
            blocks=blocks,
            from_videos=from_videos,
            from_words=from_words,
        )

    def restored(
        self, arrays: Mapping[str, NDArray[Any]], settings: Mapping[str, Any]
    ) -> FittedUrlStyle:
        """Make it of what was saved."""
        ridge = settings["semantic"] == "ridge"
        return FittedUrlStyle(
            spec=URL_STYLE_RIDGE if ridge else URL_STYLE,
            centring=Centring(mean=arrays["mean"]),
            blocks=arrays["blocks"],
            from_videos=None if ridge else arrays["videos"],
            from_words=arrays["words"],
        )


def similarities(videos: ClipFeatures, centring: Centring, blocks: Matrix) -> Matrix:
    """Return each video's mean cosine of its clips to each block, ``(N, B)``, none below 0.

    Args:
        videos: Their clips are centred first.
        centring: Measured on seen training videos.
        blocks: ``(B, D)``, of unit length.
    """
    means = [
        (unit_rows(part.clips - centring.mean) * part.inside[:, :, None]).sum(axis=1)
        / part.lengths[:, None]
        for part in videos.chunks()
    ]
    return np.maximum(np.concatenate(means) @ blocks.T, 0)


def halves(words: Matrix) -> Matrix:
    """Return the positive parts of words beside the negative ones, ``(C, 2 E)``, none below 0."""
    return np.concatenate([np.maximum(words, 0), np.maximum(-words, 0)], axis=1)


def _clips(videos: ClipFeatures, centring: Centring) -> Matrix:
    clips: Matrix = videos.clips[videos.inside] - centring.mean
    return clips


def _shared(
    exemplars: Matrix, words: Matrix, config: UrlStyleConfig, generator: np.random.Generator
) -> tuple[Matrix, Matrix]:
    parts = halves(words)
    joint = np.concatenate(
        [exemplars / (np.linalg.norm(exemplars) or 1.0), parts / np.linalg.norm(parts)], axis=1
    )
    found = nonnegative_factors(
        joint, rank=min(config.rank, len(words)), rounds=config.rounds, generator=generator
    )
    blocks = exemplars.shape[1]
    sides = (found.right[:, :blocks], found.right[:, blocks:])
    from_videos, from_words = (np.asarray(np.linalg.pinv(side), np.float64) for side in sides)
    return from_videos, from_words
