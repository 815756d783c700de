"""Two models on the same videos: the difference, how sure it is, and where it comes from."""

from __future__ import annotations

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
_TIE = 1e-12


@dataclass(frozen=True, kw_only=True)
class DifferenceTest:
    """The difference of two models under one way of resampling.

    Attributes:
        interval: Confidence interval of the difference; None where nothing can be said.
        p_value: Two-sided permutation p-value: both models are alike, so that the answers of a
            unit may be swapped; None where nothing can be said.
        permutation: ``exact`` over all swaps, or how many random ones.
        detectable: Difference that a two-sided test at the 5% level finds with 80% power, were
            the spread as it is here; None where no spread was seen.
    """

    interval: Interval | None
    p_value: float | None
    permutation: str | None
    detectable: float | None


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


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Two models on the same videos.

    Attributes:
        average: ``videos`` (micro) or ``classes`` (macro) within each trial.
        a: Estimate of the first model.
        b: Estimate of the second.
        groups: Groups resampled, or swapped, within fixed classes.
        classes: Whole classes resampled or swapped.
        per_class: Every class that has a video, by code.
    """

    average: str
    a: float
    b: float
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
        return len(self.per_class) - self.wins - self.losses

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
    gains and losses each get one and these are subtracted, at a level that keeps the whole.

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
    units = group_units(a.values - b.values, a.present, a.classes, a.groups)
    return PairedComparison(
        average=average,
        a=first,
        b=second,
        groups=_test(units, average, "groups", chosen),
        classes=_test(units, average, "classes", chosen),
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
        return DifferenceTest(interval=None, p_value=None, permutation=None, detectable=None)
    swaps = permutation_test(units, average=average, swap=resample, seed=settings.seed)
    found = _interval(design, settings)
    return DifferenceTest(
        interval=found,
        p_value=swaps.p_value,
        permutation=swaps.method,
        detectable=_detectable(design, found.std_error),
    )


def _interval(design: Design, settings: Settings) -> Interval:
    difference, error = statistic(design)
    if error == 0.0 or too_few(design, np.abs(design.contributions)):
        low, high, method = _exact_difference(design, settings.level)
    else:
        lower, upper, method = studentised_ends(design, difference, logit=False, settings=settings)
        low, high = difference - upper * error, difference - lower * error
    return Interval(
        low=max(min(low, difference), -1.0),
        high=min(max(high, difference), 1.0),
        level=settings.level,
        method=method + pooled_note(design),
        num_units=design.num_units,
        std_error=error,
    )


def _exact_difference(design: Design, level: float) -> tuple[float, float, str]:
    units = effective_units(design.shares)
    gains = float(np.maximum(design.contributions, 0.0).sum())
    losses = float(np.maximum(-design.contributions, 0.0).sum())
    each = (1.0 + level) / 2.0
    gain = clopper_pearson(gains * units, units, each)
    loss = clopper_pearson(losses * units, units, each)
    return (
        gain[0] - loss[1],
        gain[1] - loss[0],
        f"Clopper-Pearson of gains and losses over {units:.1f} effective units",
    )


def _detectable(design: Design, error: float) -> float | None:
    from scipy.special import stdtrit

    freedom = design.num_units - design.num_strata
    if error == 0.0 or freedom < 1:
        return None
    needed = stdtrit(freedom, 1.0 - SIGNIFICANCE / 2.0) + stdtrit(freedom, POWER)
    return float(needed) * error


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
