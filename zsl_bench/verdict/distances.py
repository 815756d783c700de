"""How far the test classes are from what a model declares, and which declared classes distract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.classes import fold
from zsl_bench.overlap import DEFAULT_THRESHOLD, distance_matrix
from zsl_bench.verdict.declared import declared_classes
from zsl_bench.wordvectors import class_vectors, load_word_vectors

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from zsl_bench.classes import ClassSet
    from zsl_bench.model import ModelCard
    from zsl_bench.verdict.declared import Declared

NEIGHBOURS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassDistances:
    """Cosine distances of the test classes to the declared classes, in the test set's order.

    Attributes:
        nearest: ``(C,)`` float64, to the nearest declared class.
        nearest_mean: ``(C,)`` float64, mean over the ``neighbours`` nearest (paper Fig. 7).
        neighbours: 10, or the number of declared classes where there are fewer.
        classes: The test classes.
        num_declared: Declared classes, each counted once.
        approximate_classes: Test classes with a word that has no vector; their distance rests on
            a stand-in.
    """

    nearest: NDArray[np.float64]
    nearest_mean: NDArray[np.float64]
    neighbours: int
    classes: tuple[str, ...]
    num_declared: int
    approximate_classes: tuple[str, ...] = ()


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
    against = declared_classes(declared, rules=classes.rules)
    if against is None:
        return None
    distances, approximate = _distances(classes, against, vectors)
    neighbours = min(NEIGHBOURS, len(against))
    closest = np.sort(distances, axis=1)[:, :neighbours]
    return ClassDistances(
        nearest=closest[:, 0].copy(),
        nearest_mean=closest.mean(axis=1),
        neighbours=neighbours,
        classes=classes.names,
        num_declared=len(against),
        approximate_classes=approximate,
    )


def distractor_classes(
    declared: Declared | ModelCard,
    classes: ClassSet,
    *,
    vectors: str | Path | None = None,
    threshold: float = DEFAULT_THRESHOLD,
) -> ClassSet | None:
    """Return the declared classes that stand beside the test classes as candidates.

    A declared class that equals a test class by name or words, or is below the threshold from one,
    is merged into it: it is no distractor.

    Args:
        declared: The model's card, or what a user declares for it.
        classes: The test classes.
        vectors: Word-vector file; None for the bundled vectors.
        threshold: Cosine distance below which two classes count as one.

    Returns:
        The others, each once, named ``<data set>/<class>``; None where there is none.

    Raises:
        WordVectorError: The vectors cannot be read.
        ClassSetError: A declared set has words that the test set's rules do not make.
    """
    against = declared_classes(declared, rules=classes.rules)
    if against is None:
        return None
    distances, _ = _distances(classes, against, vectors)
    names = set(map(fold, classes.names))
    kept = [
        name
        for name, distance in zip(against.names, distances.min(axis=0), strict=True)
        if distance >= threshold and fold(name.partition("/")[2]) not in names
    ]
    return against.select(kept) if kept else None


def _distances(
    classes: ClassSet, against: ClassSet, vectors: str | Path | None
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return ``(len(classes), len(against))`` distances; equal words are at exactly 0."""
    words = {word for of in (classes, against) for bag in of.words for word in bag}
    loaded = load_word_vectors(vectors, words=words)
    test = class_vectors(classes, loaded, allow_approximate=True)
    train = class_vectors(against, loaded, allow_approximate=True)
    return distance_matrix(test, train), test.approximate_classes
