"""The class-overlap audit: which training classes are too close to a test class (Eqs. 3 and 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ClassSetError, ZslBenchError
from zsl_bench.wordvectors import ClassVectors, WordVectors, class_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.classes import ClassSet

DEFAULT_THRESHOLD = 0.05


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A training class and the test class nearest to it.

    Attributes:
        name: The training class.
        nearest: The nearest test class; the first in the order of the test sets on a tie.
        nearest_set: The data set of that test class.
        distance: Cosine distance of the two class vectors, 0 to 2; exactly 0 for equal words.
        approximate: Words of either class that have no vector; the distance rests on a stand-in.
    """

    name: str
    nearest: str
    nearest_set: str
    distance: float
    approximate: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return the fields as JSON holds them."""
        return {
            "name": self.name,
            "nearest_class": self.nearest,
            "nearest_set": self.nearest_set,
            "distance": self.distance,
            "approximate": list(self.approximate),
        }


@dataclass(frozen=True, kw_only=True)
class OverlapAudit:
    """The distances of every training class to the test classes, and what follows from them.

    A training class is removed when its distance to any test class is below the threshold
    (paper section 3.3; like the released code, a distance equal to the threshold is kept).

    Attributes:
        train: The training classes.
        tests: The test sets.
        threshold: Cosine distance below which a class is removed.
        neighbours: One entry for each training class, in the order of ``train.names``.
        duplicates: Groups of classes inside one set whose vectors are equal: (set, names).
        approximate_words: Words of any class involved that have no vector, sorted.
        vectors: Where the word vectors come from.
        vectors_digest: SHA-256 of that source.
    """

    train: ClassSet
    tests: tuple[ClassSet, ...]
    threshold: float
    neighbours: tuple[Neighbour, ...]
    duplicates: tuple[tuple[str, tuple[str, ...]], ...]
    approximate_words: tuple[str, ...]
    vectors: str
    vectors_digest: str

    @cached_property
    def removed(self) -> tuple[Neighbour, ...]:
        """The training classes below the threshold, nearest first, then in the set's order."""
        below = (n for n in self.neighbours if n.distance < self.threshold)
        return tuple(sorted(below, key=lambda n: n.distance))

    @cached_property
    def kept(self) -> tuple[Neighbour, ...]:
        """The training classes at or above the threshold, in the set's order."""
        return tuple(n for n in self.neighbours if n.distance >= self.threshold)

    @cached_property
    def identical(self) -> tuple[Neighbour, ...]:
        """The training classes whose words equal those of a test class."""
        return tuple(n for n in self.removed if n.distance == 0.0)

    def closest_calls(self, count: int = 4) -> tuple[Neighbour, ...]:
        """Return the classes whose distance lies nearest to the threshold, nearest first."""
        ordered = sorted(self.neighbours, key=lambda n: abs(n.distance - self.threshold))
        return tuple(ordered[:count])

    @property
    def closest_call(self) -> Neighbour:
        """The class that the smallest change of the threshold would move."""
        return self.closest_calls(1)[0]

    @property
    def margin(self) -> float:
        """Distance between the threshold and the closest call."""
        return abs(self.closest_call.distance - self.threshold)

    def to_json(self) -> dict[str, object]:
        """Return the audit as one JSON object."""
        return {
            "train": self.train.dataset,
            "against": [test.dataset for test in self.tests],
            "rules": self.train.rules,
            "threshold": self.threshold,
            "num_train": len(self.train),
            "num_kept": len(self.kept),
            "num_removed": len(self.removed),
            "num_identical": len(self.identical),
            "kept": [n.to_json() for n in self.kept],
            "removed": [n.to_json() for n in self.removed],
            "duplicates": [{"set": s, "classes": list(names)} for s, names in self.duplicates],
            "closest_call": self.closest_call.to_json(),
            "closest_calls": [n.to_json() for n in self.closest_calls()],
            "margin": self.margin,
            "approximate_words": list(self.approximate_words),
            "vectors": self.vectors,
            "vectors_digest": self.vectors_digest,
        }


def audit_overlap(
    train: ClassSet,
    tests: Sequence[ClassSet],
    *,
    vectors: WordVectors,
    threshold: float = DEFAULT_THRESHOLD,
) -> OverlapAudit:
    """Measure how close every training class is to the test classes.

    Args:
        train: The training (or pretraining) classes.
        tests: One or more test sets.
        vectors: Word vectors; a word that they lack gets a stand-in, listed in the audit.
        threshold: Cosine distance below which a class is removed, 0 to 2.

    Raises:
        ClassSetError: There is no test set, one is named twice, or the words of the sets follow
            different rule sets.
        ZslBenchError: The threshold is not a number from 0 to 2.
    """
    check_threshold(threshold)
    _check_tests(train, tests)
    train_vectors = class_vectors(train, vectors, allow_approximate=True)
    test_vectors = [class_vectors(test, vectors, allow_approximate=True) for test in tests]
    distances = np.concatenate([distance_matrix(train_vectors, test) for test in test_vectors], 1)
    owners = [(t, i) for t, test in enumerate(tests) for i in range(len(test))]
    neighbours = []
    for row, name in enumerate(train.names):
        t, i = owners[int(distances[row].argmin())]
        words = {*train_vectors.approximate[row], *test_vectors[t].approximate[i]}
        neighbours.append(
            Neighbour(
                name=name,
                nearest=tests[t].names[i],
                nearest_set=tests[t].dataset,
                distance=float(distances[row].min()),
                approximate=tuple(sorted(words)),
            )
        )
    involved = [train_vectors, *test_vectors]
    return OverlapAudit(
        train=train,
        tests=tuple(tests),
        threshold=threshold,
        neighbours=tuple(neighbours),
        duplicates=tuple(group for v in involved for group in duplicate_classes(v)),
        approximate_words=tuple(sorted({w for v in involved for w in v.approximate_words})),
        vectors=vectors.source,
        vectors_digest=vectors.digest,
    )


def distance_matrix(a: ClassVectors, b: ClassVectors) -> np.ndarray:
    """Return the cosine distances between two class sets, ``(len(a), len(b))`` float64, 0 to 2.

    Classes with equal word lists are at distance exactly 0.
    """
    cosines = a.matrix.astype(np.float64) @ b.matrix.astype(np.float64).T
    distances = np.clip(1.0 - cosines, 0.0, 2.0)
    columns: dict[tuple[str, ...], list[int]] = {}
    for j, words in enumerate(b.classes.words):
        columns.setdefault(tuple(sorted(words)), []).append(j)
    for i, words in enumerate(a.classes.words):
        distances[i, columns.get(tuple(sorted(words)), [])] = 0.0
    return distances


def duplicate_classes(vectors: ClassVectors) -> list[tuple[str, tuple[str, ...]]]:
    """Return the groups of classes of one set that share a class vector."""
    groups: dict[bytes, list[str]] = {}
    for name, row in zip(vectors.classes.names, vectors.matrix, strict=True):
        groups.setdefault(row.tobytes(), []).append(name)
    return [(vectors.classes.dataset, tuple(names)) for names in groups.values() if len(names) > 1]


def check_threshold(threshold: float) -> None:
    """Refuse a threshold that no cosine distance can meet.

    Raises:
        ZslBenchError: It is not a number from 0 to 2.
    """
    if not (math.isfinite(threshold) and 0.0 <= threshold <= 2.0):
        raise ZslBenchError(
            f"threshold {threshold}",
            found="no cosine distance of that size",
            fix="give a number from 0 to 2; the paper's is 0.05",
        )


def _check_tests(train: ClassSet, tests: Sequence[ClassSet]) -> None:
    if not tests:
        raise ClassSetError(
            f"audit of {train.dataset}", found="no test set", fix="name one with --against"
        )
    seen: set[str] = set()
    for test in tests:
        if test.fingerprint in seen:
            raise ClassSetError(
                f"audit of {train.dataset}",
                found=f"the test set {test.dataset} twice",
                fix="name it once",
            )
        seen.add(test.fingerprint)
    ruled = [f"{one.dataset} {one.rules}" for one in (train, *tests)]
    if any(test.rules != train.rules for test in tests):
        raise ClassSetError(
            f"audit of {train.dataset}",
            found=f"words by different rule sets: {', '.join(ruled)}",
            fix="bring them under one with zsl_bench.classes.with_rules",
        )
