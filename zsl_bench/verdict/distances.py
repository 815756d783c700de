"""How far the test classes are from what a model declares, and which declared classes distract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from zsl_bench.classes import fold
from zsl_bench.overlap import DEFAULT_THRESHOLD, distance_matrix
from zsl_bench.verdict.declared import (
    declared_classes,
    distinct_sets,
    silent_fields,
    twins,
    word_bag,
)
from zsl_bench.wordvectors import class_vectors, load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zsl_bench.classes import ClassSet
    from zsl_bench.model import ModelCard
    from zsl_bench.verdict.declared import Declared

NEIGHBOURS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassDistances:
    """Cosine distances of the test classes to the declared classes, in the test set's order.

    All classes of all declared sets count, so that ``nearest`` is below a threshold exactly where
    the headline verdict sees the class. A class that several sets have with equal name and equal
    words is one neighbour.

    Attributes:
        nearest: ``(C,)`` float64, to the nearest declared class.
        nearest_mean: ``(C,)`` float64, mean over the ``neighbours`` nearest (paper Fig. 7).
        neighbours: 10, or the number of declared classes where there are fewer.
        classes: The test classes.
        num_declared: Declared classes, those of equal name and equal words counted once.
        approximate_classes: Test classes whose nearest distance rests on a stand-in: they, or the
            declared class nearest to them, have a word without a vector.
    """

    nearest: NDArray[np.float64]
    nearest_mean: NDArray[np.float64]
    neighbours: int
    classes: tuple[str, ...]
    num_declared: int
    approximate_classes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Distractors:
    """The declared classes that stand beside the test classes as candidates.

    Attributes:
        classes: The candidates, named ``<data set>/<class>``; None where every declared class
            counts as a test class, or the model has seen no class at all.
        candidates: For each declared class, named so too, the candidate that stands for it: itself,
            or a class of an earlier set with its name or words; None where it counts as a test
            class.
    """

    classes: ClassSet | None
    candidates: Mapping[str, str | None]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the candidates."""
        return () if self.classes is None else self.classes.names


def class_distances(
    declared: Declared | ModelCard,
    classes: ClassSet,
    *,
    vectors: str | Path | None = None,
) -> ClassDistances | None:
    """Measure how far every test class is from the declared training and pretraining classes.

    Args:
        declared: The model's card, or what a user declares for it.
        classes: The test classes.
        vectors: Word-vector file; None for the bundled vectors.

    Returns:
        The distances, or None where no class is declared.

    Raises:
        WordVectorError: The vectors cannot be read.
        ClassSetError: A declared set has words that the test set's rules do not make.
    """
    sets = distinct_sets(declared, rules=classes.rules)
    if not sets:
        return None
    measured = _measure(classes, sets, vectors)
    distances = np.concatenate(measured.distances, axis=1)
    distinct = _first_of_each(sets)
    neighbours = min(NEIGHBOURS, len(distinct))
    closest = np.sort(distances[:, distinct], axis=1)[:, :neighbours]
    nearest_rests = measured.declared_rest[distances.argmin(axis=1)]
    return ClassDistances(
        nearest=distances.min(axis=1),
        nearest_mean=closest.mean(axis=1),
        neighbours=neighbours,
        classes=classes.names,
        num_declared=len(distinct),
        approximate_classes=tuple(
            classes.names[i] for i in np.flatnonzero(measured.test_rest | nearest_rests)
        ),
    )


def distractor_classes(
    declared: Declared | ModelCard,
    classes: ClassSet,
    *,
    vectors: str | Path | None = None,
    threshold: float = DEFAULT_THRESHOLD,
) -> Distractors | None:
    """Return the declared classes that stand beside the test classes as candidates.

    Declared classes of equal name or equal words are one candidate, with the words of the first. It
    is merged into a test class, and is no distractor, where any of them equals a test class by name
    or words, or is below the threshold from one.

    Args:
        declared: The model's card, or what a user declares for it.
        classes: The test classes.
        vectors: Word-vector file; None for the bundled vectors.
        threshold: Cosine distance below which two classes count as one.

    Returns:
        The others, of which there may be none; None where no class is declared and a field is open
        or undeclared, so that nobody knows the training classes.

    Raises:
        WordVectorError: The vectors cannot be read.
        ClassSetError: A declared set has words that the test set's rules do not make.
    """
    against = declared_classes(declared, rules=classes.rules)
    if against is None:
        return None if silent_fields(declared) else Distractors(classes=None, candidates={})
    sets = distinct_sets(declared, rules=classes.rules)
    merged = _merged(classes, sets, vectors, threshold)
    candidates: dict[str, str | None] = {}
    kept = []
    for name, group in zip(against.names, twins(sets), strict=True):
        is_test_class = any(merged[number][position] for number, position in group)
        for number, position in group:
            own = f"{sets[number].dataset}/{sets[number].names[position]}"
            candidates.setdefault(own, None if is_test_class else name)
        if not is_test_class:
            kept.append(name)
    return Distractors(classes=against.select(kept) if kept else None, candidates=candidates)


class _Measured(NamedTuple):
    """Distances to every class of several declared sets, and what rests on a stand-in.

    Attributes:
        distances: ``(C, len(set))`` float64 a set; equal words are at exactly 0.
        test_rest: ``(C,)`` bool, test classes with a word without a vector.
        declared_rest: Bool, the same for the classes of all declared sets, one after another.
    """

    distances: list[NDArray[np.float64]]
    test_rest: NDArray[np.bool_]
    declared_rest: NDArray[np.bool_]


def _measure(classes: ClassSet, sets: Sequence[ClassSet], vectors: str | Path | None) -> _Measured:
    """Measure set by set, as the headline verdict does, so that both have the same numbers."""
    words = {word for of in (classes, *sets) for bag in of.words for word in bag}
    loaded = load_word_vectors(vectors, words=words)
    test = class_vectors(classes, loaded, allow_approximate=True)
    against = [class_vectors(one, loaded, allow_approximate=True) for one in sets]
    return _Measured(
        distances=[distance_matrix(test, one) for one in against],
        test_rest=np.array([bool(lacking) for lacking in test.approximate]),
        declared_rest=np.array([bool(lacking) for one in against for lacking in one.approximate]),
    )


def _merged(
    classes: ClassSet, sets: Sequence[ClassSet], vectors: str | Path | None, threshold: float
) -> list[list[bool]]:
    """Tell for every class of every set whether it counts as a test class by itself."""
    names = set(map(fold, classes.names))
    bags = set(map(word_bag, classes.words))
    measured = _measure(classes, sets, vectors)
    return [
        [
            distance < threshold or fold(name) in names or word_bag(words) in bags
            for name, words, distance in zip(
                one.names, one.words, distances.min(axis=0).tolist(), strict=True
            )
        ]
        for one, distances in zip(sets, measured.distances, strict=True)
    ]


def _first_of_each(sets: Sequence[ClassSet]) -> list[int]:
    """Return the columns of the classes of all sets, the first of those of equal name and words."""
    first: dict[tuple[str, tuple[str, ...]], int] = {}
    listed = (pair for one in sets for pair in zip(one.names, one.words, strict=True))
    for column, (name, words) in enumerate(listed):
        first.setdefault((fold(name), word_bag(words)), column)
    return list(first.values())
