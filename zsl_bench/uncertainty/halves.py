"""Half-class protocols: what all draws give on average, exactly and by Monte Carlo.

Ten draws of half of the classes overlap, so their spread over the square root of ten is no standard
error of anything. From the scores against all classes the mean over every draw there is follows
exactly where each class counts alike; where each video does, the number of videos varies from draw
to draw and the mean is estimated by drawing many times.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import ProtocolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zsl_bench.uncertainty.outcomes import Average

_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class DrawEstimate:
    """Accuracy over independent random draws of classes.

    Attributes:
        mean: Mean over the draws.
        std: Population standard deviation over the draws (ddof 0), as half-class results print it.
        monte_carlo_error: Standard error of ``mean`` as an estimate of the mean over all draws.
            It says nothing of other videos or other classes.
        draws: Draws that held a video.
    """

    mean: float
    std: float
    monte_carlo_error: float
    draws: int

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as JSON holds it."""
        return asdict(self)


def expected_over_draws(
    ranks: NDArray[np.int64], num_classes: int, size: int, *, k: int
) -> NDArray[np.float64]:
    """Return the probability that a video is right in a random draw that holds its class.

    Of the ``num_classes - 1`` other classes the draw takes ``size - 1`` at random. The video is
    right among the first ``k`` when fewer than ``k`` of its ``r`` rivals are taken, which is
    hypergeometric; for ``k = 1`` it is C(n-1-r, m-1) / C(n-1, m-1).

    The mean over classes of the mean over their videos is the expectation of the mean per class
    over all draws, if every class has a video.

    Args:
        ranks: ``(V,)`` int64, for each video the number of other classes, among all of them, that
            score as high as its own or higher.
        num_classes: All classes, n.
        size: Classes in a draw, m.
        k: How many of the best classes may hold the truth.

    Returns:
        ``(V,)`` float64.

    Raises:
        ProtocolError: The draw is empty or larger than the classes, or a rank is impossible.
    """
    _check_size(num_classes, size)
    if len(ranks) and not (ranks.min() >= 0 and ranks.max() < num_classes):
        raise ProtocolError(
            f"draws of {size} of {num_classes} classes",
            found=f"ranks from {ranks.min()} to {ranks.max()}",
            fix="rank the truth among all classes",
        )
    return _chance_by_rank(num_classes - 1, size - 1, k)[ranks]


def expected_mean_per_class(
    ranks: NDArray[np.int64], labels: NDArray[np.int64], num_classes: int, size: int, *, k: int
) -> float | None:
    """Return the exact expectation over all draws of the mean of the class accuracies.

    Args:
        ranks: ``(V,)`` as for :func:`expected_over_draws`.
        labels: ``(V,)`` int64, the class of each video, 0 to ``num_classes - 1``.
        num_classes: All classes.
        size: Classes in a draw.
        k: How many of the best classes may hold the truth.

    Returns:
        The expectation, or None where a class has no video: draws then average over varying
        numbers of classes.

    Raises:
        ProtocolError: The draw is empty or larger than the classes, or a rank is impossible.
    """
    chances = expected_over_draws(ranks, num_classes, size, k=k)
    counts = np.bincount(labels, minlength=num_classes)
    if not counts.all():
        return None
    return float((np.bincount(labels, weights=chances, minlength=num_classes) / counts).mean())


def rivals_of_truth(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return ``(V, C)``, whether each class scores as high as the video's own or higher.

    Args:
        scores: ``(V, C)``, higher is better.
        labels: ``(V,)`` int64, column of each video's true class.
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    return np.asarray(scores >= own)


def micro_over_draws(
    rivals: NDArray[np.bool_],
    labels: NDArray[np.int64],
    *,
    size: int,
    k: int,
    draws: int = 1000,
    seed: int = 0,
) -> DrawEstimate:
    """Estimate the accuracy over videos in a random draw of classes.

    Args:
        rivals: ``(V, C)`` bool from :func:`rivals_of_truth`; a video's own class is True.
        labels: ``(V,)`` int64, column of each video's true class.
        size: Classes in a draw.
        k: How many of the best classes may hold the truth.
        draws: Independent draws, two or more.
        seed: Seed of the draws.

    Raises:
        ProtocolError: The draw is empty or larger than the classes, or fewer than two draws held
            a video.
    """
    chosen = _random_draws(rivals.shape[1], size, draws, seed)
    return _over_draws(rivals, labels, chosen, k=k, average="videos")


def macro_over_draws(
    rivals: NDArray[np.bool_],
    labels: NDArray[np.int64],
    *,
    size: int,
    k: int,
    draws: int = 1000,
    seed: int = 0,
) -> DrawEstimate:
    """Estimate the mean per class in a random draw: the check on the exact expectation.

    Arguments and errors are those of :func:`micro_over_draws`.
    """
    chosen = _random_draws(rivals.shape[1], size, draws, seed)
    return _over_draws(rivals, labels, chosen, k=k, average="classes")


def _over_draws(
    rivals: NDArray[np.bool_],
    labels: NDArray[np.int64],
    chosen: NDArray[np.float32],
    *,
    k: int,
    average: Average,
) -> DrawEstimate:
    num_classes, draws = chosen.shape
    counts = np.bincount(labels, minlength=num_classes).astype(np.float64)
    weights = counts if average == "videos" else (counts > 0).astype(np.float64)
    per_video = np.divide(weights, counts, out=np.zeros(num_classes), where=counts > 0)[labels]
    table, totals, sums = rivals.astype(np.float32), weights @ chosen, np.zeros(draws)
    step = max(_CHUNK_CELLS // max(len(labels), 1), 1)
    for first in range(0, draws, step):
        part = chosen[:, first : first + step]
        right = table @ part < k + 0.5
        right &= (part > 0)[labels]
        sums[first : first + step] = (
            np.count_nonzero(right, axis=0) if average == "videos" else per_video @ right
        )
    values = sums[totals > 0] / totals[totals > 0]
    if len(values) < 2:
        raise ProtocolError(
            f"{draws} draws of {int(chosen[:, :1].sum())} of {num_classes} classes",
            found=f"{len(values)} draws that hold a video",
            fix="give more videos or more draws",
        )
    return DrawEstimate(
        mean=float(values.mean()),
        std=float(values.std()),
        monte_carlo_error=float(values.std(ddof=1)) / len(values) ** 0.5,
        draws=len(values),
    )


def _random_draws(num_classes: int, size: int, draws: int, seed: int) -> NDArray[np.float32]:
    """Return ``(num_classes, draws)``, 1 for a class that a draw holds."""
    _check_size(num_classes, size)
    keys = np.random.default_rng(seed).random((num_classes, draws))
    return (keys.argsort(axis=0).argsort(axis=0) < size).astype(np.float32)


def _chance_by_rank(others: int, taken: int, k: int) -> NDArray[np.float64]:
    """Return for r = 0 to ``others`` the chance that fewer than k of r rivals are taken.

    The term for i rivals taken starts at r = i and follows from r to r + 1 by the factor
    (r + 1) / (r + 1 - i) * (others - r - (taken - i)) / (others - r); in logarithms, so that
    nothing overflows or is lost.
    """
    chances = np.zeros(others + 1)
    start = 0.0
    for i in range(min(k, taken + 1)):
        if i:
            start += float(np.log((taken - i + 1) / (others - i + 1)))
        last = others - (taken - i)
        ranks = np.arange(i, last, dtype=np.float64)
        steps = (ranks + 1.0) / (ranks + 1.0 - i) * (last - ranks) / (others - ranks)
        logs = start + np.concatenate([[0.0], np.cumsum(np.log(steps))])
        chances[i : last + 1] += np.exp(logs)
    return np.minimum(chances if k <= taken else np.ones(others + 1), 1.0)


def _check_size(num_classes: int, size: int) -> None:
    if not 1 <= size <= num_classes:
        raise ProtocolError(
            f"draws of {size} of {num_classes} classes",
            found="no such draw",
            fix="draw at least one class and at most all",
        )
