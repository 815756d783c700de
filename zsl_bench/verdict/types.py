"""What a verdict holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from zsl_bench.wordvectors import load_word_vectors

if TYPE_CHECKING:
    from collections.abc import Collection

Finding = Literal["overlapping", "undeclared", "unjudged", "disjoint"]
FIELDS = ("trained_on", "pretrained_on")


@dataclass(frozen=True, kw_only=True)
class SeenClass:
    """A test class that a rule finds among the declared classes.

    Attributes:
        name: The test class.
        seen_as: The declared class nearest to it, or that equals it; None where a curated
            judgement names none.
        seen_in: The data set that the declared class belongs to.
        declared_in: ``trained_on`` or ``pretrained_on``, or both with ``and`` between.
        distance: Cosine distance of the two; None for a rule that measures none.
    """

    name: str
    seen_as: str | None
    seen_in: str
    declared_in: str
    distance: float | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one rule says of a model on a test set.

    ``overlapping`` outranks ``undeclared``, then come ``unjudged`` (a curated rule says nothing of
    a test class, or of the declared data) and ``disjoint``. A field that is open or undeclared
    never yields ``disjoint``.

    Attributes:
        finding: The verdict.
        rule: The rule: the name of a word rule set for word-vector distance, ``exact-name``,
            ``same-words``, or a curated list.
        rules: Rule set that made the words; None for a rule that uses none.
        threshold: Cosine distance below which two classes count as one; None likewise.
        vectors: Source of the word vectors; None likewise.
        vectors_digest: Its SHA-256; None likewise.
        seen: The test classes seen, in the data set's order.
        silent: The fields that are undeclared or open, such as ``pretrained_on: open``.
        num_declared: Class names declared, each counted once.
        approximate_words: Words without a vector, on which a distance may rest.
        unjudged: Test classes that a curated rule says nothing of, in the data set's order.
        not_covered: Declared data sets that a curated rule says nothing of; what it calls clean is
            clean of the others only.
        note: Why a curated rule speaks of this model, or does not; else empty.
    """

    finding: Finding
    rule: str
    rules: str | None = None
    threshold: float | None = None
    vectors: str | None = None
    vectors_digest: str | None = None
    seen: tuple[SeenClass, ...]
    silent: tuple[str, ...]
    num_declared: int = 0
    approximate_words: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    not_covered: tuple[str, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        """Return the verdict with its rule, and the word vectors where they are not the bundled."""
        if self.threshold is None:
            return f"{self.finding} ({self.rule})"
        bundled = self.vectors_digest == load_word_vectors(words=()).digest
        other = "" if bundled else f", {self.vectors}"
        return f"{self.finding} ({self.rule}, {self.threshold:g}{other})"

    def within(self, names: Collection[str]) -> Verdict:
        """Return what the rule says of some of the test classes, such as those of a protocol."""
        chosen = set(names)
        seen = tuple(entry for entry in self.seen if entry.name in chosen)
        unjudged = tuple(name for name in self.unjudged if name in chosen)
        return replace(
            self,
            finding=finding_of(seen, self.silent, (*unjudged, *self.not_covered)),
            seen=seen,
            unjudged=unjudged,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON holds them."""
        return asdict(self)


def finding_of(
    seen: Collection[object], silent: Collection[str], not_judged: Collection[str] = ()
) -> Finding:
    """Return the finding that outranks the others.

    Args:
        seen: The test classes seen.
        silent: Fields that are undeclared or open.
        not_judged: Test classes or declared data sets that a rule says nothing of.
    """
    if seen:
        return "overlapping"
    if silent:
        return "undeclared"
    return "unjudged" if not_judged else "disjoint"
