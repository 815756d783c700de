"""Accuracy of clean and of overlapping rows, without confounding it with the size of the task.

The rows of a protocol fall into groups by what a rule says of their true class. Each group is
scored among (a) all the protocol's candidates, (b) the candidates of its own group only, and (c)
random candidate sets of its own group, all of one common size, averaged exactly. Chance and the
number of candidates stand beside every figure; figures with different candidates are never
subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.assessment.candidates import ranks_within
from zsl_bench.uncertainty import Outcomes, expected_over_draws, interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zsl_bench.protocols import Protocol, TrialRanks
    from zsl_bench.scoring import ScoreMatrix
    from zsl_bench.uncertainty.outcomes import Average
    from zsl_bench.verdict import Verdict

CLEAN, OVERLAPPING, UNJUDGED = "clean", "overlapping", "unjudged"
GROUPS = (CLEAN, OVERLAPPING, UNJUDGED)
ALL, OWN, COMMON = "all_candidates", "own_candidates", "common_size"
CANDIDATES = (ALL, OWN, COMMON)
_AVERAGES: dict[str, Average] = {"top1": "videos", "mean_per_class": "classes"}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """The rows of one group in one trial, scored among one kind of candidate set.

    Attributes:
        rows: ``(n,)`` rows of the matrix, at least one.
        labels: ``(n,)`` columns of their true classes.
        values: ``(n,)`` float64, whether each is right, or the probability of it.
        num_classes: Classes of the group in the trial, those without a video included.
        num_candidates: Candidates.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    values: NDArray[np.float64]
    num_classes: int
    num_candidates: int

    def figures(self) -> dict[str, float]:
        """Return the accuracies with all that they must be read beside."""
        counts = np.bincount(self.labels)
        sums = np.bincount(self.labels, weights=self.values)
        found = counts > 0
        return {
            "num_candidates": self.num_candidates,
            "chance": 1.0 / self.num_candidates,
            "num_classes": self.num_classes,
            "num_videos": len(self.rows),
            "top1": float(self.values.mean()),
            "mean_per_class": float((sums[found] / counts[found]).mean()),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """The rows of one group in one trial.

    Attributes:
        rows: ``(n,)`` rows of the matrix.
        labels: ``(n,)`` columns of their true classes.
        ranks: ``(n,)`` rank of the truth among all candidates.
        own_ranks: ``(n,)`` the same among the candidates of the group.
        num_classes: Classes of the group in the trial.
        num_candidates: Candidates of the trial, distractors included.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    ranks: NDArray[np.int64]
    own_ranks: NDArray[np.int64]
    num_classes: int
    num_candidates: int

    def part(self, values: NDArray[np.bool_ | np.float64], num_candidates: int) -> _Part:
        return _Part(
            rows=self.rows,
            labels=self.labels,
            values=values.astype(np.float64),
            num_classes=self.num_classes,
            num_candidates=num_candidates,
        )


_Parts = dict[str, dict[str, _Part]]


def contamination(
    matrix: ScoreMatrix,
    ranked: Sequence[TrialRanks],
    protocol: Protocol,
    verdict: Verdict,
    groups: NDArray[np.int64],
) -> dict[str, Any]:
    """Score clean, overlapping and unjudged rows apart by one rule, within each trial.

    A group without a row in a trial gives None there, not 0, and the means are over the trials that
    have it. The common size is that of the smaller of the clean and the overlapping candidates; a
    trial that lacks rows of either has none. Distractors are candidates in (a) only, and unjudged
    rows are scored in (a) only.

    Args:
        matrix: Scores of all rows.
        ranked: The protocol's trials, as ``rank_trials`` gives them.
        protocol: The protocol.
        verdict: What the rule says.
        groups: ``(V,)`` int64, the source that each row was cut from, a number within its class.

    Returns:
        JSON. ``applies``: whether the rule judged any class of the protocol. ``clean_is_known``:
        false where a field is open or undeclared, or a curated rule says nothing of a declared data
        set, so that clean only means not found; ``silent`` names them. ``trials``:
        for each trial the common size, and the figures of each group among ``all_candidates``,
        ``own_candidates`` and candidate sets of ``common_size``. ``mean``: the same figures, each a
        mean over ``num_trials`` trials, with 95% intervals (groups resampled within class).
    """
    kinds = _kinds(matrix, verdict)
    applies = _applies(ranked, kinds, matrix, verdict)
    parts = _all_parts(matrix, ranked, kinds) if applies else []
    return {
        "rule": verdict.rule,
        "verdict": str(verdict),
        "protocol": protocol.id,
        "applies": applies,
        "note": _note(verdict, applies=applies),
        "clean_is_known": not (verdict.silent or verdict.not_covered),
        "silent": [*verdict.silent, *(f"{name}: not judged" for name in verdict.not_covered)],
        "trials": [_trial_json(trial, part) for trial, part in zip(ranked, parts, strict=True)]
        if applies
        else [],
        "mean": {name: _means(name, parts, groups) for name in GROUPS} if applies else {},
    }


def _kinds(matrix: ScoreMatrix, verdict: Verdict) -> NDArray[np.str_]:
    """Return the group of every column."""
    seen = {entry.name for entry in verdict.seen}
    unjudged = set(verdict.unjudged)
    return np.array(
        [
            OVERLAPPING if name in seen else UNJUDGED if name in unjudged else CLEAN
            for name in matrix.classes
        ]
    )


def _applies(
    ranked: Sequence[TrialRanks],
    kinds: NDArray[np.str_],
    matrix: ScoreMatrix,
    verdict: Verdict,
) -> bool:
    if not _has_declared(verdict):
        return False
    kind_of = dict(zip(matrix.classes, kinds.tolist(), strict=True))
    return any(kind_of[name] != UNJUDGED for trial in ranked for name in trial.trial.classes)


def _has_declared(verdict: Verdict) -> bool:
    """Say whether there was anything to compare: classes, or the word that there are none."""
    return bool(verdict.seen or verdict.num_declared or not verdict.silent)


def _note(verdict: Verdict, *, applies: bool) -> str:
    if applies:
        return verdict.note
    why = "no class of the protocol is judged" if _has_declared(verdict) else "no class is declared"
    return f"{why}: {verdict.note}" if verdict.note else why


def _all_parts(
    matrix: ScoreMatrix, ranked: Sequence[TrialRanks], kinds: NDArray[np.str_]
) -> list[_Parts]:
    position = {name: column for column, name in enumerate(matrix.classes)}
    sets = np.zeros((len(matrix.classes), len(ranked), len(GROUPS)), dtype=np.bool_)
    for number, trial in enumerate(ranked):
        columns = np.array([position[name] for name in trial.trial.classes])
        for kind, name in enumerate(GROUPS):
            sets[columns, number, kind] = kinds[columns] == name
    everything = np.arange(len(matrix.video_ids))
    own = ranks_within(matrix, everything, sets.reshape(len(matrix.classes), -1))
    own = own.reshape(-1, len(ranked), len(GROUPS))
    return [
        _trial_parts(
            {
                name: _rows_of(matrix, trial, sets[:, number, kind], own[:, number, kind])
                for kind, name in enumerate(GROUPS)
            }
        )
        for number, trial in enumerate(ranked)
    ]


def _rows_of(
    matrix: ScoreMatrix,
    trial: TrialRanks,
    members: NDArray[np.bool_],
    own_ranks: NDArray[np.int64],
) -> _Rows:
    counts = members[matrix.labels[trial.rows]]
    rows = trial.rows[counts]
    return _Rows(
        rows=rows,
        labels=matrix.labels[rows],
        ranks=trial.ranks[counts],
        own_ranks=own_ranks[rows],
        num_classes=int(members.sum()),
        num_candidates=len(trial.trial.candidates),
    )


def _trial_parts(by_group: dict[str, _Rows]) -> _Parts:
    size = None
    if len(by_group[CLEAN].rows) and len(by_group[OVERLAPPING].rows):
        size = min(by_group[CLEAN].num_classes, by_group[OVERLAPPING].num_classes)
    parts: _Parts = {}
    for name, of in by_group.items():
        if not len(of.rows):
            continue
        parts[name] = {ALL: of.part(of.ranks == 0, of.num_candidates)}
        if name == UNJUDGED:
            continue
        parts[name][OWN] = of.part(of.own_ranks == 0, of.num_classes)
        if size is not None:
            expected = expected_over_draws(of.own_ranks, of.num_classes, size, k=1)
            parts[name][COMMON] = of.part(expected, size)
    return parts


def _trial_json(trial: TrialRanks, parts: _Parts) -> dict[str, Any]:
    common = parts.get(CLEAN, {}).get(COMMON)
    return {
        "num_candidates": len(trial.trial.candidates),
        "num_distractors": len(trial.trial.distractors),
        "common_size": None if common is None else common.num_candidates,
        "groups": {name: _figures(parts[name]) if name in parts else None for name in GROUPS},
    }


def _figures(parts: dict[str, _Part]) -> dict[str, dict[str, float] | None]:
    return {kind: parts[kind].figures() if kind in parts else None for kind in CANDIDATES}


def _means(
    group: str, trials: Sequence[_Parts], groups: NDArray[np.int64]
) -> dict[str, Any] | None:
    """Return the means over the trials that have the group; None where no trial has it."""
    if not any(group in parts for parts in trials):
        return None
    means: dict[str, Any] = dict.fromkeys(CANDIDATES)
    known: dict[tuple[bytes, ...], dict[str, Any]] = {}
    for kind in CANDIDATES:
        having = [parts[group][kind] for parts in trials if kind in parts.get(group, {})]
        if not having:
            continue
        figures = [part.figures() for part in having]
        key = tuple(part.values.tobytes() for part in having)
        if key not in known:
            known[key] = _intervals(having, groups)
        means[kind] = {
            "num_trials": len(having),
            **{name: fmean(of[name] for of in figures) for name in figures[0]},
            "intervals": known[key],
        }
    return means


def _intervals(parts: Sequence[_Part], groups: NDArray[np.int64]) -> dict[str, Any]:
    scored = np.zeros(len(groups), dtype=np.bool_)
    for part in parts:
        scored[part.rows] = True
    rows, place = np.flatnonzero(scored), np.cumsum(scored) - 1
    shape = (len(rows), len(parts))
    values, present = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    labels = np.zeros(len(rows), dtype=np.int64)
    for trial, part in enumerate(parts):
        places = place[part.rows]
        values[places, trial] = part.values
        present[places, trial] = True
        labels[places] = part.labels
    outcomes = Outcomes(values=values, present=present, classes=labels, groups=groups[rows])
    made = {
        name: interval(outcomes, average=average, resample="groups", replicates=0)
        for name, average in _AVERAGES.items()
    }
    return {name: None if of is None else of.to_json() for name, of in made.items()}
