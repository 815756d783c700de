"""Permutation tests that swap the answers of two models for whole groups or whole classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.uncertainty.outcomes import class_units

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zsl_bench.uncertainty.outcomes import Average, Resample, Units

MAX_EXACT_UNITS = 14
NUM_SWAPS = 9999
_CHUNK_CELLS = 4_000_000
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class PermutationTest:
    """A two-sided permutation test.

    Attributes:
        p_value: Share of swaps that give a difference as large or larger, whichever its sign.
        method: ``exact`` over all swaps, or how many random ones.
    """

    p_value: float
    method: str


def permutation_test(
    units: Units, *, average: Average, swap: Resample, seed: int, swaps: int = NUM_SWAPS
) -> PermutationTest:
    """Test that two models are alike, in the sense that the answers of a unit may be swapped.

    A swap turns the sign of the unit's difference in all trials at once, and the statistic is a
    sum over units. Units without a difference do not matter; with few others all swaps are tried.

    Args:
        units: Groups with the sums of the differences.
        average: ``videos`` or ``classes``.
        swap: Whether single ``groups`` are swapped, or whole ``classes``.
        seed: Seed of the random swaps.
        swaps: How many random swaps, the observed one not counted.
    """
    parts = _parts(units, average)
    if swap == "classes":
        places = np.unique(units.classes, return_inverse=True)[1].reshape(-1)
        parts = np.bincount(places, weights=parts).astype(np.float64)
    moving = parts[np.abs(parts) > _ROUNDING * max(float(np.abs(parts).sum()), 1.0)]
    reached = abs(float(moving.sum())) - _ROUNDING
    if len(moving) <= MAX_EXACT_UNITS:
        signs = _all_signs(len(moving))
        return PermutationTest(
            p_value=float((np.abs(signs @ moving) >= reached).mean()), method="exact"
        )
    rng = np.random.default_rng(seed)
    beyond = sum(
        int((np.abs(signs @ moving) >= reached).sum())
        for signs in _random_signs(rng, len(moving), swaps)
    )
    return PermutationTest(p_value=(beyond + 1) / (swaps + 1), method=f"{swaps} random swaps")


def _parts(units: Units, average: Average) -> NDArray[np.float64]:
    """Return what each unit adds to the difference."""
    trials = units.counts.shape[1]
    if average == "videos":
        return np.asarray((units.sums / units.counts.sum(axis=0)).sum(axis=1) / trials)
    whole = class_units(units)
    places = np.searchsorted(whole.classes, units.classes)
    scale = whole.counts * (whole.counts > 0).sum(axis=0)
    shares = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    return np.asarray((units.sums * shares[places]).sum(axis=1) / trials)


def _all_signs(count: int) -> NDArray[np.float64]:
    bits = np.arange(2**count)[:, None] >> np.arange(count) & 1
    return np.where(bits > 0, -1.0, 1.0)


def _random_signs(
    rng: np.random.Generator, count: int, swaps: int
) -> Iterator[NDArray[np.float64]]:
    step = max(_CHUNK_CELLS // count, 1)
    for first in range(0, swaps, step):
        rows = min(step, swaps - first)
        raw = np.frombuffer(rng.bytes(-(-rows * count // 8)), dtype=np.uint8)
        bits = np.unpackbits(raw, count=rows * count).reshape(rows, count)
        yield np.where(bits > 0, -1.0, 1.0)
