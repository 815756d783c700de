"""From the raw arrays of a file to checked features: text, numbers, layout, pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import DatasetError, listing
from zsl_bench.features import roles
from zsl_bench.features.pooling import pool
from zsl_bench.features.record import Features

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

VIDEOS_BY_CLASSES = "videos-by-classes"
CLASSES_BY_VIDEOS = "classes-by-videos"
LAYOUTS = (VIDEOS_BY_CLASSES, CLASSES_BY_VIDEOS)


@dataclass(frozen=True, kw_only=True, eq=False)
class RawFeatures:
    """What a file holds, by role, before any check.

    Attributes:
        asked: The beginning of a message about the file.
        values: For each role that the file has, an array or a list of text or whole numbers.
        unused: Names of arrays or columns that have no role.
    """

    asked: str
    values: Mapping[str, NDArray[Any] | Sequence[str] | Sequence[int]]
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a person says about a file that the file itself does not.

    Attributes:
        layout: Which way round a score matrix is: ``videos-by-classes`` or ``classes-by-videos``;
            None to tell from the shapes.
        pooling: How several rows of one video become one: ``mean``, or ``mean-of-unit`` for the
            mean of vectors of unit length; None to refuse them.
    """

    layout: str | None = None
    pooling: str | None = None


def build(raw: RawFeatures, options: ReadOptions, *, source: str, digest: str) -> Features:
    """Turn raw arrays into checked features.

    Raises:
        DatasetError: Something is absent, does not fit, or is not a finite number.
    """
    names = {role: _texts(raw, role) for role in (roles.IDS, roles.GROUPS)}
    classes, distractors = _classes(raw)
    labels = _labels(raw, classes)
    matrices = {role: _numbers(raw, role) for role in (roles.VIDEO_VECTORS, roles.CLASS_VECTORS)}
    ids = names[roles.IDS]
    known = ids if ids is not None else labels
    scores = _by_video(raw, options.layout, known, classes)
    notes: tuple[str, ...] = (f"not read: {listing(raw.unused)}",) if raw.unused else ()
    features: dict[str, Any] = {"ids": ids, "labels": labels, "groups": names[roles.GROUPS]}
    features |= {roles.VIDEO_VECTORS: matrices[roles.VIDEO_VECTORS], roles.SCORES: scores}
    if options.pooling is not None:
        pooled = pool(raw.asked, features, options.pooling)
        features, notes = pooled.values, (*notes, *pooled.notes)
    _check_dimensions(raw.asked, features)
    notes += _zeros(features[roles.VIDEO_VECTORS])
    return Features(
        **features,
        class_vectors=matrices[roles.CLASS_VECTORS],
        classes=classes,
        distractors=distractors,
        source=source,
        digest=digest,
        unused=raw.unused,
        notes=notes,
    )


def _zeros(vectors: NDArray[np.floating] | None) -> tuple[str, ...]:
    zeros = 0 if vectors is None or vectors.ndim != 2 else int((~vectors.any(axis=1)).sum())
    if not zeros:
        return ()
    return (f"video vectors that are all zeros: {zeros:,}; their scores all tie",)


def _check_dimensions(asked: str, features: Mapping[str, Any]) -> None:
    for what in (roles.VIDEO_VECTORS, roles.SCORES):
        matrix = features[what]
        if matrix is not None and matrix.ndim == 3:
            raise DatasetError(
                asked,
                found=f"{what} of shape {matrix.shape}, which look like several clips a video",
                fix="average them over the clips, or give --pooling mean",
            )


def _texts(raw: RawFeatures, role: str) -> tuple[str, ...] | None:
    value = raw.values.get(role)
    if value is None:
        return None
    values = _listed(raw, role, value)
    if not all(isinstance(entry, str) for entry in values):
        raise DatasetError(
            raw.asked,
            found=f"{role} that are numbers, such as {values[0]!r}",
            fix="give the names as text",
        )
    return tuple(values)


def _classes(raw: RawFeatures) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
    """Return the names of all columns, and those at their end that are distractors."""
    classes = _texts(raw, roles.CLASSES)
    distractors = _texts(raw, roles.DISTRACTORS) or ()
    return (None if classes is None else (*classes, *distractors)), distractors


def _listed(raw: RawFeatures, role: str, value: NDArray[Any] | Sequence[Any]) -> list[Any]:
    """Return the entries of an array or list of text or whole numbers as Python values."""
    if not isinstance(value, np.ndarray):
        return list(value)
    if value.ndim != 1 or value.dtype.kind not in "USiu":
        raise DatasetError(
            raw.asked,
            found=f"{role} of shape {value.shape} and type {value.dtype}",
            fix="give one dimension of text" + (" or whole numbers" * (role == roles.LABELS)),
        )
    if value.dtype.kind != "S":
        return list(value.tolist())
    try:
        return [entry.decode() for entry in value.tolist()]
    except UnicodeDecodeError as error:
        raise DatasetError(
            raw.asked, found=f"{role} that are not UTF-8", fix="write the text as UTF-8"
        ) from error


def _labels(
    raw: RawFeatures, classes: tuple[str, ...] | None
) -> tuple[str, ...] | tuple[int, ...] | None:
    value = raw.values.get(roles.LABELS)
    if value is None:
        return None
    labels = tuple(_listed(raw, roles.LABELS, value))
    return labels if classes is None else named_labels(labels, classes, asked=raw.asked)


def named_labels(
    labels: tuple[str, ...] | tuple[int, ...], classes: Sequence[str], *, asked: str
) -> tuple[str, ...]:
    """Return labels as names, where they are numbers by their place in a list of classes.

    Args:
        labels: Names or numbers.
        classes: The classes' names.
        asked: The beginning of a message about the file.

    Raises:
        DatasetError: A number is no place in the list.
    """
    numbers = [label for label in labels if isinstance(label, int)]
    if not numbers:
        return tuple(map(str, labels))
    if min(numbers) < 0 or max(numbers) >= len(classes):
        raise DatasetError(
            asked,
            found=f"labels from {min(numbers)} to {max(numbers)} for {len(classes):,} classes",
            fix="count the classes from 0, in the order of the class names, or give names",
        )
    return tuple(classes[number] for number in numbers)


def _numbers(raw: RawFeatures, role: str) -> NDArray[np.floating] | None:
    value = raw.values.get(role)
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "fiu" or array.ndim == 0:
        raise DatasetError(
            raw.asked,
            found=f"{role} of shape {array.shape} and type {array.dtype}",
            fix="give an array of numbers, such as float32",
        )
    is_single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return np.ascontiguousarray(array, dtype=np.float32 if is_single else np.float64)


def _by_video(
    raw: RawFeatures,
    layout: str | None,
    videos: Sequence[object] | None,
    classes: Sequence[str] | None,
) -> NDArray[np.floating] | None:
    """Return the score matrix with one row a video, whichever way round the file has it."""
    scores = _numbers(raw, roles.SCORES)
    layout = layout or _layout_of(raw)
    if layout is not None and layout not in LAYOUTS:
        raise DatasetError(
            raw.asked, found=f"the layout {layout!r}", fix=f"give {' or '.join(LAYOUTS)}"
        )
    if scores is None or scores.ndim != 2 or videos is None or layout == VIDEOS_BY_CLASSES:
        return scores
    if layout == CLASSES_BY_VIDEOS:
        return np.ascontiguousarray(scores.T)
    num_classes = len(classes) if classes is not None else None
    fits = _fits(scores.shape, len(videos), num_classes)
    fits_turned = _fits(scores.shape[::-1], len(videos), num_classes)
    if fits and fits_turned:
        raise DatasetError(
            raw.asked,
            found=f"square scores, {scores.shape}, so that rows could be videos or classes",
            fix=f"say which with --layout {VIDEOS_BY_CLASSES} or --layout {CLASSES_BY_VIDEOS}",
        )
    return np.ascontiguousarray(scores.T) if fits_turned else scores


def _fits(shape: tuple[int, ...], num_videos: int, num_classes: int | None) -> bool:
    return shape[0] == num_videos and num_classes in (None, shape[1])


def _layout_of(raw: RawFeatures) -> str | None:
    """Return the layout that a file names, or that of the arrays beside a result."""
    value = raw.values.get(roles.LAYOUT)
    if value is None:
        return VIDEOS_BY_CLASSES if roles.DISTRACTORS in raw.values else None
    return str(np.asarray(value).reshape(-1)[0]) if np.size(value) == 1 else str(value)
