"""Which videos there should be, which there are, and whether the counts and labels follow."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.assessment.verify.checks import (
    Check,
    by_problems,
    failed,
    not_possible,
    passed,
)
from zsl_bench.errors import listing
from zsl_bench.features.given import unnamed_ids
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.assessment.verify.subject import Listed, Subject

_NO_LIST = "the package has no list of these videos; give the data set with --data DATASET=PATH"
_NO_NAMES = "the videos are known by their labels alone"


def coverage(subject: Subject) -> Check:
    """Say whether the counts add up, in all and by class."""
    sound = "listed = scored + unreadable, expected = listed + missing, and so by class"
    return by_problems("coverage", _counts(subject), sound=sound)


def _counts(subject: Subject) -> Iterator[str]:
    told, matrix = subject.coverage, subject.evidence.matrix
    found = Counter(subject.evidence.classes.names[label] for label in matrix.labels.tolist())
    per_class = told["per_class"]
    by_class = {name: entry["scored"] for name, entry in per_class.items()}
    wrong = [name for name, number in by_class.items() if number != found[name]]
    over = [name for name, entry in per_class.items() if entry["scored"] > entry["expected"]]
    if wrong:
        yield f"other numbers of scored videos than the arrays have for {listing(wrong)}"
    if over:
        yield f"more scored than expected for {listing(over)}"
    claims = {
        "scored": (told["scored"], len(matrix.video_ids)),
        "listed": (told["listed"], told["scored"] + len(told["unreadable"])),
        "expected": (told["expected"], sum(entry["expected"] for entry in per_class.values())),
        "expected, from listed and missing": (
            told["expected"],
            told["listed"] + len(told["missing"]),
        ),
        "classes_with_videos": (told["classes_with_videos"], len(found)),
        "overlapping_segments": (told["overlapping_segments"], len(subject.evidence.overlapping)),
    }
    if told["seen_videos"] is not None:
        seen = subject.evidence.seen
        number = 0 if seen is None else len(seen.video_ids)
        claims["seen_videos.scored"] = (told["seen_videos"]["scored"], number)
    yield from (f"{name} says {a}, counted {b}" for name, (a, b) in claims.items() if a != b)


def expected_counts(subject: Subject) -> Check:
    """Say whether each class is said to have as many videos as the data set has."""
    listed = subject.listed
    if listed is None:
        return not_possible("expected-counts", _NO_LIST)
    wrong = [
        f"{name}: {number} videos, by {listed.source} {listed.expected.get(name, 0)}"
        for name, number in subject.evidence.expected.items()
        if number != listed.expected.get(name, 0)
    ]
    total = sum(listed.expected.values())
    return by_problems(
        "expected-counts", wrong, sound=f"each class's share of {total:,} is by {listed.source}"
    )


def video_list(subject: Subject) -> Check:
    """Say whether every video of the data set was scored, or is told unreadable or missing."""
    listed = subject.listed
    if listed is None or not subject.evidence.named_videos:
        return not_possible("video-list", _NO_LIST if listed is None else _NO_NAMES)
    told = subject.coverage
    scored = subject.evidence.matrix.video_ids
    named = Counter((*scored, *_unreadable(subject), *told["missing"]))
    problems = []
    for what, ids in (
        ("nowhere in the result", [i for i in sorted(listed.ids) if i not in named]),
        ("no video of the list", [i for i in named if i not in listed.ids]),
        ("told twice", [i for i, number in named.items() if number > 1]),
    ):
        if ids:
            problems.append(f"{len(ids):,} {what}: {listing(ids, limit=3)}")
    told_of = f"{len(scored):,} scored, {len(told['missing']):,} missing"
    sound = f"{told_of} and {len(_unreadable(subject)):,} unreadable make up {listed.source}"
    return by_problems("video-list", problems, sound=sound)


def _unreadable(subject: Subject) -> list[str]:
    return [entry["id"] for entry in subject.coverage["unreadable"]]


def labels(subject: Subject) -> Check:
    """Say whether every video has the class and the source that its data set gives it."""
    listed, matrix = subject.listed, subject.evidence.matrix
    names = subject.evidence.classes.names
    if not subject.evidence.named_videos:
        return _made_up(subject)
    if listed is None:
        return not_possible("labels", _NO_LIST)
    problems = []
    found = [names[label] for label in matrix.labels.tolist()]
    for what, values, place in (("class", found, 0), ("source", subject.evidence.groups, 1)):
        wrong = [
            f"{i} ({value}, by {listed.source} {listed.videos[i][place]})"
            for i, value in zip(matrix.video_ids, values, strict=True)
            if i in listed.videos and listed.videos[i][place] != value
        ]
        if wrong:
            count = f"{len(wrong):,} videos of another {what}"
            problems.append(f"{count}: {listing(wrong, limit=2)}")
    strangers = sum(i not in listed.videos for i in matrix.video_ids)
    if strangers:
        problems.append(f"{strangers:,} videos whose class nobody tells")
    return by_problems("labels", problems, sound=f"every class and source is by {listed.source}")


def _made_up(subject: Subject) -> Check:
    """Say whether videos that are known by their labels alone are called so."""
    matrix, names = subject.evidence.matrix, subject.evidence.classes.names
    wanted = unnamed_ids([names[label] for label in matrix.labels.tolist()])
    if sorted(wanted) == sorted(matrix.video_ids) and subject.evidence.groups == matrix.video_ids:
        return not_possible("labels", _NO_NAMES)
    return failed("labels", f"{_NO_NAMES}, as it says, yet have names or sources of their own")


def manifest_digest(subject: Subject) -> Check:
    """Say whether the digest of the videos is that of the list, or of the user's data set."""
    stored, listed = subject.result.identity["manifest"], subject.listed
    if not subject.evidence.named_videos:
        return not_possible("manifest", _NO_NAMES)
    if subject.manifest is not None:
        made, source = subject.manifest.digest, "the data set of --data"
    elif listed is not None:
        made, source = _official_digest(subject, listed), listed.source
    else:
        return not_possible("manifest", _NO_LIST)
    wrong = f"the digest {stored['digest'][:12]} is not that of {source}, {made[:12]}"
    problems = [] if made == stored["digest"] else [wrong]
    return by_problems("manifest", problems, sound=f"the digest is that of {source}")


def _official_digest(subject: Subject, listed: Listed) -> str:
    at_hand = (*subject.evidence.matrix.video_ids, *_unreadable(subject))
    about = subject.result.identity["manifest"]
    return Manifest(
        dataset=about["dataset"],
        classes=subject.evidence.classes,
        split=about["videos"],
        root=Path(),
        videos=tuple(
            Video(id=i, label=listed.videos[i][0], path=i, group=listed.videos[i][1])
            for i in at_hand
            if i in listed.videos
        ),
        preparation=about.get("preparation"),
    ).digest


def complete(subject: Subject) -> Check:
    """Say whether a result that calls itself complete is."""
    told, stored = subject.coverage, subject.result.complete
    seen = told["seen_videos"]
    reasons = {
        "the classes were restricted to those present": subject.is_restricted,
        "videos are missing": bool(told["missing"]),
        "videos are unreadable": bool(told["unreadable"] or (seen and seen["unreadable"])),
    }
    found = [reason for reason, holds in reasons.items() if holds]
    if not stored:
        why = f": {listing(found)}" if found else ""
        return passed("complete", f"marked incomplete{why}")
    if not found and any(not number for number in subject.evidence.expected.values()):
        return not_possible("complete", "a class has no video, and only its list tells whether any")
    problems = [f"marked complete, though {listing(found)}"] if found else []
    return by_problems("complete", problems, sound="marked complete, and nothing is missing")
