"""Clip features of videos, checked once: what every method is handed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

CHUNK = 1024
"""Videos that are scored at once."""
_SAME = 1 - 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipFeatures:
    """Features of N videos, T clips at most each, left where they are until their clips are asked.

    Attributes:
        source: ``(M, T, D)`` as handed in, perhaps a memory map; never written to.
        rows: ``(N,)`` int64, the videos' positions in it.
        lengths: ``(N,)`` int64, clips of each video, 1 to T.
        averages: ``(N, D)`` float64, the mean of each video's clips.
    """

    source: NDArray[np.floating]
    rows: NDArray[np.int64]
    lengths: NDArray[np.int64]
    averages: NDArray[np.float64]

    @classmethod
    def of(cls, features: ArrayLike, lengths: ArrayLike) -> Self:
        """Check features, a part in memory at a time.

        Args:
            features: ``(N, T, D)`` float16, float32 or float64; what lies behind a length is not
                read.
            lengths: ``(N,)`` whole numbers.

        Raises:
            DatasetError: Shapes do not fit, a length is out of range, or a number is not finite.
        """
        clips, counts = np.asarray(features), np.asarray(lengths)
        if clips.ndim != 3 or 0 in clips.shape or clips.dtype.kind != "f":
            raise _error(
                f"an array of shape {clips.shape} and type {clips.dtype}",
                "give float features of shape (videos, clips, numbers)",
            )
        if counts.shape != clips.shape[:1] or counts.dtype.kind not in "iu":
            raise _error(
                f"lengths of shape {counts.shape} and type {counts.dtype} for {len(clips)} videos",
                "give one whole number a video",
            )
        if counts.min() < 1 or counts.max() > clips.shape[1]:
            raise _error(
                f"lengths from {counts.min()} to {counts.max()} for {clips.shape[1]} clips",
                "give from 1 to the number of clips",
            )
        counts = counts.astype(np.int64)
        averages = np.empty((len(clips), clips.shape[2]))
        for start in range(0, len(clips), CHUNK):
            rows = slice(start, start + CHUNK)
            kept = _cleared(clips[rows], counts[rows])
            broken = np.flatnonzero(~np.isfinite(kept).all(axis=(1, 2)))
            if broken.size:
                raise _error(
                    f"a number that is not finite in video {start + broken[0]}",
                    "leave the video out",
                )
            averages[rows] = kept.sum(axis=1, dtype=np.float64) / counts[rows, None]
        averages.setflags(write=False)
        return cls(source=clips, rows=np.arange(len(clips)), lengths=counts, averages=averages)

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.rows)

    @property
    def dim(self) -> int:
        """Numbers in a clip's feature."""
        return int(self.source.shape[2])

    @property
    def num_clips(self) -> int:
        """T, clips that each video has room for."""
        return int(self.source.shape[1])

    @property
    def clips(self) -> NDArray[np.float32]:
        """``(N, T, D)``, zero behind a video's length; made anew, so ask it of some at a time."""
        return _cleared(self.source[self.rows], self.lengths)

    @property
    def inside(self) -> NDArray[np.bool_]:
        """``(N, T)``, which clips are there."""
        inside: NDArray[np.bool_] = np.arange(self.num_clips) < self.lengths[:, None]
        return inside

    def means(self) -> NDArray[np.float64]:
        """Return the mean over each video's clips, ``(N, D)`` (paper section 4.4)."""
        return self.averages

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> ClipFeatures:
        """Return some of the videos, by position or by mask."""
        return ClipFeatures(
            source=self.source,
            rows=self.rows[rows],
            lengths=self.lengths[rows],
            averages=self.averages[rows],
        )

    def chunks(self, size: int = CHUNK) -> Iterator[ClipFeatures]:
        """Yield the videos, at most ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))


def _cleared(clips: NDArray[np.floating], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return clips as float32, zero behind a video's length, whatever stands there."""
    inside = np.arange(clips.shape[1]) < lengths[:, None]
    cleared = np.zeros(clips.shape, dtype=np.float32)
    with np.errstate(over="ignore"):
        np.copyto(cleared, clips, where=inside[:, :, None], casting="same_kind")
    return cleared


@dataclass(frozen=True, kw_only=True, eq=False)
class Centring:
    """What was measured on seen training videos to bring features into a common form.

    Attributes:
        mean: ``(D,)`` float64, the mean of their video vectors.
    """

    mean: NDArray[np.float64]

    @classmethod
    def of(cls, seen: ClipFeatures) -> Self:
        """Measure it on the seen training videos."""
        return cls(mean=seen.means().mean(axis=0))

    def rows(self, videos: ClipFeatures) -> NDArray[np.float64]:
        """Return centred video vectors of unit length, ``(N, D)``; a zero row stays zero."""
        return unit_rows(videos.means() - self.mean)


def checked_labels(labels: ArrayLike, videos: int, classes: int) -> NDArray[np.int64]:
    """Return the class of each video.

    Args:
        labels: ``(N,)`` whole numbers, positions among the seen classes.
        videos: N.
        classes: Number of seen classes.

    Raises:
        DatasetError: They are not one a video, or one is out of range.
    """
    given = np.asarray(labels)
    if given.shape != (videos,) or given.dtype.kind not in "iu":
        raise _error(
            f"labels of shape {given.shape} and type {given.dtype} for {videos} videos",
            "give one whole number a video",
        )
    if given.min() < 0 or given.max() >= classes:
        raise _error(
            f"labels from {given.min()} to {given.max()} for {classes} classes",
            f"give from 0 to {classes - 1}",
        )
    return given.astype(np.int64)


def unit_class_vectors(class_vectors: ArrayLike) -> NDArray[np.float64]:
    """Return class vectors of unit length, ``(C, E)`` float64.

    Raises:
        DatasetError: They are no matrix, one is zero, or a number is not finite.
    """
    given = np.asarray(class_vectors, dtype=np.float64)
    if given.ndim != 2 or 0 in given.shape or not np.isfinite(given).all():
        raise _error(
            f"class vectors of shape {given.shape}, or with a number that is not finite",
            "give one row a class",
        )
    lengths = np.linalg.norm(given, axis=1)
    if not lengths.all():
        raise _error(
            f"a zero vector for class {int(lengths.argmin())}", "leave the class out, or name it"
        )
    unit: NDArray[np.float64] = given / lengths[:, None]
    return unit


def same_classes(wanted: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return where each class is among known ones, by its vector; -1 where it is none of them.

    Args:
        wanted: ``(C, E)``, of unit length.
        known: ``(K, E)``, the same; the first of equal ones is found.
    """
    cosines = wanted @ known.T
    return np.where(cosines.max(axis=1) >= _SAME, cosines.argmax(axis=1), -1)


def unit_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows to unit length; a zero row stays zero."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: NDArray[np.float64] = rows / np.where(lengths > 0, lengths, 1.0)
    return unit


def _error(found: str, fix: str) -> DatasetError:
    return DatasetError("clip features", found=found, fix=fix)
