"""Score evidence under protocols: accuracy, uncertainty, expectation, contamination."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zsl_bench.assessment.contamination import contamination
from zsl_bench.errors import ProtocolError
from zsl_bench.protocols import Trial, rank_trials, score_generalised, score_protocol
from zsl_bench.uncertainty import (
    Outcomes,
    expected_mean_per_class,
    expected_over_draws,
    interval,
    micro_over_draws,
    rivals_of_truth,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.assessment.evidence import Evidence
    from zsl_bench.protocols import Protocol, TrialRanks
    from zsl_bench.verdict import Verdict

LEVEL, REPLICATES, SEED = 0.95, 399, 0
DRAWS = 1000
_Expectations = dict[tuple[int, str | None], dict[str, Any] | None]
_FIGURES: tuple[tuple[str, int, Literal["videos", "classes"]], ...] = (
    ("top1", 1, "videos"),
    ("top5", 5, "videos"),
    ("mean_per_class", 1, "classes"),
)


def assess(evidence: Evidence, protocols: Sequence[Protocol]) -> dict[str, dict[str, Any]]:
    """Score evidence under every protocol.

    Returns:
        For each protocol id what a result file holds: its definition, the scores of every trial,
        their mean and population standard deviation, 95% intervals, the exact expectation over
        all draws where the trials are draws, and the accuracy of clean and of overlapping rows
        under every rule.

    Raises:
        ProtocolError: A protocol needs held-out videos of training classes, and there are none.
        ResultError: The matrix lacks a class of a protocol.
    """
    expectations: _Expectations = {}
    return {protocol.id: _assess_one(evidence, protocol, expectations) for protocol in protocols}


def verdicts_of(verdicts: Sequence[Verdict], protocol: Protocol) -> tuple[Verdict, ...]:
    """Return what each rule says of the test classes of a protocol's trials."""
    names = {name for trial in protocol.trials for name in trial.classes}
    return tuple(verdict.within(names) for verdict in verdicts)


def trial_outcomes(evidence: Evidence, ranked: Sequence[TrialRanks], k: int) -> Outcomes:
    """Return which rows are right among the first ``k`` in which trial."""
    shape = (len(evidence.groups), len(ranked))
    values, present = np.zeros(shape), np.zeros(shape, dtype=bool)
    for column, trial in enumerate(ranked):
        present[trial.rows, column] = True
        values[trial.rows, column] = trial.ranks < k
    return Outcomes(
        values=values,
        present=present,
        classes=evidence.matrix.labels,
        groups=evidence.group_codes,
    )


def _assess_one(
    evidence: Evidence, protocol: Protocol, expectations: _Expectations
) -> dict[str, Any]:
    matrix = evidence.matrix
    ranked = rank_trials(matrix, protocol, lists=evidence.lists)
    scored = score_protocol(
        matrix, protocol, expected=evidence.expected, lists=evidence.lists, ranked=ranked
    )
    verdicts = verdicts_of(evidence.verdicts, protocol)
    entry: dict[str, Any] = {
        "source": protocol.source,
        "metric": protocol.metric,
        "classes": [list(trial.classes) for trial in protocol.trials],
        "videos": [trial.videos for trial in protocol.trials],
        "distractors": list(protocol.trials[0].distractors),
        **scored.to_json(),
        "verdicts": [
            {
                "rule": verdict.rule,
                "finding": verdict.finding,
                "num_seen": len(verdict.seen),
                "num_unjudged": len(verdict.unjudged),
            }
            for verdict in verdicts
        ],
        "uncertainty": _uncertainty(evidence, ranked),
        "expectation": _expectation(evidence, protocol, expectations),
        "contamination": [
            contamination(matrix, ranked, protocol, verdict, evidence.group_codes)
            for verdict in verdicts
        ],
    }
    if evidence.overlapping:
        entry["without_overlapping_segments"] = _without_overlapping(evidence, protocol, ranked)
    if protocol.metric == "harmonic_mean":
        entry["generalised"] = _generalised(evidence, protocol)
    return entry


def _uncertainty(evidence: Evidence, ranked: Sequence[TrialRanks]) -> dict[str, Any]:
    figures = {}
    for name, k, average in _FIGURES:
        outcomes = trial_outcomes(evidence, ranked, k)
        figures[name] = {
            resample: _as_json(_interval(outcomes, average, resample))
            for resample in ("groups", "classes")
        }
    return {"level": LEVEL, "replicates": REPLICATES, "seed": SEED, **figures}


def _expectation(
    evidence: Evidence, protocol: Protocol, known: _Expectations
) -> dict[str, Any] | None:
    """Return the expectation over all draws of that size, where the trials are draws."""
    if protocol.drawn_size is None:
        return None
    videos = protocol.trials[0].videos
    key = (protocol.drawn_size, videos if videos in evidence.lists else None)
    if key not in known:
        whole = Trial(classes=evidence.classes.names, videos=videos)
        alone = replace(protocol, trials=(whole,))
        (full,) = rank_trials(evidence.matrix, alone, lists=evidence.lists)
        known[key] = _over_all_draws(evidence, full, protocol.drawn_size)
    return known[key]


def _over_all_draws(evidence: Evidence, full: TrialRanks, size: int) -> dict[str, Any] | None:
    num_classes = len(evidence.classes)
    if not len(full.rows):
        return None
    figures: dict[str, Any] = {
        "draw_size": size,
        "num_classes": num_classes,
        "num_videos": len(full.rows),
    }
    for name, k in (("mean_per_class", 1), ("mean_per_class_top5", 5)):
        figures[name] = _expected_macro(evidence, full, size, k)
    scores = evidence.matrix.scores[full.rows, :num_classes]
    rivals = rivals_of_truth(scores, full.labels)
    for name, k in (("top1", 1), ("top5", 5)):
        estimate = micro_over_draws(rivals, full.labels, size=size, k=k, draws=DRAWS, seed=SEED)
        figures[name] = estimate.to_json()
    return figures


def _expected_macro(
    evidence: Evidence, full: TrialRanks, size: int, k: int
) -> dict[str, Any] | None:
    num_classes = len(evidence.classes)
    value = expected_mean_per_class(full.ranks, full.labels, num_classes, size, k=k)
    if value is None:
        return None
    outcomes = Outcomes(
        values=expected_over_draws(full.ranks, num_classes, size, k=k)[:, None],
        present=np.ones((len(full.rows), 1), dtype=bool),
        classes=full.labels,
        groups=evidence.group_codes[full.rows],
    )
    return {
        "value": value,
        "groups": _as_json(_interval(outcomes, "classes", "groups")),
        "classes": _as_json(_interval(outcomes, "classes", "classes")),
    }


def _without_overlapping(
    evidence: Evidence, protocol: Protocol, ranked: Sequence[TrialRanks]
) -> dict[str, Any]:
    """Return the means over the segments that share no time with one of another label."""
    alone = np.array([name not in evidence.overlapping for name in evidence.matrix.video_ids])
    kept = tuple(
        replace(
            trial,
            rows=trial.rows[alone[trial.rows]],
            labels=trial.labels[alone[trial.rows]],
            ranks=trial.ranks[alone[trial.rows]],
        )
        for trial in ranked
    )
    mean = score_protocol(evidence.matrix, protocol, ranked=kept).mean
    figures = {name: mean[name] for name in ("top1", "top5", "mean_per_class")}
    return {"segments_left_out": int((~alone).sum()), **figures}


def _generalised(evidence: Evidence, protocol: Protocol) -> dict[str, Any]:
    if evidence.seen is None:
        raise ProtocolError(
            f"protocol {protocol.id} on {protocol.dataset}",
            found="no held-out videos of training classes",
            fix="give them with --seen; the harmonic mean needs both accuracies",
        )
    (trial,) = protocol.trials
    scores = score_generalised(
        evidence.matrix.restrict(trial.candidates),
        evidence.seen.restrict(trial.candidates),
        num_test_classes=len(trial.classes),
    )
    return scores.to_json()


def _interval(outcomes: Outcomes, average: Any, resample: Any) -> Any:  # noqa: ANN401
    return interval(
        outcomes, average=average, resample=resample, level=LEVEL, replicates=REPLICATES, seed=SEED
    )


def _as_json(value: Any) -> dict[str, Any] | None:  # noqa: ANN401
    return None if value is None else asdict(value)
