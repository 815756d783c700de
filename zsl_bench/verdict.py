"""The zero-shot verdict: has the model seen a test class, by what it declares and a named rule?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zsl_bench.overlap import DEFAULT_THRESHOLD, distance_matrix
from zsl_bench.wordvectors import class_vectors, load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zsl_bench.classes import ClassSet
    from zsl_bench.model import ModelCard
    from zsl_bench.wordvectors import ClassVectors

Finding = Literal["overlapping", "undeclared", "disjoint"]
FIELDS = ("trained_on", "pretrained_on")


@dataclass(frozen=True, kw_only=True)
class SeenClass:
    """A test class with a declared class below the threshold.

    Attributes:
        name: The test class.
        seen_as: The declared class nearest to it.
        seen_in: The data set that the declared class belongs to.
        declared_in: ``trained_on`` or ``pretrained_on``.
        distance: Cosine distance of the two.
    """

    name: str
    seen_as: str
    seen_in: str
    declared_in: str
    distance: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a rule says of a model on a test set.

    ``overlapping`` outranks ``undeclared``, which outranks ``disjoint``; a field that is open or
    undeclared never yields ``disjoint``.

    Attributes:
        finding: The verdict.
        rules: Rule set that made the words.
        threshold: Cosine distance below which two classes count as one.
        vectors: Source of the word vectors.
        vectors_digest: Its SHA-256.
        seen: The test classes seen, in the data set's order.
        silent: The fields that are undeclared or open, such as ``pretrained_on: open``.
        approximate_words: Words without a vector, on which a distance may rest.
    """

    finding: Finding
    rules: str
    threshold: float
    vectors: str
    vectors_digest: str
    seen: tuple[SeenClass, ...]
    silent: tuple[str, ...]
    approximate_words: tuple[str, ...]

    def __str__(self) -> str:
        """Return the verdict with its rule, and the word vectors where they are not the bundled."""
        other = (
            "" if self.vectors_digest == load_word_vectors(words=()).digest else f", {self.vectors}"
        )
        return f"{self.finding} ({self.rules}, {self.threshold:g}{other})"


def zero_shot_verdict(
    card: ModelCard,
    classes: ClassSet,
    *,
    vectors: str | Path | None = None,
    threshold: float = DEFAULT_THRESHOLD,
) -> Verdict:
    """Compare what a model declares with the test classes (paper Eq. 3: training and pretraining).

    Args:
        card: The model's card.
        classes: The test classes.
        vectors: Word-vector file; None for the bundled vectors.
        threshold: Cosine distance below which two classes count as one.

    Raises:
        WordVectorError: The vectors cannot be read.
    """
    silent, declared = [], []
    for field in FIELDS:
        data = getattr(card, field)
        if data is None or data == "open":
            silent.append(f"{field}: {'undeclared' if data is None else data}")
        else:
            declared += [(field, class_set) for class_set in data]
    sets = [classes, *(class_set for _, class_set in declared)]
    loaded = load_word_vectors(vectors, words={w for s in sets for ws in s.words for w in ws})
    test = class_vectors(classes, loaded, allow_approximate=True)
    nearest: dict[str, SeenClass] = {}
    approximate = set(test.approximate_words)
    for field, class_set in declared:
        against = class_vectors(class_set, loaded, allow_approximate=True)
        approximate.update(against.approximate_words)
        for seen in _seen(test, against, field, threshold):
            if seen.name not in nearest or seen.distance < nearest[seen.name].distance:
                nearest[seen.name] = seen
    return Verdict(
        finding="overlapping" if nearest else "undeclared" if silent else "disjoint",
        rules=classes.rules,
        threshold=threshold,
        vectors=loaded.source,
        vectors_digest=loaded.digest,
        seen=tuple(nearest[name] for name in classes.names if name in nearest),
        silent=tuple(silent),
        approximate_words=tuple(sorted(approximate)) if declared else (),
    )


def _seen(
    test: ClassVectors, declared: ClassVectors, field: str, threshold: float
) -> Iterator[SeenClass]:
    distances = distance_matrix(test, declared)
    for i, j in enumerate(distances.argmin(axis=1).tolist()):
        if distances[i, j] < threshold:
            yield SeenClass(
                name=test.classes.names[i],
                seen_as=declared.classes.names[j],
                seen_in=declared.classes.dataset,
                declared_in=field,
                distance=float(distances[i, j]),
            )
