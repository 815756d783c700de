"""Score matrix and metrics. Numpy only: no model, no video and no protocol is known here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_CHUNK_ENTRIES = 1 << 16
_SAFE_EXPONENT = 256


@dataclass(frozen=True, kw_only=True)
class ScoreMatrix:
    """Scores of videos against classes; higher means a better match.

    Attributes:
        classes: Class names, one a column.
        video_ids: Video ids, one a row.
        labels: ``(V,)`` int64, the column of each video's true class.
        scores: ``(V, C)`` float64.
    """

    classes: tuple[str, ...]
    video_ids: tuple[str, ...]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check shapes, labels and that every score is a finite number."""
        shape = (len(self.video_ids), len(self.classes))
        if self.scores.shape != shape or self.labels.shape != shape[:1]:
            raise ResultError(
                f"score matrix of {shape[0]} videos and {shape[1]} classes",
                found=f"scores {self.scores.shape}, labels {self.labels.shape}",
                fix="give one row a video and one column a class",
            )
        if shape[0] and not (self.labels.min() >= 0 and self.labels.max() < shape[1]):
            raise ResultError(
                "score matrix", found="a label outside the classes", fix="check the labels"
            )
        bad = np.flatnonzero(~np.isfinite(self.scores).all(axis=1))
        if len(bad):
            raise ResultError(
                f"score matrix of {shape[0]} videos",
                found=f"scores of {len(bad)} videos are not finite, "
                f"the first is {self.video_ids[bad[0]]}",
                fix="mend the model; a NaN cannot be ranked",
            )

    @cached_property
    def rivals(self) -> NDArray[np.bool_]:
        """``(V, C)``, whether each class scores as high as the video's own or higher; its own does.

        Made at the first use and kept, for every protocol and rule to count on.
        """
        own = np.take_along_axis(self.scores, self.labels[:, None], axis=1)
        return np.asarray(self.scores >= own)

    def restrict(self, classes: Sequence[str]) -> ScoreMatrix:
        """Keep some classes as the only candidates, and the videos whose true class is among them.

        Columns come in the order given, rows in the order they had.

        Raises:
            ResultError: A class is not in the matrix.
        """
        column = {name: i for i, name in enumerate(self.classes)}
        lacking = [name for name in classes if name not in column]
        if lacking:
            raise ResultError(
                f"scores for {len(classes)} classes",
                found=f"no column for {lacking[0]!r}",
                fix="score the model against the data set's full class list",
            )
        columns = np.array([column[name] for name in classes], dtype=np.int64)
        place = np.full(len(self.classes), -1, dtype=np.int64)
        place[columns] = np.arange(len(columns))
        rows = np.flatnonzero(place[self.labels] >= 0)
        return ScoreMatrix(
            classes=tuple(classes),
            video_ids=tuple(self.video_ids[i] for i in rows),
            labels=place[self.labels[rows]],
            scores=self.scores[np.ix_(rows, columns)],
        )


def cosine_scores(
    video_vectors: NDArray[np.floating], class_vectors: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return the cosine of every video vector with every class vector, ``(V, C)`` float64.

    Exactly equal class vectors share one computed column, so that they tie and do not differ by
    rounding. A zero vector has cosine 0 with everything.

    Args:
        video_vectors: ``(V, D)``.
        class_vectors: ``(C, D)``.
    """
    unique, inverse = np.unique(class_vectors, axis=0, return_inverse=True)
    columns = unit_rows(video_vectors) @ unit_rows(unique).T
    return np.asarray(np.take(columns, inverse.reshape(-1), axis=1))


def unit_rows(matrix: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale every row to unit length in float64; a zero row stays zero.

    Rows so large or small that a square might overflow or vanish are first scaled by a power of
    two, which is exact. A few rows are taken at a time, which then stay in the processor's cache.
    """
    unit = np.empty(matrix.shape, dtype=np.float64)
    step = max(_CHUNK_ENTRIES // max(matrix.shape[1], 1), 1)
    for start in range(0, len(matrix), step):
        rows = matrix[start : start + step].astype(np.float64)
        _, exponents = np.frexp(np.abs(rows).max(axis=1, keepdims=True, initial=0.0))
        if np.abs(exponents).max() > _SAFE_EXPONENT:
            rows = np.ldexp(rows, -exponents)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        np.divide(rows, np.where(lengths == 0.0, 1.0, lengths), out=unit[start : start + step])
    return unit


def ranks_of_truth(matrix: ScoreMatrix) -> NDArray[np.int64]:
    """Return for each video the number of other classes that score as high as its own or higher.

    A video is right among the first k when its rank is below k: a tie never helps.
    """
    return np.asarray(matrix.rivals.sum(axis=1) - 1, dtype=np.int64)


def accuracy(ranks: NDArray[np.int64], k: int) -> float | None:
    """Return the share of videos right among the first ``k``, or None where there is no video."""
    return float((ranks < k).mean()) if len(ranks) else None


def per_class_accuracy(
    ranks: NDArray[np.int64], labels: NDArray[np.int64], num_classes: int, k: int = 1
) -> list[float | None]:
    """Return the accuracy within each class; None for a class without a video."""
    counts = np.bincount(labels, minlength=num_classes)
    hits = np.bincount(labels[ranks < k], minlength=num_classes)
    return [float(h / n) if n else None for h, n in zip(hits, counts, strict=True)]


def mean_per_class(per_class: Sequence[float | None]) -> float | None:
    """Return the mean over the classes that have a video, or None where none has."""
    known = [value for value in per_class if value is not None]
    return float(np.mean(known)) if known else None


def equal_columns(class_vectors: NDArray[np.floating], names: Sequence[str]) -> list[list[str]]:
    """Return the groups of classes whose vectors are exactly equal, in the order of ``names``."""
    groups: dict[bytes, list[str]] = {}
    for name, row in zip(names, class_vectors, strict=True):
        groups.setdefault((row + 0.0).tobytes(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
