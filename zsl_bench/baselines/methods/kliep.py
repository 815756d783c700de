"""How much likelier a sample is among target samples: a density ratio by KLIEP.

Kullback-Leibler importance estimation (Sugiyama et al., 2008): a mixture of Gaussian bumps around
target samples, whose mean over the samples is 1, is made as likely as can be at the targets. In
shares of that mean the problem is a mixture's, so expectation maximisation solves it; each round
keeps the constraint and cannot lower the likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

CENTRES = 100
"""Target samples that have a bump."""
ROUNDS = 300
WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Widths that are tried, in median distances from a centre to a sample."""
_FOLDS = 5
_TOLERANCE = 1e-7
_TINY = 1e-300
_BARELY = 1e-12
_SAMPLES_FOR_MEDIAN = 2000
_DRAW = 90


@dataclass(frozen=True, kw_only=True, eq=False)
class DensityRatio:
    """Target density over sample density.

    Attributes:
        centres: ``(B, d)``.
        heights: ``(B,)`` of the bumps, none below 0.
        width: Their sigma.
    """

    centres: Matrix
    heights: Matrix
    width: float

    def at(self, rows: Matrix) -> Matrix:
        """Return the ratio at rows ``(N, d)``: ``(N,)``, none below 0."""
        ratio: Matrix = _bumps(rows, self.centres, self.width) @ self.heights
        return ratio


def kliep(
    samples: Matrix,
    targets: Matrix,
    *,
    seed: int,
    centres: int = CENTRES,
    width: float | None = None,
) -> DensityRatio:
    """Estimate how much likelier samples are among the targets; the mean over them is 1.

    Args:
        samples: ``(N, d)``.
        targets: ``(M, d)``.
        seed: Of the centres and of the parting for cross-validation.
        centres: Target samples that have a bump, at most.
        width: Sigma; None chooses it by the likelihood of held-out targets.

    Raises:
        DatasetError: No sample is anywhere near a target.
    """
    generator = np.random.default_rng([seed, _DRAW])
    count = min(centres, len(targets))
    chosen = targets[np.sort(generator.choice(len(targets), size=count, replace=False))]
    if width is None:
        width = _chosen_width(samples, targets, chosen, generator)
    means = _bumps(samples, chosen, width).mean(axis=0)
    near = means > _BARELY
    if not near.any():
        raise DatasetError(
            f"weights of {len(samples)} samples by {len(targets)} targets",
            found=f"no sample within reach of a target at width {width:g}",
            fix="set a larger width, or leave the weights out",
        )
    shares = _shares(_bumps(targets, chosen[near], width) / means[near])
    return DensityRatio(centres=chosen[near], heights=shares / means[near], width=float(width))


def _chosen_width(
    samples: Matrix, targets: Matrix, centres: Matrix, generator: np.random.Generator
) -> float:
    from scipy.spatial.distance import cdist

    some = generator.permutation(len(samples))[:_SAMPLES_FOR_MEDIAN]
    median = float(np.median(cdist(centres, samples[some]))) or 1.0
    if len(targets) < 2:
        return median
    folds = np.array_split(generator.permutation(len(targets)), min(_FOLDS, len(targets)))
    widths = [factor * median for factor in WIDTHS]
    return max(widths, key=lambda width: _held_out(samples, targets, centres, (width, folds)))


def _held_out(
    samples: Matrix,
    targets: Matrix,
    centres: Matrix,
    trial: tuple[float, list[NDArray[np.intp]]],
) -> float:
    width, folds = trial
    means = _bumps(samples, centres, width).mean(axis=0)
    near = means > _BARELY
    if not near.any():
        return -np.inf
    bumps = _bumps(targets, centres[near], width) / means[near]
    likelihoods = []
    for fold in folds:
        shares = _shares(np.delete(bumps, fold, axis=0))
        likelihoods.append(float(np.log(np.maximum(bumps[fold] @ shares, _TINY)).mean()))
    return fmean(likelihoods)


def _shares(bumps: Matrix) -> Matrix:
    shares = np.full(bumps.shape[1], 1 / bumps.shape[1])
    before = -np.inf
    for _ in range(ROUNDS):
        ratio = np.maximum(bumps @ shares, _TINY)
        likelihood = float(np.log(ratio).mean())
        if likelihood - before < _TOLERANCE:
            break
        before = likelihood
        grown = shares * (bumps.T @ (1 / ratio))
        if not grown.any():
            break
        shares = grown / grown.sum()
    return shares


def _bumps(rows: Matrix, centres: Matrix, width: float) -> Matrix:
    from scipy.spatial.distance import cdist

    bumps: Matrix = np.exp(-cdist(rows, centres, "sqeuclidean") / (2 * width**2))
    return bumps
