"""Confidence intervals for accuracies whose videos come from common sources.

Two questions have two intervals. Other clips of the same classes: the classes stay and groups are
resampled within each class. Other classes of the same kind: whole classes are resampled, as weights
on their videos; the candidates of every trial stay as they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import ResultError
from zsl_bench.uncertainty.outcomes import group_units
from zsl_bench.uncertainty.resampling import build_design, replicate, statistic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zsl_bench.uncertainty.outcomes import Average, Outcomes, Resample
    from zsl_bench.uncertainty.resampling import Design

LEVEL, REPLICATES = 0.95, 999
MIN_EFFECTIVE = 5.0
MIN_FREEDOM = 10


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: Its lower end.
        high: Its upper end.
        level: How often such an interval is meant to cover the truth, such as 0.95.
        method: How it was made.
        num_units: Groups or classes that were resampled.
        std_error: Linearised standard error of the estimate.
    """

    low: float
    high: float
    level: float
    method: str
    num_units: int
    std_error: float

    def to_json(self) -> dict[str, Any]:
        """Return the interval as JSON holds it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How resampling is done.

    Attributes:
        level: Nominal coverage, between 0 and 1.
        replicates: Resamples; 0 for Student's t on the logit scale.
        seed: Seed of the resamples.
    """

    level: float = LEVEL
    replicates: int = REPLICATES
    seed: int = 0

    def __post_init__(self) -> None:
        """Check level and replicates."""
        if not 0.0 < self.level < 1.0 or self.replicates < 0:
            raise ResultError(
                f"interval of level {self.level} from {self.replicates} resamples",
                found="no such interval",
                fix="give a level between 0 and 1 and no negative number of resamples",
            )


def interval(
    outcomes: Outcomes,
    *,
    average: Average,
    resample: Resample,
    level: float = LEVEL,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval | None:
    """Return a confidence interval for the mean over trials of an average of outcomes.

    The studentised bootstrap on the logit scale, with the linearised standard error of each
    resample (k / (k - 1) for k units of a stratum; where units of one stratum are uneven, with
    the jackknife's correction), and quantiles never nearer to 0 than Student's. With fewer than
    ten degrees of freedom Student's t on the same scale. Where fewer than five units' worth of
    right or of wrong answers were seen (half of all units, where there are fewer than ten), no
    resampling can tell: Clopper and Pearson's exact interval, every unit counted as wholly right
    or wholly wrong, over the effective number of units.

    A class with one group has no spread of its own: all such classes are resampled together as
    one stratum, which counts the difference between classes as well and is on the safe side.

    Args:
        outcomes: The videos.
        average: ``videos`` (micro) or ``classes`` (macro) within each trial.
        resample: ``groups`` within fixed classes, or whole ``classes``.
        level: Nominal coverage.
        replicates: Resamples; 0 for Student's t on the logit scale, which is much faster.
        seed: Seed of the resamples; the same input gives the same interval.

    Returns:
        The interval, or None where nothing can be said: fewer than two groups, or, for
        ``classes``, fewer than two classes.

    Raises:
        ResultError: The level is not between 0 and 1, or replicates are negative.
    """
    units = group_units(outcomes.values, outcomes.present, outcomes.classes, outcomes.groups)
    design = build_design(units, average=average, resample=resample)
    if design is None:
        return None
    settings = Settings(level=level, replicates=replicates, seed=seed)
    estimate, error = statistic(design)
    low, high, method = _ends(design, estimate, error, settings)
    return Interval(
        low=min(low, estimate),
        high=max(high, estimate),
        level=level,
        method=method + pooled_note(design),
        num_units=design.num_units,
        std_error=error,
    )


def studentised_ends(
    design: Design, estimate: float, *, logit: bool, settings: Settings
) -> tuple[float, float, str]:
    """Return between which values the studentised estimate lies, and how that was found.

    Order statistics of the studentised resamples, never nearer to 0 than Student's quantiles:
    a resample of a few uneven groups is less like the sample than the sample is like the source.

    Args:
        design: What is resampled.
        estimate: The statistic on the sample.
        logit: Whether to studentise on the logit scale.
        settings: Level, replicates and seed.
    """
    from scipy.special import stdtrit

    freedom = design.num_units - design.num_strata
    bound = float(stdtrit(freedom, (1.0 + settings.level) / 2.0))
    scale = "logit scale, " if logit else ""
    if freedom < MIN_FREEDOM or not settings.replicates:
        return -bound, bound, f"Student's t, {scale}{freedom} degrees of freedom"
    estimates, errors = replicate(design, replicates=settings.replicates, seed=settings.seed)
    ordered = np.sort(_studentise(estimates, errors, estimate, logit=logit))
    tail = (settings.replicates + 1) * (1.0 - settings.level) / 2.0
    place = max(int(tail + 1e-9) - 1, 0)
    lower, upper = min(float(ordered[place]), -bound), max(float(ordered[-1 - place]), bound)
    return lower, upper, f"studentised bootstrap, {scale}{settings.replicates} resamples"


def effective_units(contributions: NDArray[np.float64]) -> float:
    """Return how many equal contributions would be spread as these are (Kish)."""
    squares = float((contributions**2).sum())
    return float(contributions.sum()) ** 2 / squares if squares > 0.0 else 0.0


def too_few(design: Design, contributions: NDArray[np.float64]) -> bool:
    """Tell whether so few units contribute that resampling cannot tell how many might.

    Fewer than five effective units, or than half of all where there are fewer than ten.
    """
    least = min(MIN_EFFECTIVE, effective_units(design.shares) / 2.0)
    return effective_units(contributions) < least


def clopper_pearson(right: float, total: float, level: float) -> tuple[float, float]:
    """Return Clopper and Pearson's interval for a share; counts need not be whole."""
    from scipy.special import betaincinv

    tail, wrong = (1.0 - level) / 2.0, max(total - right, 0.0)
    low = float(betaincinv(right, wrong + 1.0, tail)) if right > 0.0 else 0.0
    high = float(betaincinv(right + 1.0, wrong, 1.0 - tail)) if wrong > 0.0 else 1.0
    return low, high


def pooled_note(design: Design) -> str:
    """Say how many classes were drawn as one stratum, if any."""
    return f"; {design.num_pooled} classes as one stratum" if design.num_pooled else ""


def _ends(
    design: Design, estimate: float, error: float, settings: Settings
) -> tuple[float, float, str]:
    right = design.contributions
    wrong = np.maximum(design.shares - right, 0.0)
    if error == 0.0 or too_few(design, right) or too_few(design, wrong):
        units = effective_units(design.shares)
        low, high = clopper_pearson(estimate * units, units, settings.level)
        return low, high, f"Clopper-Pearson over {units:.1f} effective units"
    lower, upper, method = studentised_ends(design, estimate, logit=True, settings=settings)
    middle, scale = _logit(estimate), error / (estimate * (1.0 - estimate))
    return _expit(middle - upper * scale), _expit(middle - lower * scale), method


def _studentise(
    estimates: NDArray[np.float64], errors: NDArray[np.float64], centre: float, *, logit: bool
) -> NDArray[np.float64]:
    """Studentise resamples: infinite without an error, or at 0 or 1 on the logit scale."""
    differences = estimates - centre
    usable = errors > 0.0
    if logit:
        usable &= (estimates > 0.0) & (estimates < 1.0)
        shares = np.where(usable, estimates, 0.5)
        moved = np.log(shares / (1.0 - shares)) - _logit(centre)
        spread = errors / (shares * (1.0 - shares))
    else:
        moved, spread = differences, errors
    unusable = np.where(differences == 0.0, 0.0, np.copysign(np.inf, differences))
    return np.divide(moved, spread, out=unusable, where=usable)


def _logit(share: float) -> float:
    return float(np.log(share / (1.0 - share)))


def _expit(value: float) -> float:
    return float(0.5 * (1.0 + np.tanh(0.5 * value)))
