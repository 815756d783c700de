"""Score a matrix under a protocol: rank, count, average."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.protocols.ranking import rank_trials
from zsl_bench.scoring import accuracy, mean_per_class, per_class_accuracy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zsl_bench.protocols.protocol import Protocol
    from zsl_bench.protocols.ranking import ListedVideos, TrialRanks
    from zsl_bench.scoring import ScoreMatrix

TOP_KS = (1, 5)


@dataclass(frozen=True, kw_only=True)
class TrialScores:
    """The scores of one trial.

    Where videos are missing, ``top1`` and ``top5`` are over the videos that were scored; the
    bounds count every missing video as wrong (first) and as right (second).

    Attributes:
        num_classes: Candidates, the distractors among them.
        num_distractors: Candidates that are no video's truth.
        videos: Name of the video list that counts; None for every video at hand.
        num_videos: Videos scored.
        num_expected: Videos that the trial's classes have on the whole list.
        chance: Top-1 accuracy of guessing.
        top1: Share of scored videos that are right; None where none was scored.
        top5: Share of scored videos with the truth among the five best.
        top1_bounds: Top-1 with missing videos wrong, and with missing videos right.
        top5_bounds: The same for top-5.
        mean_per_class: Mean of the per-class top-1 over classes that have a video.
        per_class: For each class with a video its number of videos and its top-1.
    """

    num_classes: int
    num_distractors: int
    videos: str | None
    num_videos: int
    num_expected: int
    chance: float
    top1: float | None
    top5: float | None
    top1_bounds: tuple[float, float] | None
    top5_bounds: tuple[float, float] | None
    mean_per_class: float | None
    per_class: dict[str, tuple[int, float]]


@dataclass(frozen=True, kw_only=True)
class ProtocolScores:
    """The scores of all trials, and their mean and population standard deviation.

    Attributes:
        protocol: Id of the protocol.
        version: Its version.
        sha256: Digest of its class lists.
        dataset: The data set.
        metric: The figure that the protocol publishes.
        averaging: How the protocol turns its trials into one number.
        trials: One entry a trial.
        unscorable: Positions of trials whose classes have no video.
        mean: Mean over the scorable trials of each figure, of the bounds over all trials; None
            where there is none.
        std: Population standard deviation (ddof 0) over the scorable trials, as published.
    """

    protocol: str
    version: int
    sha256: str
    dataset: str
    metric: str
    averaging: str
    trials: tuple[TrialScores, ...]
    unscorable: tuple[int, ...]
    mean: dict[str, float | None]
    std: dict[str, float | None]

    def to_json(self) -> dict[str, object]:
        """Return the scores as JSON holds them."""
        return asdict(self)


def score_protocol(
    matrix: ScoreMatrix,
    protocol: Protocol,
    *,
    expected: Mapping[str, int] | None = None,
    lists: Mapping[str, ListedVideos] | None = None,
    ranked: tuple[TrialRanks, ...] | None = None,
) -> ProtocolScores:
    """Score a matrix over the full class list under a protocol.

    Candidates are always the protocol's frozen lists; a missing video costs a row, never a column.
    Only videos of test classes are scored: the harmonic mean needs others as well and comes from
    :func:`zsl_bench.protocols.score_generalised`.

    Args:
        matrix: Scores of the videos at hand against the data set's full class list, and against the
            distractors where the protocol has some.
        protocol: What to restrict to.
        expected: How many videos each class has among all those that the matrix should hold; where
            None, the videos at hand are all there are.
        lists: Named video lists; a trial over one of them takes its rows and its expected videos.
        ranked: What :func:`rank_trials` returned for the same matrix, protocol and lists, where it
            is at hand.

    Raises:
        ResultError: The matrix lacks a class of the protocol.
        ProtocolError: The trials take different lists and not all are given.
    """
    if ranked is None:
        ranked = rank_trials(matrix, protocol, lists=lists)
    listed = {name: videos.expected for name, videos in (lists or {}).items()}
    trials = tuple(
        _score_trial(
            one, expected if one.trial.videos is None else listed.get(one.trial.videos, expected)
        )
        for one in ranked
    )
    scorable = [trial for trial in trials if trial.num_videos]
    figures: dict[str, list[float | None]] = {
        "top1": [t.top1 for t in scorable],
        "top5": [t.top5 for t in scorable],
        "mean_per_class": [t.mean_per_class for t in scorable],
        "top1_lower": [t.top1_bounds[0] for t in trials if t.top1_bounds],
        "top1_upper": [t.top1_bounds[1] for t in trials if t.top1_bounds],
        "top5_lower": [t.top5_bounds[0] for t in trials if t.top5_bounds],
        "top5_upper": [t.top5_bounds[1] for t in trials if t.top5_bounds],
    }
    return ProtocolScores(
        protocol=protocol.id,
        version=protocol.version,
        sha256=protocol.sha256,
        dataset=protocol.dataset,
        metric=protocol.metric,
        averaging=protocol.averaging,
        trials=trials,
        unscorable=tuple(i for i, trial in enumerate(trials) if not trial.num_videos),
        mean={name: _mean(values) for name, values in figures.items()},
        std={name: _std(values) for name, values in figures.items()},
    )


def _score_trial(ranked: TrialRanks, expected: Mapping[str, int] | None) -> TrialScores:
    trial, ranks = ranked.trial, ranked.ranks
    names, num_videos = trial.classes, len(ranks)
    listed = num_videos if expected is None else sum(expected[name] for name in names)
    per_class = per_class_accuracy(ranks, ranked.labels, len(names))
    counts = np.bincount(ranked.labels, minlength=len(names))
    bounds = [_bounds(int((ranks < k).sum()), num_videos, listed) for k in TOP_KS]
    return TrialScores(
        num_classes=len(trial.candidates),
        num_distractors=len(trial.distractors),
        videos=trial.videos,
        num_videos=num_videos,
        num_expected=listed,
        chance=1.0 / len(trial.candidates),
        top1=accuracy(ranks, 1),
        top5=accuracy(ranks, 5),
        top1_bounds=bounds[0],
        top5_bounds=bounds[1],
        mean_per_class=mean_per_class(per_class),
        per_class={
            name: (int(count), value)
            for name, count, value in zip(names, counts, per_class, strict=True)
            if value is not None
        },
    )


def _bounds(right: int, scored: int, listed: int) -> tuple[float, float] | None:
    missing = max(listed - scored, 0)
    total = scored + missing
    if not total:
        return None
    return right / total, (right + missing) / total


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _std(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.std(known)) if known else None
