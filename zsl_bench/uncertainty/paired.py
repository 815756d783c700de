"""Two models on the same videos: the difference, how sure it is, and where it comes from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import ResultError
from zsl_bench.uncertainty.intervals import (
    Interval,
    Settings,
    clopper_pearson,
    effective_units,
    pooled_note,
    studentised_ends,
    too_few,
)
from zsl_bench.uncertainty.outcomes import average_outcomes, class_units, group_units
from zsl_bench.uncertainty.permutation import permutation_test
from zsl_bench.uncertainty.resampling import build_design, statistic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zsl_bench.uncertainty.outcomes import Average, Outcomes, Resample, Units
    from zsl_bench.uncertainty.resampling import Design

POWER, SIGNIFICANCE = 0.8, 0.05
EXACT = "Clopper-Pearson"
TO_ZERO = "; drawn out to 0, which the permutation test does not rule out"
_RESAMPLES: tuple[Resample, Resample] = ("groups", "classes")
_TIE = 1e-12


@dataclass(frozen=True, kw_only=True)
class DifferenceTest:
    """The difference of two models under one way of resampling.

    Attributes:
        interval: Confidence interval of the difference; None where nothing can be said. It leaves
            out 0 only where the p-value is at most one less its level.
        p_value: Two-sided permutation p-value: both models are alike, so that the answers of a
            unit may be swapped; None where nothing can be said.
        permutation: ``exact`` over all swaps, or how many random ones.
        detectable: Difference that a two-sided test at the 5% level finds with 80% power, were
            the spread that of the interval; None where nothing can be said, or where not even a
            difference of 1 would be found.
    """

    interval: Interval | None
    p_value: float | None
    permutation: str | None
    detectable: float | None


_NO_TEST = DifferenceTest(interval=None, p_value=None, permutation=None, detectable=None)


@dataclass(frozen=True, kw_only=True)
class ClassDifference:
    """Two models on the videos of one class, in the mean over the trials that hold it.

    Attributes:
        name: The class.
        num_videos: Its videos.
        a: Accuracy of the first model.
        b: Accuracy of the second.
    """

    name: str
    num_videos: int
    a: float
    b: float

    @property
    def difference(self) -> float:
        """How far the first model is ahead."""
        return self.a - self.b

    @property
    def is_tie(self) -> bool:
        """Whether both are equally good."""
        return abs(self.difference) <= _TIE


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Two models on the same videos.

    Attributes:
        average: ``videos`` (micro) or ``classes`` (macro) within each trial.
        a: Estimate of the first model.
        b: Estimate of the second.
        identical: Whether both are right and wrong on the same videos in every trial. There is
            then nothing to test.
        groups: Groups resampled, or swapped, within fixed classes.
        classes: Whole classes resampled or swapped.
        per_class: Every class that has a video, by code.
    """

    average: str
    a: float
    b: float
    identical: bool
    groups: DifferenceTest
    classes: DifferenceTest
    per_class: tuple[ClassDifference, ...]

    @property
    def difference(self) -> float:
        """How far the first model is ahead."""
        return self.a - self.b

    @property
    def wins(self) -> int:
        """Classes on which the first model is better."""
        return sum(entry.difference > _TIE for entry in self.per_class)

    @property
    def losses(self) -> int:
        """Classes on which the second model is better."""
        return sum(entry.difference < -_TIE for entry in self.per_class)

    @property
    def ties(self) -> int:
        """Classes on which both are equally good."""
        return sum(entry.is_tie for entry in self.per_class)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON holds it."""
        counts = {name: getattr(self, name) for name in ("difference", "wins", "losses", "ties")}
        return {**asdict(self), **counts}


def compare_outcomes(
    a: Outcomes,
    b: Outcomes,
    *,
    average: Average,
    names: Sequence[str],
    settings: Settings | None = None,
) -> PairedComparison | None:
    """Compare two models on the same videos and trials.

    Every resample and every permutation treats both models alike: a difference is a difference on
    the same units. Intervals are those of :func:`~zsl_bench.uncertainty.interval`, on the scale of
    the difference itself. Where as few units differ as leave an accuracy to the exact interval,
    gains and losses each get one, counted in differences of the size of those seen, and the two
    are joined by squaring and adding (Newcombe, Statistics in Medicine 17, 1998, 873-890, there
    with Wilson's intervals). An interval that leaves out 0 where the permutation test does not
    reject is drawn out to 0.

    Args:
        a: The first model.
        b: The second; the same videos, trials, classes and groups.
        average: ``videos`` or ``classes``.
        names: Names of the classes, by code.
        settings: Level, replicates and seed.

    Returns:
        The comparison, or None where no video counts in any trial.

    Raises:
        ResultError: The two are not about the same videos.
    """
    _check_same(a, b)
    chosen = settings or Settings()
    first, second = average_outcomes(a, average=average), average_outcomes(b, average=average)
    if first is None or second is None:
        return None
    identical = not bool(((a.values != b.values) & a.present).any())
    units = group_units(a.values - b.values, a.present, a.classes, a.groups)
    groups, classes = (
        _NO_TEST if identical else _test(units, average, resample, chosen)
        for resample in _RESAMPLES
    )
    return PairedComparison(
        average=average,
        a=first,
        b=second,
        identical=identical,
        groups=groups,
        classes=classes,
        per_class=_per_class(a, b, names),
    )


def _check_same(a: Outcomes, b: Outcomes) -> None:
    pairs = ((a.present, b.present), (a.classes, b.classes), (a.groups, b.groups))
    if not all(np.array_equal(left, right) for left, right in pairs):
        raise ResultError(
            "compare two models",
            found="outcomes on other videos, trials, classes or groups",
            fix="compare them on the videos that both have",
        )


def _test(units: Units, average: Average, resample: Resample, settings: Settings) -> DifferenceTest:
    design = build_design(units, average=average, resample=resample)
    if design is None:
        return _NO_TEST
    swaps = permutation_test(units, average=average, swap=resample, seed=settings.seed)
    difference, error = statistic(design)
    if error == 0.0 or too_few(design, np.abs(design.contributions)):
        low, high, method = _exact_difference(design, error, settings.level)
        spread = (high - low) / 2.0 / _student(design, (1.0 + settings.level) / 2.0)
    else:
        lower, upper, method = studentised_ends(design, difference, logit=False, settings=settings)
        low, high, spread = difference - upper * error, difference - lower * error, error
    kept = swaps.p_value > 1.0 - settings.level and not low <= 0.0 <= high
    ends = (low, high, difference, *([0.0] if kept else []))
    return DifferenceTest(
        interval=Interval(
            low=max(min(ends), -1.0),
            high=min(max(ends), 1.0),
            level=settings.level,
            method=method + pooled_note(design) + (TO_ZERO if kept else ""),
            num_units=design.num_units,
            std_error=error,
        ),
        p_value=swaps.p_value,
        permutation=swaps.method,
        detectable=_detectable(design, spread),
    )


def _exact_difference(design: Design, error: float, level: float) -> tuple[float, float, str]:
    """Return an interval from the exact ones of gains and of losses.

    A difference counts as one of the mean size of those seen, weighted by size; where no spread was
    seen, as that of a whole unit.
    """
    units, parts = effective_units(design.shares), design.contributions
    moved = float(np.abs(parts).sum())
    size = float((parts**2).sum()) / moved if error > 0.0 else 1.0 / units
    gains, losses = (float(np.maximum(part, 0.0).sum()) for part in (parts, -parts))
    (least_gain, most_gain), (least_loss, most_loss) = (
        tuple(share * units * size for share in clopper_pearson(count, units, level))
        for count in (min(seen / size, units) for seen in (gains, losses))
    )
    difference = float(parts.sum())
    return (
        difference - math.hypot(gains - least_gain, most_loss - losses),
        difference + math.hypot(most_gain - gains, losses - least_loss),
        f"{EXACT} of gains and losses over {units:.1f} effective units",
    )


def _detectable(design: Design, spread: float) -> float | None:
    needed = _student(design, 1.0 - SIGNIFICANCE / 2.0) + _student(design, POWER)
    return needed * spread if needed * spread <= 1.0 else None


def _student(design: Design, share: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(design.num_units - design.num_strata, share))


def _per_class(a: Outcomes, b: Outcomes, names: Sequence[str]) -> tuple[ClassDifference, ...]:
    counted = np.flatnonzero(a.present.any(axis=1))
    codes, sizes = np.unique(a.classes[counted], return_counts=True)
    accuracies = [_class_accuracies(outcomes) for outcomes in (a, b)]
    rows = zip(codes.tolist(), sizes.tolist(), *accuracies, strict=True)
    return tuple(
        ClassDifference(name=names[code], num_videos=size, a=first, b=second)
        for code, size, first, second in rows
    )


def _class_accuracies(outcomes: Outcomes) -> list[float]:
    whole = class_units(
        group_units(outcomes.values, outcomes.present, outcomes.classes, outcomes.groups)
    )
    held = whole.counts > 0
    ratios: NDArray[np.float64] = np.divide(
        whole.sums, whole.counts, out=np.zeros_like(whole.sums), where=held
    )
    return [float(value) for value in ratios.sum(axis=1) / held.sum(axis=1)]
