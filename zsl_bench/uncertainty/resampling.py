"""Resampling designs: which units are drawn within which strata, and the statistic on weights.

Every design comes down to domains. In a domain each trial has a ratio, the weighted sum of the
units' values over their weighted count, and the statistic is a fixed linear combination of these
ratios. A resample is a whole-number weight a unit, multinomial within its stratum.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.uncertainty.outcomes import Units, class_averages, class_units, codes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    from zsl_bench.uncertainty.outcomes import Average, Resample

_CHUNK_CELLS = 500_000
_LEVERAGE = 0.01
_ZERO_VARIANCE = 1e-24


@dataclass(frozen=True, kw_only=True, eq=False)
class Domain:
    """Units whose weighted ratio, one a trial, enters the statistic.

    Attributes:
        sums: ``(U, T)`` float64.
        counts: ``(U, T)`` float64.
        strata: ``(U,)`` int64, the stratum of each unit, from 0, ascending.
        coefficients: ``(T,)`` float64, what each trial's ratio contributes to the statistic.
    """

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    strata: NDArray[np.int64]
    coefficients: NDArray[np.float64]

    @cached_property
    def is_uneven(self) -> bool:
        """Whether a unit of a lone stratum counts so much that leaving it out moves the ratio."""
        largest = float(_over(self.counts, self.counts.sum(axis=0)).max())
        return bool(self.strata[-1] == 0) and largest > _LEVERAGE

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """``(U,)``, the weight of each unit in the statistic; over all domains they add to 1."""
        return self.counts @ _over(self.coefficients, self.counts.sum(axis=0))

    @cached_property
    def contributions(self) -> NDArray[np.float64]:
        """``(U,)``, what each unit adds to the statistic."""
        return self.sums @ _over(self.coefficients, self.counts.sum(axis=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """A way to resample.

    Attributes:
        domains: The parts of the statistic.
        num_units: Units that are drawn.
        num_strata: Strata that they are drawn within.
        num_pooled: Classes with a single group, drawn as one stratum of whole classes.
    """

    domains: tuple[Domain, ...]
    num_units: int
    num_strata: int
    num_pooled: int

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """``(num_units,)``, the weight of each unit in the statistic."""
        return np.concatenate([domain.shares for domain in self.domains])

    @cached_property
    def contributions(self) -> NDArray[np.float64]:
        """``(num_units,)``, what each unit adds to the statistic."""
        return np.concatenate([domain.contributions for domain in self.domains])


def build_design(units: Units, *, average: Average, resample: Resample) -> Design | None:
    """Return the design, or None where there are not two units to draw.

    Args:
        units: Groups, as :func:`~zsl_bench.uncertainty.outcomes.group_units` makes them.
        average: Whether a trial averages over videos or over classes.
        resample: Whether groups are drawn within their class, or whole classes.
    """
    if resample == "classes":
        return _class_design(units, average)
    pooled = _classes_to_pool(units)
    own = ~np.isin(units.classes, pooled)
    groups = Units(sums=units.sums[own], counts=units.counts[own], classes=units.classes[own])
    whole = class_units(
        Units(sums=units.sums[~own], counts=units.counts[~own], classes=units.classes[~own])
    )
    if len(groups.classes) + len(whole.classes) < 2:
        return None
    domains = (
        [_video_domain(groups, whole)]
        if average == "videos"
        else [_collapse(domain) for domain in _class_domains(groups, whole)]
    )
    strata = len(codes_of(groups.classes)[0]) + (len(whole.classes) > 0)
    return Design(
        domains=tuple(domains),
        num_units=len(groups.classes) + len(whole.classes),
        num_strata=strata,
        num_pooled=len(whole.classes),
    )


def statistic(design: Design) -> tuple[float, float]:
    """Return the statistic and its linearised standard error on the sample itself."""
    estimate, variance = 0.0, 0.0
    for domain in design.domains:
        part, part_variance = _linearise(domain, np.ones((1, len(domain.strata))))
        estimate += float(part[0])
        variance += float(part_variance[0])
    return estimate, variance**0.5


def replicate(
    design: Design, *, replicates: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the statistic and its linearised standard error on resamples, ``(replicates,)`` each.

    A trial of which a resample has no unit drops out of that resample's average.
    """
    rng = np.random.default_rng(seed)
    estimates, variances = np.zeros(replicates), np.zeros(replicates)
    for domain in design.domains:
        for rows, weights in _draws(rng, domain.strata, replicates):
            parts, part_variances = _linearise(domain, weights)
            estimates[rows] += parts
            variances[rows] += part_variances
    return estimates, np.sqrt(variances)


def _class_design(units: Units, average: Average) -> Design | None:
    whole = class_units(units)
    if len(whole.classes) < 2:
        return None
    observed = whole if average == "videos" else class_averages(whole)
    trials = observed.counts.shape[1]
    domain = Domain(
        sums=observed.sums,
        counts=observed.counts,
        strata=np.zeros(len(observed.classes), dtype=np.int64),
        coefficients=np.full(trials, 1.0 / trials),
    )
    return Design(domains=(domain,), num_units=len(observed.classes), num_strata=1, num_pooled=0)


def _classes_to_pool(units: Units) -> NDArray[np.int64]:
    """Return the classes with one group, and where only one has, the next smallest beside it."""
    codes, sizes = np.unique(units.classes, return_counts=True)
    single = codes[sizes == 1]
    if len(single) == 1 and len(codes) > 1:
        single = codes[np.argsort(sizes, kind="stable")[:2]]
    return np.asarray(single)


def _video_domain(groups: Units, whole: Units) -> Domain:
    codes, strata = codes_of(groups.classes)
    last = np.full(len(whole.classes), len(codes), dtype=np.int64)
    trials = groups.counts.shape[1]
    return Domain(
        sums=np.concatenate([groups.sums, whole.sums]),
        counts=np.concatenate([groups.counts, whole.counts]),
        strata=np.concatenate([strata, last]).astype(np.int64),
        coefficients=np.full(trials, 1.0 / trials),
    )


def _class_domains(groups: Units, whole: Units) -> list[Domain]:
    both = class_units(
        Units(
            sums=np.concatenate([groups.sums, whole.sums]),
            counts=np.concatenate([groups.counts, whole.counts]),
            classes=np.concatenate([groups.classes, whole.classes]),
        )
    )
    scale = (both.counts > 0).sum(axis=0) * both.counts.shape[1]
    domains = []
    codes = codes_of(groups.classes)[0]
    starts = np.searchsorted(groups.classes, codes)
    for first, last in itertools.pairwise([*starts.tolist(), len(groups.classes)]):
        rows = slice(first, last)
        counts = groups.counts[rows]
        domains.append(
            Domain(
                sums=groups.sums[rows],
                counts=counts,
                strata=np.zeros(len(counts), dtype=np.int64),
                coefficients=(counts.sum(axis=0) > 0) / scale,
            )
        )
    if len(whole.classes):
        observed = class_averages(whole)
        domains.append(
            Domain(
                sums=observed.sums,
                counts=observed.counts,
                strata=np.zeros(len(whole.classes), dtype=np.int64),
                coefficients=observed.counts.sum(axis=0) / scale,
            )
        )
    return domains


def _collapse(domain: Domain) -> Domain:
    """Make one column of all trials, where every unit counts alike in each trial it has."""
    used = domain.coefficients > 0
    counts, coefficients = domain.counts[:, used], domain.coefficients[used]
    if (counts != counts[:, :1]).any():
        return domain
    total = coefficients.sum()
    return Domain(
        sums=(domain.sums[:, used] @ (coefficients / total))[:, None],
        counts=counts[:, :1],
        strata=domain.strata,
        coefficients=np.array([total]),
    )


def _draws(
    rng: Generator, strata: NDArray[np.int64], replicates: int
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield multinomial weights ``(r, U)`` for consecutive replicates."""
    size = len(strata)
    starts = np.searchsorted(strata, strata)
    sizes = np.bincount(strata)[strata]
    step = max(_CHUNK_CELLS // size, 1)
    for first in range(0, replicates, step):
        rows = min(step, replicates - first)
        places = (rng.random((rows, size)) * sizes).astype(np.int64)
        places += starts + size * np.arange(rows)[:, None]
        weights = np.bincount(places.reshape(-1), minlength=rows * size)
        yield slice(first, first + rows), weights.reshape(rows, size).astype(np.float64)


def _linearise(
    domain: Domain, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the domain's part of the statistic and of its variance for weights ``(R, U)``."""
    totals = weights @ domain.counts
    found = (totals > 0) * domain.coefficients
    coefficients = found * (domain.coefficients.sum() / found.sum(axis=1, keepdims=True))
    ratios = _over(weights @ domain.sums, totals)
    slopes = _over(coefficients, totals)
    influence = slopes @ domain.sums.T
    influence -= (slopes * ratios) @ domain.counts.T
    if domain.is_uneven:
        leverage = (slopes / domain.coefficients.sum()) @ domain.counts.T
        size = len(domain.strata)
        influence *= _over(np.full(leverage.shape, (size - 1.0) / size), 1.0 - leverage)
    return (coefficients * ratios).sum(axis=1), _stratified_variance(
        influence, weights, domain.strata
    )


def _stratified_variance(
    influence: NDArray[np.float64], weights: NDArray[np.float64], strata: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the with-replacement variance of a stratified total, ``k / (k - 1)`` a stratum."""
    sizes = np.bincount(strata).astype(np.float64)
    starts = np.searchsorted(strata, np.arange(len(sizes)))
    weighted = weights * influence
    sums = np.add.reduceat(weighted, starts, axis=1)
    weighted *= influence
    squares = np.add.reduceat(weighted, starts, axis=1)
    spread = np.maximum(squares - sums**2 / sizes, 0.0) @ (sizes / (sizes - 1.0))
    return np.where(spread > _ZERO_VARIANCE, spread, 0.0)


def _over(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below > 0)
