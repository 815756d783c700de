"""What a model is declared to have seen: by its card, or by words on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from zsl_bench.classes import ClassSet, bundled_class_sets, fold, with_rules
from zsl_bench.errors import ClassSetError, ZslBenchError, listing, near_matches
from zsl_bench.splits import bundled_splits, class_list
from zsl_bench.verdict.types import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zsl_bench.model import ModelCard, TrainingData

OPEN: Final = "open"
NOTHING: Final = "none"


@dataclass(frozen=True, kw_only=True)
class Declared:
    """The labelled data that a model has seen; each field as in a :class:`ModelCard`.

    Attributes:
        trained_on: ``None`` (undeclared), ``"open"`` (web data), ``()`` (nothing) or class sets.
        pretrained_on: The same for the pretraining data.
    """

    trained_on: TrainingData = None
    pretrained_on: TrainingData = None


class DeclaredSet(NamedTuple):
    """A declared class set and the field that declares it."""

    field: str
    classes: ClassSet


def declared_sets(
    declared: Declared | ModelCard, *, rules: str | None = None
) -> tuple[DeclaredSet, ...]:
    """Return the class sets declared, those of ``trained_on`` first.

    Args:
        declared: The model's card, or what a user declares for it.
        rules: Rule set that their words should follow; None for the words that they have.

    Raises:
        ClassSetError: A set has words of its own, which no other rule set can replace.
    """
    return tuple(
        DeclaredSet(field, classes if rules is None else with_rules(classes, rules))
        for field, data in _fields(declared)
        for classes in data
    )


def num_declared(sets: Sequence[DeclaredSet]) -> int:
    """Return how many class names the sets have together, each counted once."""
    return len({fold(name) for entry in sets for name in entry.classes.names})


def silent_fields(declared: Declared | ModelCard) -> tuple[str, ...]:
    """Return the fields that are undeclared or open, such as ``pretrained_on: open``."""
    values = ((field, getattr(declared, field)) for field in FIELDS)
    return tuple(
        f"{field}: {'undeclared' if data is None else data}"
        for field, data in values
        if data is None or data == OPEN
    )


def _fields(declared: Declared | ModelCard) -> Iterator[tuple[str, tuple[ClassSet, ...]]]:
    for field in FIELDS:
        data: TrainingData = getattr(declared, field)
        if data is not None and not isinstance(data, str):
            yield field, data


def parse_declaration(texts: Sequence[str]) -> TrainingData:
    """Read what a user declares with ``--trained-on`` or ``--pretrained-on``.

    Args:
        texts: ``open``; ``none``; or one or more of: a bundled class set such as ``kinetics400``, a
            bundled split such as ``tp1``, a split file, a class file. Write ``./open`` for a file
            of that name.

    Returns:
        ``None`` where there is no text, ``"open"``, ``()`` for ``none``, or the class sets, each
        once.

    Raises:
        ZslBenchError: A text stands for nothing, or ``open`` or ``none`` does not stand alone.

    Example:
        >>> [classes.dataset for classes in parse_declaration(["k400", "tp1"])]
        ['kinetics400', 'kinetics700-tp1']
    """
    words = [text.strip().casefold() for text in texts]
    alone = sorted({OPEN, NOTHING} & set(words))
    if alone and len(set(words)) > 1:
        raise ClassSetError(
            f"declared data {listing(texts)}",
            found=f"{alone[0]!r} beside others",
            fix="declare classes with one of --trained-on and --pretrained-on, and open with the "
            "other; none stands alone",
        )
    if alone == [OPEN]:
        return OPEN
    if alone:
        return ()
    sets = {classes.fingerprint: classes for classes in map(_declared_list, texts)}
    return tuple(sets.values()) or None


def _declared_list(text: str) -> ClassSet:
    try:
        return class_list(text)
    except ZslBenchError:
        if Path(text).exists():
            raise
        known = (OPEN, NOTHING, *bundled_class_sets(), *bundled_splits())
        raise ClassSetError(
            f"declared data {text!r}",
            found="neither open, none, a bundled set or split, nor a file",
            fix=near_matches(text, known),
        ) from None


def distinct_sets(
    declared: Declared | ModelCard, *, rules: str | None = None
) -> tuple[ClassSet, ...]:
    """Return the class sets declared, each once, those of ``trained_on`` first.

    Args:
        declared: The model's card, or what a user declares for it.
        rules: Rule set that their words should follow; None for the words that they have.

    Raises:
        ClassSetError: A set has words of its own, which no other rule set can replace.
    """
    return tuple(dict.fromkeys(entry.classes for entry in declared_sets(declared, rules=rules)))


def word_bag(words: Sequence[str]) -> tuple[str, ...]:
    """Return words in an order of their own, so that classes of equal words meet."""
    return tuple(sorted(words))


def twins(sets: Sequence[ClassSet]) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Group the classes of several sets that count as one.

    A class joins the first class of an earlier set that has its name, else the first that has its
    words in any order. Classes of one set stay apart.

    Args:
        sets: Class sets; of a group, the class of the first is the one that is kept.

    Returns:
        Groups of (number of the set, position of the class), by their first class.
    """
    groups: list[list[tuple[int, int]]] = []
    by_name: dict[str, int] = {}
    by_words: dict[tuple[str, ...], int] = {}
    for number, classes in enumerate(sets):
        keys = [
            (fold(name), word_bag(words))
            for name, words in zip(classes.names, classes.words, strict=True)
        ]
        joined = [by_name.get(name, by_words.get(words)) for name, words in keys]
        for position, ((name, words), known) in enumerate(zip(keys, joined, strict=True)):
            group = len(groups) if known is None else known
            if known is None:
                groups.append([])
            groups[group].append((number, position))
            by_name.setdefault(name, group)
            by_words.setdefault(words, group)
    return tuple(map(tuple, groups))


def declared_classes(
    declared: Declared | ModelCard, *, rules: str | None = None
) -> ClassSet | None:
    """Return the classes of all declared sets together, each once, named ``<data set>/<class>``.

    A class that an earlier set has under the same name or with the same words is left out (see
    :func:`twins`); ``trained_on`` comes first. Of two classes with one name and different words the
    first keeps its words, so that distances are not measured on this set but on all of them.

    Args:
        declared: The model's card, or what a user declares for it.
        rules: Rule set that their words should follow; None for the words that they have.

    Returns:
        The classes, or None where no field declares any.

    Raises:
        ClassSetError: A set has words of its own, which no other rule set can replace.
    """
    sets = distinct_sets(declared, rules=rules)
    kept = [(sets[number], position) for (number, position), *_ in twins(sets)]
    if not kept:
        return None
    return ClassSet(
        dataset="+".join(dict.fromkeys(classes.dataset for classes, _ in kept)),
        version=1,
        names=tuple(f"{classes.dataset}/{classes.names[i]}" for classes, i in kept),
        words=tuple(classes.words[i] for classes, i in kept),
        labels=tuple(classes.labels[i] for classes, i in kept),
        aliases=((),) * len(kept),
        rules=kept[0][0].rules,
        source="declared training and pretraining classes",
    )
