"""What training sets have shown of test sets: pair by pair, by every rule, at each threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.classes import RULES, load_class_set, with_rules
from zsl_bench.datasets import LISTED, official_list
from zsl_bench.errors import ClassSetError, listing
from zsl_bench.overlap import DEFAULT_THRESHOLD, check_threshold, distance_matrix
from zsl_bench.splits import check_overlap, class_list
from zsl_bench.verdict import Declared, zero_shot_verdicts
from zsl_bench.wordvectors import class_vectors, load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zsl_bench.classes import ClassSet
    from zsl_bench.verdict import Verdict
    from zsl_bench.wordvectors import WordVectors

TRAINS = ("kinetics400", "kinetics600", "kinetics700")
TESTS = ("ucf101", "hmdb51", "activitynet200")
THRESHOLDS = tuple(step / 100 for step in range(31))
OVERLAPPING, CLEAN, NOT_JUDGED = "overlapping", "clean", "not judged"


@dataclass(frozen=True, kw_only=True)
class SeenTestClass:
    """A test class and the training class nearest to it.

    Attributes:
        name: The test class.
        nearest: The training class; the first in its set's order on a tie.
        distance: Cosine distance of the two; exactly 0 for equal words.
        videos: Videos that the data set has of the class; None where no official list is known.
        approximate: Words of either class that have no vector.
        rules: What each other rule says of the class: ``overlapping``, ``clean``, ``not judged``.
    """

    name: str
    nearest: str
    distance: float
    videos: int | None
    approximate: tuple[str, ...]
    rules: dict[str, str]

    @property
    def has_equal_words(self) -> bool:
        """Whether the two have the same words."""
        return self.distance == 0.0


@dataclass(frozen=True, kw_only=True)
class SeenAt:
    """What one threshold makes of a pair of sets.

    Attributes:
        threshold: Cosine distance below which two classes count as one; at 0, only equal words.
        classes: Test classes seen.
        share: Their share of all test classes.
        videos: Videos of those classes, or None.
        video_share: Their share of all videos of the test set, or None.
        removed: Training classes that an audit against this test set alone would remove.
    """

    threshold: float
    classes: int
    share: float
    videos: int | None
    video_share: float | None
    removed: int


@dataclass(frozen=True, kw_only=True)
class SetPair:
    """One training set against one test set.

    Attributes:
        train: The training classes.
        test: The test classes.
        rows: The test classes, in the set's order.
        train_distances: Of every training class to its nearest test class.
        train_approximate: Training classes with a word without a vector.
        verdicts: What every rule says of a model that has seen the whole training set.
    """

    train: ClassSet
    test: ClassSet
    rows: tuple[SeenTestClass, ...]
    train_distances: tuple[float, ...]
    train_approximate: int
    verdicts: tuple[Verdict, ...]

    @property
    def name(self) -> str:
        """Both names, as an id in a page."""
        return f"{self.train.dataset}--{self.test.dataset}"

    @property
    def videos(self) -> int | None:
        """Videos of the whole test set, or None."""
        return _total(self.rows)

    def seen(self, threshold: float) -> tuple[SeenTestClass, ...]:
        """Return the test classes that count as seen, in the set's order."""
        return tuple(row for row in self.rows if _is_below(row.distance, threshold))

    def at(self, threshold: float) -> SeenAt:
        """Count what a threshold makes of the pair."""
        seen = self.seen(threshold)
        videos, every = (None, None) if self.videos is None else (_total(seen), self.videos)
        return SeenAt(
            threshold=threshold,
            classes=len(seen),
            share=len(seen) / len(self.rows),
            videos=videos,
            video_share=None if videos is None or not every else videos / every,
            removed=sum(_is_below(distance, threshold) for distance in self.train_distances),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the pair as JSON holds it."""
        return {
            "train": self.train.dataset,
            "test": self.test.dataset,
            "at": [vars(self.at(threshold)) for threshold in THRESHOLDS],
            "classes": [{**vars(row), "approximate": list(row.approximate)} for row in self.rows],
            "rules": [verdict.to_json() for verdict in self.verdicts],
            "train_approximate": self.train_approximate,
        }


@dataclass(frozen=True, kw_only=True)
class PublishedCount:
    """A count of classes that was published, and what is found.

    Attributes:
        train: The training set.
        tests: The test sets.
        threshold: Cosine distance below which a training class is removed.
        rules: Rule set of the words.
        what: ``kept`` or ``removed``.
        claimed: The published count.
        source: Where it stands.
        found: The count found here; -1 before it was counted.
    """

    train: str
    tests: tuple[str, ...]
    threshold: float = DEFAULT_THRESHOLD
    rules: str = RULES
    what: str = "kept"
    claimed: int
    source: str
    found: int = -1


@dataclass(frozen=True, kw_only=True)
class OverlapReport:
    """All pairs of training and test sets.

    Attributes:
        pairs: Every training set against every test set.
        threshold: The threshold that the report begins with.
        counts: Published counts beside those found.
        vectors: Where the word vectors come from.
        vectors_digest: SHA-256 of that source.
        approximate_words: Words of any class involved that have no vector, sorted.
    """

    pairs: tuple[SetPair, ...]
    threshold: float
    counts: tuple[PublishedCount, ...]
    vectors: str
    vectors_digest: str
    approximate_words: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "threshold": self.threshold,
            "vectors": self.vectors,
            "vectors_digest": self.vectors_digest,
            "approximate_words": list(self.approximate_words),
            "pairs": [pair.to_json() for pair in self.pairs],
            "published_counts": [{**vars(one), "tests": list(one.tests)} for one in self.counts],
        }


_TWO, _THREE = ("ucf101", "hmdb51"), TESTS
_PUBLISHED = (
    PublishedCount(
        train="kinetics400", tests=_TWO, claimed=361, source="the paper, supplementary Table 1"
    ),
    PublishedCount(
        train="activitynet200", tests=_TWO, what="removed", claimed=23,
        source="the paper, section 2, on URL",
    ),
    PublishedCount(
        train="kinetics700", tests=_TWO, claimed=664, source="the paper, first Training Protocol"
    ),
    PublishedCount(
        train="kinetics700", tests=_TWO, claimed=664, threshold=0.01,
        source="the same, at the threshold that its released checkpoint stores",
    ),
    PublishedCount(
        train="kinetics700", tests=_TWO, claimed=662, source="users of the released code"
    ),
    PublishedCount(
        train="kinetics700", tests=_THREE, claimed=605, source="the paper, second Training Protocol"
    ),
    PublishedCount(
        train="kinetics700", tests=_THREE, claimed=605, rules="plain",
        source="the same, words without lemmatisation",
    ),
)  # fmt: skip


def overlap_report(
    trains: Sequence[str | Path] = TRAINS,
    tests: Sequence[str | Path] = TESTS,
    *,
    vectors: str | Path | None = None,
    threshold: float = DEFAULT_THRESHOLD,
) -> OverlapReport:
    """Hold every training set against every test set.

    Args:
        trains: Bundled sets or splits, split files, or files with one class a line.
        tests: The same; their words are brought under the rules of each training set.
        vectors: Word-vector file; None for the bundled vectors.
        threshold: Cosine distance below which two classes count as one, at first.

    Raises:
        ClassSetError: A list is unknown, named twice, or cannot be brought under the rules.
        ZslBenchError: The threshold or the vectors are of no use.

    Example:
        >>> report = overlap_report(["kinetics400"], ["ucf101"])
        >>> report.pairs[0].at(0.05).classes
        27
    """
    check_threshold(threshold)
    train_sets, test_sets = _lists(trains, "training"), _lists(tests, "test")
    pairs = [(train, with_rules(test, train.rules)) for train in train_sets for test in test_sets]
    words = {word for pair in pairs for one in pair for bag in one.words for word in bag}
    loaded = load_word_vectors(vectors, words=words)
    return OverlapReport(
        pairs=tuple(_pair(*pair, loaded, (vectors, threshold)) for pair in pairs),
        threshold=threshold,
        counts=tuple(published_counts(vectors)),
        vectors=loaded.source,
        vectors_digest=loaded.digest,
        approximate_words=tuple(sorted(word for word in words if word not in loaded)),
    )


def published_counts(vectors: str | Path | None = None) -> Iterator[PublishedCount]:
    """Yield the published counts with what the audit finds."""
    for one in _PUBLISHED:
        audit = check_overlap(
            one.train, one.tests, threshold=one.threshold, rules=one.rules, vectors=vectors
        )
        found = len(audit.kept if one.what == "kept" else audit.removed)
        yield PublishedCount(**{**vars(one), "found": found})


def _lists(references: Sequence[str | Path], kind: str) -> list[ClassSet]:
    found = [class_list(reference) for reference in references]
    names = [one.dataset for one in found]
    if not found or len(set(names)) < len(names):
        raise ClassSetError(
            f"{kind} sets {listing(names)}",
            found="one of that name twice" if names else "none",
            fix="name one or more, each once",
        )
    return found


def _pair(
    train: ClassSet,
    test: ClassSet,
    loaded: WordVectors,
    rule: tuple[str | Path | None, float],
) -> SetPair:
    made = class_vectors(test, loaded, allow_approximate=True)
    against = class_vectors(train, loaded, allow_approximate=True)
    distances = distance_matrix(made, against)
    verdicts = zero_shot_verdicts(
        Declared(trained_on=(train,), pretrained_on=()), test, vectors=rule[0], threshold=rule[1]
    )
    videos = _videos(test)
    return SetPair(
        train=train,
        test=test,
        rows=tuple(
            SeenTestClass(
                name=name,
                nearest=train.names[nearest],
                distance=float(distances[number, nearest]),
                videos=videos.get(name),
                approximate=tuple(
                    sorted({*made.approximate[number], *against.approximate[nearest]})
                ),
                rules={one.rule: _said(one, name) for one in verdicts[1:]},
            )
            for number, (name, nearest) in enumerate(
                zip(test.names, distances.argmin(axis=1).tolist(), strict=True)
            )
        ),
        train_distances=tuple(np.min(distances, axis=0).tolist()),
        train_approximate=sum(map(bool, against.approximate)),
        verdicts=verdicts,
    )


def _said(verdict: Verdict, name: str) -> str:
    if any(one.name == name for one in verdict.seen):
        return OVERLAPPING
    return NOT_JUDGED if name in verdict.unjudged else CLEAN


def _videos(test: ClassSet) -> dict[str, int]:
    if test.dataset not in LISTED or test.names != load_class_set(test.dataset).names:
        return {}
    official = official_list(test.dataset)
    return official.counts(frozenset(official.videos), test.names)


def _total(rows: Sequence[SeenTestClass]) -> int | None:
    counts = [row.videos for row in rows if row.videos is not None]
    return sum(counts) if len(counts) == len(rows) else None


def _is_below(distance: float, threshold: float) -> bool:
    return distance < threshold or (threshold == 0.0 and distance == 0.0)
