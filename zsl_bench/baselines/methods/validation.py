"""Choosing settings on seen classes alone: some of them play the unseen ones."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from zsl_bench.baselines.methods.base import SeenVideos

Choice = TypeVar("Choice")
HELD_OUT = 0.2
ROUNDS = 3
_SIDE = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassFold:
    """Seen classes parted into those to learn from and those that play the unseen ones.

    Attributes:
        learned: Videos of the classes to learn from.
        held_out: Videos of the others.
    """

    learned: SeenVideos
    held_out: SeenVideos


def class_folds(
    seen: SeenVideos, *, held_out: float = HELD_OUT, rounds: int = ROUNDS
) -> Iterator[ClassFold]:
    """Yield partings of the seen classes, drawn at random.

    A fifth of the classes, as in the code that the authors of ESZSL published; at least two, as one
    alone is always recognised, and at least two are left to learn from. Classes without a video are
    never held out. With fewer than four classes that have videos there is no parting.

    Args:
        seen: Videos of seen classes.
        held_out: Share of the classes that play the unseen ones.
        rounds: How many partings.
    """
    present = np.unique(seen.labels)
    count = min(max(round(held_out * len(present)), _SIDE), len(present) - _SIDE)
    if count < _SIDE:
        return
    generator = np.random.default_rng([seen.seed, 20])
    for _ in range(rounds):
        chosen = np.sort(generator.choice(present, size=count, replace=False))
        others = np.setdiff1d(np.arange(len(seen.class_vectors)), chosen)
        yield ClassFold(learned=seen.of_classes(others), held_out=seen.of_classes(chosen))


def choose(
    seen: SeenVideos,
    choices: Sequence[Choice],
    score: Callable[[ClassFold], Sequence[float]],
    *,
    fallback: Choice,
) -> Choice:
    """Return the choice with the best mean accuracy on held-out seen classes.

    Args:
        seen: Videos of seen classes.
        choices: What there is to choose from; the first wins a tie.
        score: Accuracies of all choices on one parting, in the order of ``choices``.
        fallback: What to take where the classes cannot be parted.
    """
    tried = [score(fold) for fold in class_folds(seen)]
    if not tried:
        return fallback
    means = [fmean(values) for values in zip(*tried, strict=True)]
    return choices[int(np.argmax(means))]


def mean_class_accuracy(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean over the classes present of the share of their videos that are right.

    A video counts as right where no other class has a score as high as its own.

    Args:
        scores: ``(N, C)``.
        labels: ``(N,)`` columns of the true classes.
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    right = (scores >= own).sum(axis=1) == 1
    counts = np.bincount(labels, minlength=scores.shape[1])
    hits = np.bincount(labels, weights=right, minlength=scores.shape[1])
    there = counts > 0
    return float((hits[there] / counts[there]).mean())
