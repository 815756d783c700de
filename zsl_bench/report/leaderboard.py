"""A leaderboard: measured results ranked among their like, claimed numbers beside them.

A board is one metric of one protocol on one data set. Within it, results are ranked only among
those that may be compared and have the same verdict, and only if they are complete and verified.
Claimed numbers are never ranked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zsl_bench.errors import one_line
from zsl_bench.published import published_numbers
from zsl_bench.report.conflicts import Conflict, find_conflicts
from zsl_bench.report.submissions import declared_text, own_metric
from zsl_bench.report.tables import entry_of
from zsl_bench.results import comparable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zsl_bench.published import PublishedNumbers, PublishedRow
    from zsl_bench.report.submissions import Gathered, NotListed, Submission
    from zsl_bench.report.tables import Entry

HEADER = (
    *("kind", "id", "dataset", "protocol", "metric", "method", "value", "upper", "std"),
    *("low", "high", "rank", "list", "contamination", "trained_on", "pretrained_on", "backbone"),
    *("year", "clips", "complete", "verified", "third_party", "source_kind", "source", "note"),
)
"""The columns of ``data.csv``: percent for the numbers, empty where nothing is known."""
ALONE = "comparable with no other"
"""Why a result by itself is not ranked where there are others."""
_PROTOCOLS = "protocols"
_VERDICTS = ("disjoint", "unjudged", "undeclared", "overlapping")
_FIRST = ("ucf101", "hmdb51", "activitynet200")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One result on one board.

    Attributes:
        submission: The result and what its verification says.
        entry: The figure with its intervals.
        top5: Top-5 accuracy; None where the protocol has none.
        rank: Place among the comparable with the same verdict, 1 the highest, equal figures sharing
            one; None where it is not ranked.
        unranked: Why it is not ranked; empty where it is.
    """

    submission: Submission
    entry: Entry
    top5: float | None
    rank: int | None
    unranked: str


@dataclass(frozen=True, kw_only=True)
class Comparable:
    """Results that may be compared with each other.

    Attributes:
        standings: The ranked ones by verdict and rank, disjoint ones first, then the others.
        differs: The fields in which they are not comparable with the other lists of the board;
            empty for the only one.
    """

    standings: tuple[Standing, ...]
    differs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Board:
    """One metric of one protocol on one data set.

    Attributes:
        dataset: Name of the data set.
        protocol: Id of a protocol, or the label of a claimed one.
        metric: The metric.
        measured: Lists of comparable results, each ranked by itself.
        claimed: Published rows, the highest first; never ranked.
    """

    dataset: str
    protocol: str
    metric: str
    measured: tuple[Comparable, ...]
    claimed: tuple[PublishedRow, ...]


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Everything that a site shows.

    Attributes:
        boards: The boards, by data set; those with measured results first.
        conflicts: What published sources disagree on.
        not_listed: Files that are not on any board, with the reason.
        others: How many JSON files were no results.
        numbers: The published numbers with their protocols and remarks.
    """

    boards: tuple[Board, ...]
    conflicts: tuple[Conflict, ...]
    not_listed: tuple[NotListed, ...]
    others: int
    numbers: PublishedNumbers

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets, in the order of the boards."""
        return tuple(dict.fromkeys(board.dataset for board in self.boards))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield every figure as a row with the columns of ``HEADER``, measured ones first."""
        for board in self.boards:
            for number, group in enumerate(board.measured, start=1):
                for standing in group.standings:
                    yield _measured_row(board, number, standing)
        for board in self.boards:
            yield from map(_claimed_row, board.claimed)

    def to_json(self) -> dict[str, Any]:
        """Return the whole board as JSON holds it."""
        return {
            "rows": list(self.rows()),
            "lists": [
                {
                    "dataset": board.dataset,
                    "protocol": one_line(board.protocol),
                    "metric": board.metric,
                    "list": number,
                    "differs_from_others": list(group.differs),
                }
                for board in self.boards
                for number, group in enumerate(board.measured, start=1)
            ],
            "conflicts": [
                {
                    "method": conflict.method,
                    "dataset": conflict.dataset,
                    "metric": conflict.metric,
                    "spread": round(conflict.spread, 4),
                    "same_protocol": conflict.same_protocol,
                    "rows": [row.id for row in conflict.rows],
                }
                for conflict in self.conflicts
            ],
            "not_listed": [vars(one) for one in self.not_listed],
        }


def build_leaderboard(gathered: Gathered) -> Leaderboard:
    """Set results beside each other and beside the published numbers.

    Args:
        gathered: The results with their verifications.
    """
    numbers = published_numbers()
    measured: dict[tuple[str, str, str], list[Submission]] = {}
    for submission in gathered.submissions:
        for name in submission.result.scores:
            key = (one_line(submission.result.dataset), name, own_metric(submission.result, name))
            measured.setdefault(key, []).append(submission)
    claimed: dict[tuple[str, str, str], list[PublishedRow]] = {}
    for row in numbers.rows:
        claimed.setdefault((row.dataset, row.protocol, row.metric), []).append(row)
    datasets = [*_FIRST, *sorted({key[0] for key in (*claimed, *measured)} - set(_FIRST))]
    keys = sorted(
        dict.fromkeys((*measured, *claimed)),
        key=lambda key: (datasets.index(key[0]), key not in measured),
    )
    return Leaderboard(
        boards=tuple(_board(key, measured.get(key, ()), claimed.get(key, ())) for key in keys),
        conflicts=find_conflicts(numbers.rows, numbers.protocols),
        not_listed=gathered.not_listed,
        others=gathered.others,
        numbers=numbers,
    )


def _board(
    key: tuple[str, str, str], found: Sequence[Submission], claimed: Sequence[PublishedRow]
) -> Board:
    dataset, protocol, metric = key
    groups: list[list[Submission]] = []
    for submission in found:
        fitting = (
            group
            for group in groups
            if not any(_differing(submission, member, protocol) for member in group)
        )
        group = next(fitting, None)
        if group is None:
            groups.append([submission])
        else:
            group.append(submission)
    return Board(
        dataset=dataset,
        protocol=protocol,
        metric=metric,
        measured=tuple(
            Comparable(
                standings=_ranked(group, (protocol, metric), alone=len(groups) > 1),
                differs=_apart(group, groups, protocol),
            )
            for group in groups
        ),
        claimed=tuple(sorted(claimed, key=lambda row: -row.value)),
    )


def _differing(one: Submission, other: Submission, protocol: str) -> set[str]:
    """Return what keeps two results apart under one protocol, whatever else they were scored by."""
    fields = set(comparable(one.result, other.result)) - {_PROTOCOLS}
    left, right = (side.result.identity[_PROTOCOLS][protocol] for side in (one, other))
    return fields | ({_PROTOCOLS} if left != right else set())


def _apart(
    group: Sequence[Submission], groups: Sequence[Sequence[Submission]], protocol: str
) -> tuple[str, ...]:
    others = [one for other in groups if other is not group for one in other]
    return tuple(sorted({f for a in group for b in others for f in _differing(a, b, protocol)}))


def _ranked(
    group: Sequence[Submission], figure: tuple[str, str], *, alone: bool
) -> tuple[Standing, ...]:
    """Rank the complete and verified; one by itself beside other lists has no rank."""
    entries = [(one, entry_of(one.result, *figure)) for one in group]
    alone = alone and len(group) == 1
    reasons = [_unranked(one, entry) or (ALONE if alone else "") for one, entry in entries]
    ranked = [entry for (_, entry), reason in zip(entries, reasons, strict=True) if not reason]
    standings = [
        Standing(
            submission=one,
            entry=entry,
            top5=one.result.scores[figure[0]]["mean"].get("top5"),
            rank=None if reason else _rank_among(entry, ranked),
            unranked=reason,
        )
        for (one, entry), reason in zip(entries, reasons, strict=True)
    ]
    return tuple(sorted(standings, key=_place))


def _rank_among(entry: Entry, ranked: Sequence[Entry]) -> int:
    higher = [
        other
        for other in ranked
        if other.finding == entry.finding and (other.value or 0.0) > (entry.value or 0.0)
    ]
    return 1 + len(higher)


def _place(standing: Standing) -> tuple[bool, int, int, float, str]:
    entry, rank = standing.entry, standing.rank
    verdict = _VERDICTS.index(entry.finding)
    return (rank is None, verdict, rank or 0, -(entry.value or 0.0), standing.submission.file)


def _unranked(submission: Submission, entry: Entry) -> str:
    if not submission.verified:
        return "not verified"
    if not submission.result.complete:
        return "incomplete"
    return "nothing scored" if entry.value is None else ""


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 4)


def _measured_row(board: Board, number: int, standing: Standing) -> dict[str, Any]:
    submission, entry = standing.submission, standing.entry
    result, span = submission.result, standing.entry.videos
    return {
        **dict.fromkeys(HEADER),
        "kind": "measured",
        "id": result.sha256,
        "dataset": board.dataset,
        "protocol": one_line(board.protocol),
        "metric": board.metric,
        "method": one_line(result.model),
        "value": _percent(entry.value),
        "std": _percent(entry.std),
        "low": None if span is None else _percent(span.low),
        "high": None if span is None else _percent(span.high),
        "rank": standing.rank,
        "list": number,
        "contamination": entry.finding,
        "trained_on": declared_text(result, "trained_on"),
        "pretrained_on": declared_text(result, "pretrained_on"),
        "clips": one_line(result.identity.get("clip_policy", "")),
        "complete": entry.complete,
        "verified": submission.verified,
        "source": f"{submission.source}: {submission.file}",
        "note": "; ".join(filter(None, (standing.unranked, submission.told))),
    }


def _claimed_row(row: PublishedRow) -> dict[str, Any]:
    known = {name: getattr(row, name, None) for name in HEADER}
    source = ", ".join(filter(None, (row.source, row.table)))
    return {**known, "kind": "claimed", "contamination": row.tag, "source": source}
