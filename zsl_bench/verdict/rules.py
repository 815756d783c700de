"""The rules, one verdict each, never merged: distance, exact names, same words, curated lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from zsl_bench.classes import fold
from zsl_bench.overlap import DEFAULT_THRESHOLD, distance_matrix
from zsl_bench.verdict.curated import curated_verdicts
from zsl_bench.verdict.declared import declared_sets, num_declared, silent_fields, word_bag
from zsl_bench.verdict.types import SeenClass, Verdict, finding_of
from zsl_bench.wordvectors import class_vectors, load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from zsl_bench.classes import ClassSet
    from zsl_bench.model import ModelCard
    from zsl_bench.verdict.declared import Declared, DeclaredSet
    from zsl_bench.wordvectors import ClassVectors

EXACT_NAME, SAME_WORDS = "exact-name", "same-words"


def zero_shot_verdicts(
    declared: Declared | ModelCard,
    classes: ClassSet,
    *,
    vectors: str | Path | None = None,
    threshold: float = DEFAULT_THRESHOLD,
) -> tuple[Verdict, ...]:
    """Hold what a model declares against the test classes, by every rule.

    Args:
        declared: The model's card, or what a user declares for it.
        classes: The test classes.
        vectors: Word-vector file; None for the bundled vectors.
        threshold: Cosine distance below which two classes count as one.

    Returns:
        The headline (word-vector distance), then exact names, same words, and the curated lists
        that know the data set, each of which says in its note whether it speaks of this model.

    Raises:
        WordVectorError: The vectors cannot be read.
        ClassSetError: A declared set has words that the test set's rules do not make.
    """
    return (
        zero_shot_verdict(declared, classes, vectors=vectors, threshold=threshold),
        _by_key(EXACT_NAME, declared, classes, lambda of: map(fold, of.names)),
        _by_key(SAME_WORDS, declared, classes, lambda of: map(word_bag, of.words)),
        *curated_verdicts(declared, classes),
    )


def zero_shot_verdict(
    declared: Declared | ModelCard,
    classes: ClassSet,
    *,
    vectors: str | Path | None = None,
    threshold: float = DEFAULT_THRESHOLD,
) -> Verdict:
    """Compare what a model declares with the test classes (paper Eq. 3: training and pretraining).

    Args:
        declared: The model's card, or what a user declares for it.
        classes: The test classes.
        vectors: Word-vector file; None for the bundled vectors.
        threshold: Cosine distance below which two classes count as one.

    Returns:
        The headline verdict, by the rule named after the rule set that made the words.

    Raises:
        WordVectorError: The vectors cannot be read.
        ClassSetError: A declared set has words that the test set's rules do not make.
    """
    sets = declared_sets(declared, rules=classes.rules)
    involved = [classes, *(entry.classes for entry in sets)]
    loaded = load_word_vectors(vectors, words={w for s in involved for ws in s.words for w in ws})
    test = class_vectors(classes, loaded, allow_approximate=True)
    nearest: dict[str, _Below] = {}
    approximate = set(test.approximate_words)
    for entry in sets:
        against = class_vectors(entry.classes, loaded, allow_approximate=True)
        approximate.update(against.approximate_words)
        for seen in _below(test, against, entry.field, threshold):
            known = nearest.get(seen.name)
            if known is None or seen.distance < known.distance:
                nearest[seen.name] = seen
    silent = silent_fields(declared)
    return Verdict(
        finding=finding_of(nearest, silent),
        rule=classes.rules,
        rules=classes.rules,
        threshold=threshold,
        vectors=loaded.source,
        vectors_digest=loaded.digest,
        seen=tuple(
            SeenClass(**nearest[name]._asdict()) for name in classes.names if name in nearest
        ),
        silent=silent,
        num_declared=num_declared(sets),
        approximate_words=tuple(sorted(approximate)) if sets else (),
    )


class _Below(NamedTuple):
    """A :class:`SeenClass` whose distance is known."""

    name: str
    seen_as: str
    seen_in: str
    declared_in: str
    distance: float


def _below(
    test: ClassVectors, declared: ClassVectors, field: str, threshold: float
) -> Iterator[_Below]:
    distances = distance_matrix(test, declared)
    for i, j in enumerate(distances.argmin(axis=1).tolist()):
        if distances[i, j] < threshold:
            yield _Below(
                name=test.classes.names[i],
                seen_as=declared.classes.names[j],
                seen_in=declared.classes.dataset,
                declared_in=field,
                distance=float(distances[i, j]),
            )


def _by_key(
    rule: str,
    declared: Declared | ModelCard,
    classes: ClassSet,
    key: Callable[[ClassSet], Iterable[object]],
) -> Verdict:
    """Two classes are one where a key of theirs is equal; the first declared one is named."""
    sets = declared_sets(declared, rules=classes.rules)
    first: dict[object, tuple[DeclaredSet, str]] = {}
    for entry in sets:
        for value, name in zip(key(entry.classes), entry.classes.names, strict=True):
            first.setdefault(value, (entry, name))
    seen: dict[str, SeenClass] = {}
    for value, name in zip(key(classes), classes.names, strict=True):
        if value in first:
            entry, seen_as = first[value]
            seen[name] = SeenClass(
                name=name, seen_as=seen_as, seen_in=entry.classes.dataset, declared_in=entry.field
            )
    silent = silent_fields(declared)
    return Verdict(
        finding=finding_of(seen, silent),
        rule=rule,
        rules=classes.rules if rule == SAME_WORDS else None,
        seen=tuple(seen.values()),
        silent=silent,
        num_declared=num_declared(sets),
    )
