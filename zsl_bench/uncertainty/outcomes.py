"""What is averaged: one value a video and trial, with the class and the source of the video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from zsl_bench.errors import ResultError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SPARSE = 8
Average = Literal["videos", "classes"]
Resample = Literal["groups", "classes"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """How right each video is in each trial.

    The statistic is the mean over trials of the trial's average, over its videos (micro) or over
    the classes that have a video in it (macro). A trial without a video does not count.

    Attributes:
        values: ``(V, T)`` float64 in 0 to 1; 1 is right. A probability of being right will do.
        present: ``(V, T)`` bool, whether the video counts in the trial.
        classes: ``(V,)`` int64, code of each video's class.
        groups: ``(V,)`` int64, code of the source that the video was cut from. A group lies within
            one class: the same code in two classes stands for two groups.
    """

    values: NDArray[np.float64]
    present: NDArray[np.bool_]
    classes: NDArray[np.int64]
    groups: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check shapes and the range of the values."""
        shape = self.values.shape
        lengths = (self.classes.shape, self.groups.shape)
        if len(shape) != 2 or self.present.shape != shape or lengths != (shape[:1], shape[:1]):
            raise ResultError(
                f"outcomes of shape {shape}",
                found=f"present {self.present.shape}, classes {lengths[0]}, groups {lengths[1]}",
                fix="give one row a video and one column a trial",
            )
        counted = self.values[self.present]
        if not ((counted >= 0.0) & (counted <= 1.0)).all():
            raise ResultError(
                f"outcomes of {shape[0]} videos",
                found="a value outside 0 to 1",
                fix="give 1 for right, 0 for wrong, or a probability",
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """Sums over the videos of each unit, ordered by class.

    Attributes:
        sums: ``(U, T)`` float64, sum of the values.
        counts: ``(U, T)`` float64, number of videos.
        classes: ``(U,)`` int64, code of the unit's class, ascending.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    classes: NDArray[np.int64]


def group_units(
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
    classes: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> Units:
    """Sum values over each group; videos and trials that never count are left out.

    Args:
        values: ``(V, T)``, any range.
        present: ``(V, T)``.
        classes: ``(V,)``.
        groups: ``(V,)``.
    """
    rows, trials = present.any(axis=1), present.any(axis=0)
    counted = present[np.ix_(rows, trials)]
    kept = np.where(counted, values[np.ix_(rows, trials)], 0.0)
    group_codes, codes = codes_of(groups[rows])
    class_codes, places = codes_of(classes[rows])
    number = max(len(group_codes), 1)
    unique, inverse = codes_of(places * number + codes)
    return Units(
        sums=_sum_by(inverse, kept, len(unique)),
        counts=_sum_by(inverse, counted.astype(np.float64), len(unique)),
        classes=class_codes[unique // number],
    )


def class_units(units: Units) -> Units:
    """Join the units of each class."""
    codes, inverse = codes_of(units.classes)
    return Units(
        sums=_sum_by(inverse, units.sums, len(codes)),
        counts=_sum_by(inverse, units.counts, len(codes)),
        classes=codes,
    )


def class_averages(units: Units) -> Units:
    """Turn units that are whole classes into one observation a trial each: the class average."""
    counted = units.counts > 0
    return Units(
        sums=np.divide(units.sums, units.counts, out=np.zeros_like(units.sums), where=counted),
        counts=counted.astype(np.float64),
        classes=units.classes,
    )


def average_outcomes(outcomes: Outcomes, *, average: Average) -> float | None:
    """Return the mean over trials of the average over videos or over classes; None if no video."""
    by_class = class_units(
        group_units(outcomes.values, outcomes.present, outcomes.classes, outcomes.groups)
    )
    if not by_class.counts.size:
        return None
    units = by_class if average == "videos" else class_averages(by_class)
    return float((units.sums.sum(axis=0) / units.counts.sum(axis=0)).mean())


def codes_of(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct values, ascending, and the place of each value among them.

    What ``np.unique`` gives, without sorting where the values lie close together.

    Args:
        values: ``(n,)``.
    """
    low = int(values.min()) if len(values) else 0
    span = int(values.max()) - low + 1 if len(values) else 0
    if span > _SPARSE * len(values):
        unique, inverse = np.unique(values, return_inverse=True)
        return unique, inverse.reshape(-1)
    found = np.zeros(span, dtype=np.bool_)
    found[values - low] = True
    places = np.cumsum(found) - 1
    return np.flatnonzero(found) + low, places[values - low]


def _sum_by(
    places: NDArray[np.intp], table: NDArray[np.float64], length: int
) -> NDArray[np.float64]:
    if not table.size:
        return np.zeros((length, table.shape[1]))
    columns = [np.bincount(places, weights=column, minlength=length) for column in table.T]
    return np.stack(columns, axis=1)
