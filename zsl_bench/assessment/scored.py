"""Scored videos, from whatever source: a model that was run, features that were given."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.assessment.evidence import Evidence
from zsl_bench.files import sha256_bytes
from zsl_bench.scoring import ScoreMatrix, cosine_scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from zsl_bench.assessment.array_file import Rows
    from zsl_bench.assessment.shared_videos import SharedVideos
    from zsl_bench.classes import ClassSet
    from zsl_bench.verdict import ClassDistances, Declared, Verdict
    from zsl_bench.videos import Manifest


@dataclass(frozen=True, kw_only=True, eq=False)
class Clips:
    """The vectors of the clips that were averaged, video after video.

    Attributes:
        vectors: ``(K, D)`` float32, perhaps still on disk.
        weights: ``(K,)`` int64, how often the policy repeats each clip.
        counts: ``(V,)`` int64, clips of each video.
    """

    vectors: Rows
    weights: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class SeenVideos:
    """Held-out videos of training classes, for generalised zero-shot scores.

    Attributes:
        ids: Video ids.
        labels: ``(S,)`` int64, each video's class as a column: behind the test classes.
        vectors: ``(S, D)`` vectors.
        dataset: Where they come from.
        digest: Digest of their manifest.
        merged: Videos left out because their class counts as a test class.
        unreadable: Pairs of a video's id and the reason why it has no vector.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    vectors: NDArray[np.floating]
    dataset: str
    digest: str
    merged: int = 0
    unreadable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassColumns:
    """Class vectors and where they come from.

    Attributes:
        vectors: ``(C, D)``, test classes first, then distractors; None where the videos come with
            scores.
        source: What made them, for the identity.
        distractors: Names of the classes behind the test classes.
    """

    vectors: NDArray[np.float64] | None
    source: dict[str, Any]
    distractors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Sight:
    """What a model has seen, as far as anybody says.

    Attributes:
        declared: What it declares, or was declared of it.
        by_user: The fields that the user declared, not the model's card.
        verdicts: One a rule, the headline first.
        distances: Distances of the test classes to the declared ones, or None.
        shared: Videos that training and test have in common; None where no training manifest
            was given.
        distractors: Names of the declared classes that stand beside the test classes; None where
            no protocol asks for them.
    """

    declared: Declared
    by_user: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    distances: ClassDistances | None
    shared: SharedVideos | None = None
    distractors: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """A finished run over one manifest, or features that stand for one.

    Attributes:
        manifest: The videos, and the test classes under the word rules chosen.
        positions: ``(V,)`` int64, the manifest's videos that have a row, in order.
        rows: ``(V, D)`` video vectors, or ``(V, C)`` scores where there are no class vectors.
        columns: The class vectors.
        reasons: For each video without a row, by manifest position, why.
        sight: What the model has seen.
        run: What else can change a number, for the identity.
        environment: Device, seconds and settings.
        clips: The clips' vectors, where they were kept.
        seen: Held-out videos of training classes, where there are any.
        named_videos: Whether the ids are the videos' names, and not made up from labels.
    """

    manifest: Manifest
    positions: NDArray[np.int64]
    rows: NDArray[np.floating]
    columns: ClassColumns
    reasons: Mapping[int, str]
    sight: Sight
    run: dict[str, Any]
    environment: dict[str, Any] = field(default_factory=dict)
    clips: Clips | None = None
    seen: SeenVideos | None = None
    named_videos: bool = True

    @property
    def classes(self) -> ClassSet:
        """The test classes."""
        return self.manifest.classes

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns."""
        return (*self.classes.names, *self.columns.distractors)

    @property
    def expected(self) -> dict[str, int]:
        """How many videos each class has under the manifest's list."""
        if self.manifest.expected is not None:
            return dict(self.manifest.expected)
        counts = Counter(video.label for video in self.manifest.videos)
        return {name: counts[name] for name in self.classes.names}

    def evidence(self) -> Evidence:
        """Return the score matrix with all that a score rests on.

        Raises:
            ResultError: A score is not finite.
        """
        videos = [self.manifest.videos[i] for i in self.positions.tolist()]
        labels = [self.classes.index(video.label) for video in videos]
        return Evidence(
            matrix=score_matrix(
                self.names,
                tuple(video.id for video in videos),
                np.array(labels, dtype=np.int64),
                self.rows,
                self.columns.vectors,
            ),
            groups=tuple(video.group for video in videos),
            classes=self.classes,
            split=self.manifest.split,
            expected=self.expected,
            verdicts=self.sight.verdicts,
            distances=self.sight.distances,
            declared_distractors=self.sight.distractors,
            overlapping=frozenset(self.manifest.overlapping),
            named_videos=self.named_videos,
            seen=seen_matrix(self.names, self.seen, self.columns.vectors),
        )


def array_digest(array: NDArray[np.floating]) -> str:
    """Return the SHA-256 of an array's shape and little-endian float64 values."""
    values = np.ascontiguousarray(array, dtype="<f8")
    return sha256_bytes(repr(values.shape).encode() + values.tobytes())


def score_matrix(
    names: tuple[str, ...],
    ids: tuple[str, ...],
    labels: NDArray[np.int64],
    rows: NDArray[np.floating],
    class_vectors: NDArray[np.float64] | None,
) -> ScoreMatrix:
    """Return the scores of videos against all columns.

    Args:
        names: Names of the columns.
        ids: Video ids.
        labels: ``(V,)`` column of each video's true class.
        rows: ``(V, D)`` video vectors, or ``(V, C)`` scores.
        class_vectors: ``(C, D)``; None where ``rows`` are scores already.

    Raises:
        ResultError: Shapes do not fit, or a score is not finite.
    """
    if not ids:
        scores = np.zeros((0, len(names)))
    elif class_vectors is None:
        scores = rows.astype(np.float64)
    else:
        scores = cosine_scores(rows, class_vectors)
    return ScoreMatrix(classes=names, video_ids=ids, labels=labels, scores=scores)


def seen_matrix(
    names: tuple[str, ...], seen: SeenVideos | None, class_vectors: NDArray[np.float64] | None
) -> ScoreMatrix | None:
    """Return the scores of held-out videos of training classes, or None where there are none."""
    if seen is None:
        return None
    return score_matrix(names, seen.ids, seen.labels, seen.vectors, class_vectors)
