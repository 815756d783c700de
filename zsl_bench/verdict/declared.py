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


def declared_classes(
    declared: Declared | ModelCard, *, rules: str | None = None
) -> ClassSet | None:
    """Return the classes of all declared sets together, each once, named ``<data set>/<class>``.

    A class that an earlier set has under the same name or with the same words is left out;
    ``trained_on`` comes first.

    Args:
        declared: The model's card, or what a user declares for it.
        rules: Rule set that their words should follow; None for the words that they have.

    Returns:
        The classes, or None where no field declares any.

    Raises:
        ClassSetError: A set has words of its own, which no other rule set can replace.
    """
    kept: dict[str, tuple[ClassSet, int]] = {}
    names: set[str] = set()
    words: set[tuple[str, ...]] = set()
    for classes in dict.fromkeys(entry.classes for entry in declared_sets(declared, rules=rules)):
        spelt = [fold(name) for name in classes.names]
        bags = [tuple(sorted(bag)) for bag in classes.words]
        for i, name in enumerate(classes.names):
            if spelt[i] not in names and bags[i] not in words:
                kept[f"{classes.dataset}/{name}"] = (classes, i)
        names.update(spelt)
        words.update(bags)
    if not kept:
        return None
    first = next(iter(kept.values()))[0]
    return ClassSet(
        dataset="+".join(dict.fromkeys(classes.dataset for classes, _ in kept.values())),
        version=1,
        names=tuple(kept),
        words=tuple(classes.words[i] for classes, i in kept.values()),
        labels=tuple(classes.labels[i] for classes, i in kept.values()),
        aliases=((),) * len(kept),
        rules=first.rules,
        source="declared training and pretraining classes",
    )
