"""Clip subsets: what a run would have scored from fewer of its clips, or pooled another way."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zsl_bench.evaluation.batching import pool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

SUBSETS: Mapping[str, Callable[[int], slice]] = MappingProxyType(
    {
        "first clip": lambda _: slice(1),
        "middle clip": lambda count: slice(count // 2, count // 2 + 1),
        "last clip": lambda count: slice(count - 1, count),
        "every other clip": lambda _: slice(0, None, 2),
        "first half": lambda count: slice((count + 1) // 2),
        "second half": lambda count: slice(count // 2, None),
    }
)
"""Named subsets of a video's distinct clips, as slices of 0 to count - 1, never empty.

With an odd count the two halves share the middle clip. ``middle clip`` of an even count is the
first of the second half.
"""


class StackedClips(NamedTuple):
    """The distinct clips of all videos, those of a video together, in the clip policy's order.

    Attributes:
        vectors: ``(K, D)`` float32.
        weights: ``(K,)`` int64, how often the policy repeats each clip.
        counts: ``(V,)`` int64, distinct clips of each video, at least 1.
    """

    vectors: NDArray[np.float32]
    weights: NDArray[np.int64]
    counts: NDArray[np.int64]


def every_clip(_count: int) -> slice:
    """Choose all clips of a video."""
    return slice(None)


def pooled_subset(
    clips: StackedClips, *, choose: Callable[[int], slice] = every_clip, pooling: str
) -> NDArray[np.float32]:
    """Pool some of each video's clips as an evaluation pools all of them.

    Args:
        clips: The clips.
        choose: Which of a video's clips, from their number.
        pooling: ``mean`` or ``mean-of-unit``.

    Returns:
        ``(V, D)`` float32, not normalised.
    """
    vectors, weights, counts = clips
    pooled = np.empty((len(counts), vectors.shape[1]), dtype=np.float32)
    ends = np.cumsum(counts)
    for video, (end, count) in enumerate(zip(ends.tolist(), counts.tolist(), strict=True)):
        own = slice(end - count, end)
        some = choose(count)
        pooled[video] = pool(
            vectors[own][some].astype(np.float64),
            weights[own][some].astype(np.float64),
            pooling,
        )
    return pooled


def mean_chosen(counts: NDArray[np.int64], choose: Callable[[int], slice]) -> float:
    """Return how many clips of a video a subset takes, on average over the videos."""
    sizes = {count: len(range(count)[choose(count)]) for count in set(counts.tolist())}
    return float(np.mean([sizes[count] for count in counts.tolist()]))
