"""Ranks of the truth in every trial of a protocol, from one pass over the score matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ProtocolError, ResultError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from zsl_bench.protocols.protocol import Protocol, Trial
    from zsl_bench.scoring import ScoreMatrix

_CHUNK_ENTRIES = 4_000_000


@dataclass(frozen=True, kw_only=True)
class ListedVideos:
    """One named list of a data set's videos.

    Attributes:
        ids: The ids of its videos.
        expected: How many videos each class has on the list, those that are missing included.
    """

    ids: frozenset[str]
    expected: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialRanks:
    """Where the truth stands among a trial's candidates, for each of its videos.

    Attributes:
        trial: The trial.
        rows: ``(n,)`` int64, positions of its videos in the score matrix.
        labels: ``(n,)`` int64, the true classes as positions in ``trial.classes``.
        ranks: ``(n,)`` int64, how many other candidates score as high as the truth or higher; right
            among the first k where below k, so that a tie never helps.
    """

    trial: Trial
    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    ranks: NDArray[np.int64]


def rank_trials(
    matrix: ScoreMatrix, protocol: Protocol, *, lists: Mapping[str, ListedVideos] | None = None
) -> tuple[TrialRanks, ...]:
    """Rank the truth among the candidates of every trial.

    The comparison of each score with that of the truth is made once, for all trials.

    Args:
        matrix: Scores of the videos at hand against the data set's full class list, and against the
            distractors where the protocol has some.
        protocol: The trials.
        lists: Named video lists. A trial with another list than these, or without one, takes every
            row of its classes: the matrix then is that list.

    Raises:
        ResultError: The matrix lacks a column for a candidate.
        ProtocolError: The trials take different lists and not all are given.
    """
    lists = lists or {}
    _check_lists(protocol, lists)
    columns = [_columns(matrix, trial) for trial in protocol.trials]
    ranks = _all_ranks(matrix, columns)
    listed = {
        name: np.fromiter((v in lists[name].ids for v in matrix.video_ids), dtype=np.bool_)
        for name in {trial.videos for trial in protocol.trials} & set(lists)
        if name is not None
    }
    ranked = []
    for number, (trial, own) in enumerate(zip(protocol.trials, columns, strict=True)):
        place = np.full(len(matrix.classes), -1, dtype=np.int64)
        place[own[: len(trial.classes)]] = np.arange(len(trial.classes))
        labels = place[matrix.labels]
        counts = labels >= 0
        if trial.videos in listed:
            counts &= listed[trial.videos]
        rows = np.flatnonzero(counts)
        ranked.append(
            TrialRanks(trial=trial, rows=rows, labels=labels[rows], ranks=ranks[rows, number])
        )
    return tuple(ranked)


def _check_lists(protocol: Protocol, lists: Mapping[str, ListedVideos]) -> None:
    named = {trial.videos for trial in protocol.trials}
    lacking = sorted(str(name) for name in named - set(lists))
    if len(named) > 1 and lacking:
        raise ProtocolError(
            f"protocol {protocol.id} on {protocol.dataset}",
            found=f"trials over different videos, and no list {lacking[0]}",
            fix="give every list that the protocol names",
        )


def _columns(matrix: ScoreMatrix, trial: Trial) -> NDArray[np.int64]:
    position = {name: i for i, name in enumerate(matrix.classes)}
    lacking = [name for name in trial.candidates if name not in position]
    if lacking:
        raise ResultError(
            f"scores for {len(trial.candidates)} candidates",
            found=f"no column for {lacking[0]!r}",
            fix="score the model against the data set's full class list and the distractors",
        )
    return np.array([position[name] for name in trial.candidates], dtype=np.int64)


def _all_ranks(matrix: ScoreMatrix, columns: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return ``(V, T)`` ranks; the counts are far below 2**24, so exact in float32."""
    num_videos, num_classes = matrix.scores.shape
    chosen = np.zeros((num_classes, len(columns)), dtype=np.float32)
    for trial, own in enumerate(columns):
        chosen[own, trial] = 1.0
    ranks = np.empty((num_videos, len(columns)), dtype=np.int64)
    step = max(_CHUNK_ENTRIES // max(num_classes, 1), 1)
    for start in range(0, num_videos, step):
        part = slice(start, start + step)
        rivals = matrix.rivals[part].astype(np.float32)
        ranks[part] = np.rint(rivals @ chosen).astype(np.int64) - 1
    return ranks
