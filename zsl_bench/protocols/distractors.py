"""Candidates from other data sets, named ``<dataset>/<class>``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.classes import RULES, ClassSet, load_class_set

if TYPE_CHECKING:
    from collections.abc import Sequence

SEPARATOR = "/"


def distractor_class_set(names: Sequence[str], *, rules: str = RULES) -> ClassSet:
    """Return words and labels of a protocol's frozen distractors.

    Args:
        names: Such as ``hmdb51/chew``, of bundled class sets; each once.
        rules: Rule set of the words.

    Raises:
        ClassSetError: There is no such bundled class, or no name at all.

    Example:
        >>> distractor_class_set(["hmdb51/draw_sword"]).words
        (('draw', 'sword'),)
    """
    found = []
    for name in names:
        dataset, _, own = name.partition(SEPARATOR)
        classes = load_class_set(dataset, rules)
        position = classes.index(own)
        found.append((classes.words[position], classes.labels[position]))
    return ClassSet(
        dataset="distractors",
        version=1,
        names=tuple(names),
        words=tuple(words for words, _ in found),
        labels=tuple(label for _, label in found),
        aliases=((),) * len(found),
        rules=rules,
        source="bundled class sets",
    )
