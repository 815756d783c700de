"""Accuracy as the classes near to the training classes are left out, step by step.

Two curves, told apart by name: rows that are clean at an overlap threshold (distance to the nearest
declared class), and the paper's Fig. 7 (mean distance to the ten nearest declared classes).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.assessment.candidates import ranks_within
from zsl_bench.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zsl_bench.protocols import Protocol, TrialRanks
    from zsl_bench.scoring import ScoreMatrix
    from zsl_bench.verdict import ClassDistances

OVERLAP, NEAREST = "overlap", "nearest-10"
CURVES = (OVERLAP, NEAREST)
_CLEAN = "clean rows by overlap threshold (minimum distance)"
_NOT_FOUND = "rows not found by overlap threshold (minimum distance)"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Steps:
    """Which classes are kept at which threshold.

    Attributes:
        thresholds: ``(J,)`` float64, ascending.
        ends: ``(J,)`` float64, the largest threshold that a step reaches or ends before.
        kept: ``(C, J)`` bool, by column of the matrix; no distractor is ever kept.
    """

    thresholds: NDArray[np.float64]
    ends: NDArray[np.float64]
    kept: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class _TrialCurve:
    """The figures of one trial at every threshold, ``(J,)`` each; nan where no row is left."""

    num_classes: NDArray[np.float64]
    num_candidates: NDArray[np.float64]
    num_videos: NDArray[np.float64]
    top1: NDArray[np.float64]
    mean_per_class: NDArray[np.float64]


def curves(
    matrix: ScoreMatrix,
    ranked: Sequence[TrialRanks],
    protocol: Protocol,
    distances: ClassDistances,
    *,
    restricted: bool = False,
    clean_is_known: bool = True,
) -> dict[str, Any]:
    """Return both curves of a protocol as exact step functions.

    A curve has a point at every distance that a test class of the protocol has, so that it is known
    at every threshold. ``overlap`` keeps the classes at or above the threshold (below it is
    overlapping, as in the audit): a point holds from the point before it, exclusive, up to its own
    threshold. ``nearest-10`` keeps the classes whose mean distance exceeds the threshold (paper
    Fig. 7): a point, the first at 0, holds from its own threshold up to the next point's,
    exclusive. Thresholds that leave no row have no point. For protocols of several trials a figure
    is the mean over the trials that have a row left.

    Args:
        matrix: Scores of all rows.
        ranked: The protocol's trials, as ``rank_trials`` gives them.
        protocol: The protocol.
        distances: Distances of the test classes to the declared ones.
        restricted: Take only the classes kept as candidates, without distractors; else all the
            trial's candidates stay at every threshold.
        clean_is_known: Whether all fields are declared, so that rows far from the declared classes
            are clean; else they are rows that were not found, and the first curve says so.

    Returns:
        JSON: ``protocol``, ``restricted``, ``clean_is_known``, ``approximate_classes`` (those of
        the protocol whose nearest distance rests on a stand-in), and ``curves``: for each its
        ``kind``, ``name``, ``keeps``, ``points`` with threshold, trials, classes, candidates,
        chance, videos, top-1 and mean per class, and ``end``, the threshold from which
        (``nearest-10``) or above which (``overlap``) no row is left.

    Raises:
        ResultError: The distances lack a class of the protocol.
    """
    tested = {name for trial in ranked for name in trial.trial.classes}
    found = [_curve(kind, matrix, ranked, distances, restricted=restricted) for kind in CURVES]
    if not clean_is_known:
        found[0]["name"] = _NOT_FOUND
    return {
        "protocol": protocol.id,
        "restricted": restricted,
        "clean_is_known": clean_is_known,
        "num_declared": distances.num_declared,
        "approximate_classes": [name for name in distances.approximate_classes if name in tested],
        "curves": found,
    }


def _curve(
    kind: str,
    matrix: ScoreMatrix,
    ranked: Sequence[TrialRanks],
    distances: ClassDistances,
    *,
    restricted: bool,
) -> dict[str, Any]:
    steps = _steps(kind, matrix, ranked, distances)
    points = _points(matrix, ranked, steps, restricted=restricted)
    end = float(steps.ends[len(points) - 1]) if points else 0.0
    return {**_described(kind, distances), "points": points, "end": end}


def _described(kind: str, distances: ClassDistances) -> dict[str, str]:
    if kind == OVERLAP:
        return {
            "kind": kind,
            "name": _CLEAN,
            "keeps": "classes at least the threshold away from the nearest declared class",
        }
    nearest = f"{distances.neighbours} nearest declared classes"
    return {
        "kind": kind,
        "name": f"mean distance to the {nearest} (paper Fig. 7)",
        "keeps": f"classes whose mean distance to the {nearest} exceeds the threshold",
    }


def _steps(
    kind: str, matrix: ScoreMatrix, ranked: Sequence[TrialRanks], distances: ClassDistances
) -> _Steps:
    values = distances.nearest if kind == OVERLAP else distances.nearest_mean
    of = dict(zip(distances.classes, values.tolist(), strict=True))
    tested = {name for trial in ranked for name in trial.trial.classes}
    unknown = sorted(tested - of.keys())
    if unknown:
        raise ResultError(
            f"curves over {len(tested)} classes",
            found=f"no distance for {unknown[0]!r}",
            fix="measure the distances of the data set's full class list",
        )
    column = np.array([of[name] if name in tested else -1.0 for name in matrix.classes])
    found = np.unique([of[name] for name in tested])
    if kind == OVERLAP:
        return _Steps(thresholds=found, ends=found, kept=column[:, None] >= found)
    thresholds = np.unique([0.0, *found[:-1]])
    ends = np.append(thresholds[1:], found[-1])
    return _Steps(thresholds=thresholds, ends=ends, kept=column[:, None] > thresholds)


def _points(
    matrix: ScoreMatrix, ranked: Sequence[TrialRanks], steps: _Steps, *, restricted: bool
) -> list[dict[str, float]]:
    trials = [_trial_curve(matrix, trial, steps, restricted=restricted) for trial in ranked]
    points = []
    for number, threshold in enumerate(steps.thresholds.tolist()):
        having = [trial for trial in trials if trial.num_videos[number]]
        if not having:
            continue
        figures = {
            name: fmean(getattr(trial, name)[number] for trial in having)
            for name in ("num_classes", "num_candidates", "num_videos", "top1", "mean_per_class")
        }
        chance = fmean(1.0 / trial.num_candidates[number] for trial in having)
        points.append(
            {"threshold": threshold, "num_trials": len(having), "chance": chance, **figures}
        )
    return points


def _trial_curve(
    matrix: ScoreMatrix, trial: TrialRanks, steps: _Steps, *, restricted: bool
) -> _TrialCurve:
    position = {name: column for column, name in enumerate(matrix.classes)}
    own = np.array([position[name] for name in trial.trial.classes])
    kept = steps.kept[own]
    sizes = kept.sum(axis=0).astype(np.float64)
    if restricted:
        sets = np.zeros_like(steps.kept)
        sets[own] = kept
        right = ranks_within(matrix, trial.rows, sets) == 0
        candidates = sizes
    else:
        right = np.broadcast_to((trial.ranks == 0)[:, None], (len(trial.ranks), len(sizes)))
        candidates = np.full(len(sizes), float(len(trial.trial.candidates)))
    counts = np.bincount(trial.labels, minlength=len(own)).astype(np.float64)
    hits = _sum_by_class(right, trial.labels, len(own)) * kept
    videos = counts @ kept
    with_videos = (counts > 0).astype(np.float64) @ kept
    accuracy = hits / np.maximum(counts, 1.0)[:, None]
    return _TrialCurve(
        num_classes=sizes,
        num_candidates=candidates,
        num_videos=videos,
        top1=hits.sum(axis=0) / np.maximum(videos, 1.0),
        mean_per_class=accuracy.sum(axis=0) / np.maximum(with_videos, 1.0),
    )


def _sum_by_class(
    right: NDArray[np.bool_], labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.float64]:
    """Return ``(num_classes, J)`` counts of right rows of each class."""
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    sums = np.zeros((num_classes, right.shape[1]))
    if len(order):
        sums[present] = np.add.reduceat(right[order], starts, axis=0, dtype=np.float64)
    return sums


def point_at(curve: Mapping[str, Any], threshold: float) -> dict[str, Any] | None:
    """Return the point of a curve that holds at a threshold, or None where no row is left.

    Args:
        curve: One of the ``curves`` that :func:`curves` gives.
        threshold: A cosine distance, 0 to 2.
    """
    points: Sequence[dict[str, Any]] = curve["points"]
    if curve["kind"] == OVERLAP:
        return next((point for point in points if point["threshold"] >= threshold), None)
    if threshold >= curve["end"]:
        return None
    return next((point for point in reversed(points) if point["threshold"] <= threshold), None)
