"""Generalised zero-shot: videos of test classes and of training classes, all among all."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ResultError
from zsl_bench.protocols.distractors import SEPARATOR
from zsl_bench.scoring import mean_per_class, per_class_accuracy, ranks_of_truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zsl_bench.scoring import ScoreMatrix

_ASKED = "generalised zero-shot scores"


@dataclass(frozen=True, kw_only=True)
class GeneralisedScores:
    """Accuracies of seen and unseen classes among all candidates, and how they trade.

    Attributes:
        num_unseen_classes: Test classes among the candidates.
        num_seen_classes: Training classes among the candidates.
        num_unseen_videos: Videos of test classes.
        num_seen_videos: Held-out videos of training classes.
        unseen_accuracy: Mean per-class top-1 over the test classes that have a video.
        seen_accuracy: Mean per-class top-1 over the training classes that have a video.
        harmonic_mean: ``2 A_s A_u / (A_s + A_u)``, 0 where both are 0.
        curve: ``(offset, seen accuracy, unseen accuracy)`` from the lowest offset to the highest,
            where the offset is subtracted from the scores of all training classes; an offset stands
            for the open interval between two breakpoints that holds it. Points between two of the
            same seen, or the same unseen, accuracy are left out, which changes neither the line nor
            the area.
        area: Area below the steps of seen over unseen accuracy; where one offset makes videos of
            both kinds change, they tie there and count as wrong, so the step is the lower one.
        unseen_per_class: For each test class with a video its number of videos and its top-1.
        seen_per_class: The same for training classes.
    """

    num_unseen_classes: int
    num_seen_classes: int
    num_unseen_videos: int
    num_seen_videos: int
    unseen_accuracy: float
    seen_accuracy: float
    harmonic_mean: float
    curve: tuple[tuple[float, float, float], ...]
    area: float
    unseen_per_class: dict[str, tuple[int, float]]
    seen_per_class: dict[str, tuple[int, float]]

    def to_json(self) -> dict[str, object]:
        """Return the scores as JSON holds them."""
        return asdict(self)


def harmonic_mean(first: float, second: float) -> float:
    """Return the harmonic mean of two accuracies, 0 where both are 0."""
    total = first + second
    return 2.0 * first * second / total if total else 0.0


def score_generalised(
    unseen: ScoreMatrix, seen: ScoreMatrix, *, num_test_classes: int | None = None
) -> GeneralisedScores:
    """Score videos of test classes and of training classes among the candidates of both.

    Args:
        unseen: Scores of the videos of test classes. Columns: the test classes, then the training
            classes.
        seen: Scores of held-out videos of training classes, against the same columns.
        num_test_classes: How many columns are test classes; None where the training classes are
            named ``<dataset>/<class>`` and the test classes have no such name.

    Raises:
        ResultError: The columns differ, a video belongs to the other part, or one kind of video or
            class is absent; without videos of training classes there is no harmonic mean.
    """
    split = _check(unseen, seen, num_test_classes)
    unseen_hits, unseen_classes = _per_class(unseen, 0, split)
    seen_hits, seen_classes = _per_class(seen, split, len(seen.classes))
    curve, area = _curve(unseen, seen, split)
    return GeneralisedScores(
        num_unseen_classes=split,
        num_seen_classes=len(seen.classes) - split,
        num_unseen_videos=len(unseen.labels),
        num_seen_videos=len(seen.labels),
        unseen_accuracy=unseen_hits,
        seen_accuracy=seen_hits,
        harmonic_mean=harmonic_mean(seen_hits, unseen_hits),
        curve=curve,
        area=area,
        unseen_per_class=unseen_classes,
        seen_per_class=seen_classes,
    )


def _check(unseen: ScoreMatrix, seen: ScoreMatrix, num_test_classes: int | None) -> int:
    """Return the number of test classes, which come first."""
    if unseen.classes != seen.classes:
        raise ResultError(
            _ASKED,
            found="other candidates for the two kinds of video",
            fix="score both against the test classes, then the training classes",
        )
    if not len(unseen.labels) or not len(seen.labels):
        kind = "test" if not len(unseen.labels) else "training"
        raise ResultError(
            _ASKED,
            found=f"no video of a {kind} class, without which there is no harmonic mean",
            fix="give videos of both, or use open-label",
        )
    split = num_test_classes
    if split is None:
        foreign = [SEPARATOR in name for name in unseen.classes]
        split = foreign.index(True) if any(foreign) else len(foreign)
        if not all(foreign[split:]):
            split = 0
    if not 0 < split < len(unseen.classes):
        raise ResultError(
            _ASKED,
            found="no border between test classes and training classes",
            fix="put the test classes first and say how many they are",
        )
    if unseen.labels.max() >= split or seen.labels.min() < split:
        raise ResultError(
            _ASKED,
            found="a video whose class is on the other side",
            fix="keep videos of test classes and of training classes apart",
        )
    return split


def _per_class(
    matrix: ScoreMatrix, start: int, stop: int
) -> tuple[float, dict[str, tuple[int, float]]]:
    ranks = ranks_of_truth(matrix)
    accuracies = per_class_accuracy(ranks, matrix.labels, len(matrix.classes))[start:stop]
    counts = np.bincount(matrix.labels, minlength=len(matrix.classes))[start:stop]
    names = matrix.classes[start:stop]
    known = {
        name: (int(count), value)
        for name, count, value in zip(names, counts, accuracies, strict=True)
        if value is not None
    }
    return mean_per_class(accuracies) or 0.0, known


def _curve(
    unseen: ScoreMatrix, seen: ScoreMatrix, split: int
) -> tuple[tuple[tuple[float, float, float], ...], float]:
    """Return the thinned curve and the area below its steps."""
    gained, gains = _breakpoints(unseen, slice(0, split), slice(split, None))
    lost, losses = _breakpoints(seen, slice(split, None), slice(0, split))
    # A test class wins above an offset, a training class below one.
    breakpoints, place = np.unique(np.concatenate([gained, -lost]), return_inverse=True)
    size = len(breakpoints)
    rises = np.bincount(place[: len(gained)], weights=gains, minlength=size)
    falls = np.bincount(place[len(gained) :], weights=losses, minlength=size)
    unseen_accuracy = np.concatenate([[0.0], np.cumsum(rises)])
    seen_accuracy = np.concatenate([np.cumsum(falls[::-1])[::-1], [0.0]])
    area = float((np.diff(unseen_accuracy) * seen_accuracy[1:]).sum())
    if not size:
        return ((0.0, 0.0, 0.0),), 0.0
    middles = breakpoints[:-1] + np.diff(breakpoints) / 2
    offsets = np.concatenate([[breakpoints[0] - 1.0], middles, [breakpoints[-1] + 1.0]])
    keep = np.ones(size + 1, dtype=np.bool_)
    keep[1:-1] = ~(((rises[:-1] == 0) & (rises[1:] == 0)) | ((falls[:-1] == 0) & (falls[1:] == 0)))
    points = np.stack([offsets, seen_accuracy, unseen_accuracy], axis=1)[keep]
    return tuple((float(o), float(s), float(u)) for o, s, u in points), area


def _breakpoints(
    matrix: ScoreMatrix, own: slice, other: slice
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much the other side leads, and the weight, of the videos right on their own.

    A video is right while its truth beats the best of the other side, that is above its lead. The
    weights of a class's videos sum to its share of the mean per-class accuracy.
    """
    truth = np.take_along_axis(matrix.scores, matrix.labels[:, None], axis=1)
    right = (matrix.scores[:, own] >= truth).sum(axis=1) == 1
    leads = matrix.scores[:, other].max(axis=1) - truth[:, 0]
    counts = np.bincount(matrix.labels, minlength=len(matrix.classes))
    weights = 1.0 / (counts[matrix.labels] * np.count_nonzero(counts))
    return leads[right], weights[right]
