"""Two results on the same videos, compared under every protocol that both can be scored under."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.assessment.assess import trial_outcomes
from zsl_bench.assessment.reload import protocols_of, resolve_for
from zsl_bench.errors import ProtocolError, ResultError, listing
from zsl_bench.protocols import CUSTOM, needs_distractors, needs_seen_videos, rank_trials
from zsl_bench.scoring import ScoreMatrix
from zsl_bench.uncertainty import compare_outcomes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from zsl_bench.assessment.evidence import Evidence
    from zsl_bench.protocols import Protocol
    from zsl_bench.results import EvaluationResult
    from zsl_bench.uncertainty import ClassDifference, PairedComparison
    from zsl_bench.uncertainty.outcomes import Average

_FIGURES: tuple[tuple[str, int, Average], ...] = (
    ("top1", 1, "videos"),
    ("mean_per_class", 1, "classes"),
    ("top5", 5, "videos"),
)
_HARMONIC = (
    "it needs held-out videos of training classes, and its harmonic mean is no average over the "
    "same videos"
)


@dataclass(frozen=True, kw_only=True)
class ProtocolComparison:
    """Two models under one protocol.

    Attributes:
        protocol: Id of the protocol.
        version: Its version.
        sha256: Digest of its class lists.
        metric: The figure that the protocol publishes.
        num_trials: Trials.
        num_videos: Videos that count in a trial or more.
        figures: For ``top1``, ``mean_per_class`` and ``top5`` the comparison.
    """

    protocol: str
    version: int
    sha256: str
    metric: str
    num_trials: int
    num_videos: int
    figures: dict[str, PairedComparison]

    @property
    def per_class(self) -> tuple[ClassDifference, ...]:
        """Top-1 of both models on every class, the largest difference first."""
        entries = self.figures["top1"].per_class
        return tuple(sorted(entries, key=lambda entry: (-abs(entry.difference), entry.name)))

    def largest(self, number: int) -> tuple[ClassDifference, ...]:
        """The classes on which the two differ most; equal ones are left out."""
        return tuple(entry for entry in self.per_class if not entry.is_tie)[:number]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON holds it, the classes told once."""
        figures = {name: figure.to_json() for name, figure in self.figures.items()}
        for figure in figures.values():
            del figure["per_class"]
        classes = [{**asdict(entry), "difference": entry.difference} for entry in self.per_class]
        return {**asdict(self), "figures": figures, "per_class": classes}


def same_videos(a: Evidence, b: Evidence, *, common: bool = False) -> tuple[Evidence, Evidence]:
    """Return both with the same videos in the same order.

    Args:
        a: The first model's scores.
        b: The second's.
        common: Take the videos that both have, where the two differ in videos.

    Raises:
        ResultError: Class lists, videos, labels or sources differ, or no video is in both.
    """
    asked = f"compare results on {a.classes.dataset} and {b.classes.dataset}"
    if a.classes.names != b.classes.names:
        raise ResultError(
            asked,
            found="different class lists",
            fix="compare two results on one data set",
        )
    _check_videos(a.matrix.video_ids, b.matrix.video_ids, asked, common=common)
    place = {video: row for row, video in enumerate(b.matrix.video_ids)}
    rows = np.array([i for i, v in enumerate(a.matrix.video_ids) if v in place], dtype=np.int64)
    others = np.array([place[a.matrix.video_ids[i]] for i in rows], dtype=np.int64)
    first, second = _take(a, rows), _take(b, others)
    if not np.array_equal(first.matrix.labels, second.matrix.labels):
        row = int(np.flatnonzero(first.matrix.labels != second.matrix.labels)[0])
        raise ResultError(
            asked,
            found=f"video {first.matrix.video_ids[row]} under two labels",
            fix="score both with the same labels",
        )
    groups = _groups(first, second, asked)
    return replace(first, groups=groups), replace(second, groups=groups)


def shared_protocols(
    a: tuple[EvaluationResult, Evidence], b: tuple[EvaluationResult, Evidence]
) -> tuple[tuple[Protocol, ...], tuple[str, ...]]:
    """Return the protocols of either result that both can be scored under, and notes on the rest.

    Raises:
        ProtocolError: There is none.
        ResultError: A protocol has other class lists in this version than in a result.
    """
    ours, theirs = ({_name(p): p for p in protocols_of(*result)} for result in (a, b))
    shared, notes = [], []
    for name in {**ours, **theirs}:
        try:
            first = ours.get(name) or _resolve(a[1], name)
            _check_pair(first, theirs.get(name) or _resolve(b[1], name))
        except ProtocolError as error:
            notes.append(f"{name} left out: {error.found}")
        else:
            shared.append(first)
    if not shared:
        raise ProtocolError(
            f"compare {a[0].model} and {b[0].model}",
            found="no protocol that both can be scored under"
            + (f" ({'; '.join(notes)})" if notes else ""),
            fix="name one with --protocol",
        )
    return tuple(shared), tuple(notes)


def word_rule_notes(a: Evidence, b: Evidence, protocols: Sequence[Protocol]) -> tuple[str, ...]:
    """Say where one recipe has two ids: the id tells the words of the classes, not only names.

    Args:
        a: The first model's scores.
        b: The second's.
        protocols: The protocols of the comparison.
    """
    recipes = [protocol.id for protocol in protocols if "@" in protocol.id]
    if not recipes or a.classes.fingerprint == b.classes.fingerprint:
        return ()
    rules = (a.classes.rules, b.classes.rules)
    reason = (
        f"the word rules differ ({rules[0]} and {rules[1]})"
        if rules[0] != rules[1]
        else "the words or labels of the classes differ"
    )
    note = (
        f"{listing(recipes)} ends in {b.classes.fingerprint[:12]} for B: {reason}, and the "
        "recipe's id with them; the classes have the same names"
    )
    return (note,)


def named_protocols(a: Evidence, b: Evidence, references: Sequence[str]) -> tuple[Protocol, ...]:
    """Resolve protocols for both models.

    Raises:
        ProtocolError: One is unknown, does not fit the videos of both, publishes a harmonic mean,
            or has candidates that hang on what each model declares and that differ or have no
            scores.
    """
    for reference in references:
        _check_reference(a, b, reference)
    chosen = resolve_for(a, references)
    for first, second in zip(chosen, resolve_for(b, references), strict=True):
        _check_pair(first, second)
    return chosen


def compare_evidence(
    a: Evidence, b: Evidence, protocols: Sequence[Protocol]
) -> tuple[ProtocolComparison, ...]:
    """Compare two models under protocols.

    Args:
        a: The first model's scores.
        b: The second's, on the same videos: see :func:`same_videos`.
        protocols: What to score both under.

    Raises:
        ProtocolError: No video at hand counts under a protocol.
        ResultError: The two are not on the same videos, or a column is missing.
    """
    return tuple(_compare_one(a, b, protocol) for protocol in protocols)


def _compare_one(a: Evidence, b: Evidence, protocol: Protocol) -> ProtocolComparison:
    ranked = [rank_trials(side.matrix, protocol, lists=side.lists) for side in (a, b)]
    figures = {}
    for name, k, average in _FIGURES:
        first, second = (
            trial_outcomes(side, ranks, k) for side, ranks in zip((a, b), ranked, strict=True)
        )
        found = compare_outcomes(first, second, average=average, names=a.matrix.classes)
        if found is None:
            raise ProtocolError(
                f"compare under protocol {protocol.id}",
                found="no video of its classes in both results",
                fix="choose a protocol that these videos serve",
            )
        figures[name] = found
    return ProtocolComparison(
        protocol=protocol.id,
        version=protocol.version,
        sha256=protocol.sha256,
        metric=protocol.metric,
        num_trials=len(protocol.trials),
        num_videos=sum(entry.num_videos for entry in figures["top1"].per_class),
        figures=figures,
    )


def _check_videos(a: Sequence[str], b: Sequence[str], asked: str, *, common: bool) -> None:
    first, second = set(a), set(b)
    if first != second and not common:
        raise ResultError(
            asked,
            found=f"{len(first - second)} videos only in the first and {len(second - first)} only "
            f"in the second: {listing(sorted(first ^ second), limit=3)}",
            fix="score both on the same videos, or give --common for those that both have",
        )
    if not first & second:
        raise ResultError(asked, found="no video in both", fix="score both on the same videos")


def _take(evidence: Evidence, rows: NDArray[np.int64]) -> Evidence:
    matrix = evidence.matrix
    return replace(
        evidence,
        matrix=ScoreMatrix(
            classes=matrix.classes,
            video_ids=tuple(matrix.video_ids[i] for i in rows),
            labels=matrix.labels[rows],
            scores=matrix.scores[rows],
        ),
        groups=tuple(evidence.groups[i] for i in rows),
    )


def _groups(a: Evidence, b: Evidence, asked: str) -> tuple[str, ...]:
    """Return the sources of the videos; a result that tells none takes the other's."""
    ids = a.matrix.video_ids
    if b.groups in (a.groups, ids):
        return a.groups
    if a.groups == ids:
        return b.groups
    raise ResultError(
        asked,
        found="videos cut from other sources in each",
        fix="score both with the same manifest",
    )


def _name(protocol: Protocol) -> str:
    """Return a protocol's id, of a recipe without the digest of the classes."""
    return protocol.id.partition("@")[0]


def _resolve(evidence: Evidence, name: str) -> Protocol:
    if name == CUSTOM:
        raise ProtocolError(
            f"protocol {name}", found="only one result is scored under it", fix="name another"
        )
    _check_reference(evidence, evidence, name)
    (protocol,) = resolve_for(evidence, [name])
    return protocol


def _check_reference(a: Evidence, b: Evidence, reference: str) -> None:
    """Refuse what these scores cannot serve, whatever a model declares."""
    asked = f"compare under protocol {reference}"
    if needs_seen_videos(reference):
        raise ProtocolError(asked, found=_HARMONIC, fix="choose another protocol")
    if needs_distractors(reference) and None in (a.declared_distractors, b.declared_distractors):
        raise ProtocolError(
            asked,
            found="its candidates hang on what each model declares, and a result has no scores of "
            "declared training classes",
            fix="score both under it first, or choose another protocol",
        )


def _check_pair(first: Protocol, second: Protocol) -> None:
    asked = f"compare under protocol {first.id}"
    if first.metric == "harmonic_mean":
        raise ProtocolError(asked, found=_HARMONIC, fix="choose another protocol")
    if first.trials == second.trials:
        return
    sides = [[(trial.classes, trial.videos) for trial in one.trials] for one in (first, second)]
    if sides[0] == sides[1]:
        raise ProtocolError(
            asked,
            found="other candidates for each model: they hang on the training classes that each "
            "declares",
            fix="choose a protocol without declared training classes",
        )
    raise ProtocolError(
        asked,
        found="other classes or videos in each result",
        fix="score both under one protocol",
    )
