"""One row a video, where a file has one row a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MEAN = "mean"
MEAN_OF_UNIT = "mean-of-unit"
POOLINGS = (MEAN, MEAN_OF_UNIT)
_MATRICES = ("video_vectors", "scores")


@dataclass(frozen=True, kw_only=True, eq=False)
class Pooled:
    """Pooled values by name, and a sentence about what was done, if anything was."""

    values: dict[str, Any]
    notes: tuple[str, ...] = ()


def pool(asked: str, values: Mapping[str, Any], pooling: str) -> Pooled:
    """Average the clips of each video.

    Clips are a third dimension, ``(videos, clips, numbers)``, or rows whose ids are equal. The mean
    is taken in double precision and kept in the array's own.

    Args:
        asked: The beginning of a message about the file.
        values: ``ids``, ``labels``, ``groups``, and the matrices ``video_vectors`` and ``scores``.
        pooling: ``mean`` or ``mean-of-unit``.

    Raises:
        DatasetError: The rule is unknown or does not fit, or clips of a video disagree on its label
            or group.
    """
    _check(asked, values, pooling)
    pooled, num_clips = dict(values), 0
    for name in _MATRICES:
        if pooled[name] is not None and pooled[name].ndim == 3:
            num_clips = pooled[name].shape[0] * pooled[name].shape[1]
            pooled[name] = np.stack([_mean(clips, pooling) for clips in pooled[name]])
    rows_of = _rows_of(pooled["ids"])
    num_rows = sum(map(len, rows_of.values()))
    if len(rows_of) < num_rows:
        num_clips = max(num_clips, num_rows)
        for name in ("ids", "labels", "groups"):
            pooled[name] = _merged(asked, name, pooled[name], rows_of)
        for name in _MATRICES:
            pooled[name] = _averaged(pooled[name], rows_of, pooling)
    if not num_clips:
        return Pooled(values=pooled)
    matrix = next(pooled[name] for name in _MATRICES if pooled[name] is not None)
    note = f"{num_clips:,} clips averaged to {len(matrix):,} videos ({pooling})"
    return Pooled(values=pooled, notes=(note,))


def _check(asked: str, values: Mapping[str, Any], pooling: str) -> None:
    if pooling not in POOLINGS:
        raise DatasetError(
            asked, found=f"the pooling {pooling!r}", fix=f"choose from {', '.join(POOLINGS)}"
        )
    if pooling == MEAN_OF_UNIT and values["scores"] is not None:
        raise DatasetError(asked, found="scores, which have no length", fix="give --pooling mean")


def _rows_of(ids: tuple[str, ...] | None) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, video in enumerate(ids or ()):
        rows.setdefault(video, []).append(row)
    return rows


def _averaged(
    matrix: NDArray[np.floating] | None, rows_of: dict[str, list[int]], pooling: str
) -> NDArray[np.floating] | None:
    """Return the mean of each video's rows; a matrix of another length is left for the checks."""
    if matrix is None or matrix.ndim != 2 or len(matrix) != sum(map(len, rows_of.values())):
        return matrix
    return np.stack([_mean(matrix[rows], pooling) for rows in rows_of.values()])


def _mean(clips: NDArray[np.floating], pooling: str) -> NDArray[np.floating]:
    """Return the mean over the first axis, ``(clips, D)`` to ``(D,)``, in the array's precision."""
    exact = clips.astype(np.float64)
    if pooling == MEAN_OF_UNIT:
        _, exponents = np.frexp(np.abs(exact).max(axis=1, keepdims=True, initial=0.0))
        exact = np.ldexp(exact, -exponents)
        lengths = np.linalg.norm(exact, axis=1, keepdims=True)
        exact = exact / np.where(lengths == 0.0, 1.0, lengths)
    return np.asarray(exact.mean(axis=0), dtype=clips.dtype)


def _merged(
    asked: str, name: str, values: tuple[Any, ...] | None, rows_of: dict[str, list[int]]
) -> tuple[Any, ...] | None:
    if values is None or len(values) != sum(map(len, rows_of.values())):
        return values
    for video, rows in rows_of.items():
        if name != "ids" and len({values[row] for row in rows}) > 1:
            raise DatasetError(
                asked,
                found=f"clips of {video!r} with different {name}: "
                f"{' and '.join(repr(v) for v in sorted({values[row] for row in rows}))}",
                fix="give all clips of a video the same",
            )
    return tuple(values[rows[0]] for rows in rows_of.values())
