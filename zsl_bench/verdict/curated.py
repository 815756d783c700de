"""Curated judgements: lists of test classes that people held against Kinetics by eye.

A list speaks of models that have seen a whole Kinetics set. Where classes were removed from it, as
in the paper's Training Protocols, the list does not know which of its judgements still hold, and
every test class is unjudged. The lists name no edition of Kinetics, and some call a class clean
that an edition has under the same name or words (TruZe ``JumpingJack``, which Kinetics-600 and -700
have): such a judgement was not made about the declared classes, and the class is unjudged too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zsl_bench.classes import fold, load_class_set
from zsl_bench.errors import listing
from zsl_bench.files import asset_path, read_asset
from zsl_bench.verdict.declared import declared_sets, num_declared, silent_fields
from zsl_bench.verdict.types import FIELDS, SeenClass, Verdict, finding_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zsl_bench.classes import ClassSet
    from zsl_bench.model import ModelCard
    from zsl_bench.verdict.declared import Declared

KINETICS = ("kinetics400", "kinetics600", "kinetics700")
_ORDER = ("truze-v2", "truze-v1", "fair-30")


@dataclass(frozen=True, kw_only=True)
class CuratedList:
    """One published list of judgements.

    Attributes:
        id: Name of the rule, such as ``truze-v2``.
        title: The list in words.
        source: Where it was published.
        overlapping: For each data set the classes judged to be in Kinetics.
        clean: For each data set the classes judged not to be.
    """

    id: str
    title: str
    source: str
    overlapping: Mapping[str, tuple[str, ...]]
    clean: Mapping[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def curated_lists() -> tuple[CuratedList, ...]:
    """Return the curated lists that come with the package, in the order of their verdicts."""
    ids = sorted((path.stem for path in asset_path("curated").glob("*.json")), key=_ORDER.index)
    return tuple(_from_json(read_asset("curated", f"{name}.json")) for name in ids)


def _from_json(data: dict[str, Any]) -> CuratedList:
    def lists(kind: str) -> dict[str, tuple[str, ...]]:
        return {dataset: tuple(judged[kind]) for dataset, judged in data["datasets"].items()}

    return CuratedList(
        id=data["id"],
        title=data["title"],
        source=data["source"],
        overlapping=lists("overlapping"),
        clean=lists("clean"),
    )


def curated_verdicts(declared: Declared | ModelCard, classes: ClassSet) -> Iterator[Verdict]:
    """Yield the verdict of every curated list that knows the data set.

    Args:
        declared: The model's card, or what a user declares for it.
        classes: The test classes.
    """
    whole = _whole_kinetics(declared)
    for curated in curated_lists():
        if classes.dataset in curated.clean:
            yield _verdict(curated, declared, classes, whole)


def _verdict(
    curated: CuratedList,
    declared: Declared | ModelCard,
    classes: ClassSet,
    whole: Mapping[str, str],
) -> Verdict:
    overlapping = curated.overlapping[classes.dataset] if whole else ()
    declared_anyway = _declared_anyway(declared, classes)
    listed = set(curated.clean[classes.dataset]) if whole else set()
    clean = listed - declared_anyway
    seen = tuple(
        SeenClass(name=name, seen_as=None, seen_in=listing(whole), declared_in=_fields(whole))
        for name in classes.names
        if name in overlapping
    )
    unjudged = tuple(name for name in classes.names if name not in {*overlapping, *clean})
    silent = silent_fields(declared)
    others = _others(declared) if whole else ()
    refuted = [name for name in classes.names if name in listed & declared_anyway]
    return Verdict(
        finding=finding_of(seen, silent, (*unjudged, *others)),
        rule=curated.id,
        seen=seen,
        silent=silent,
        num_declared=num_declared(declared_sets(declared)),
        unjudged=unjudged,
        not_covered=others,
        note=_note(declared, whole, others, refuted),
    )


def _note(
    declared: Declared | ModelCard,
    whole: Mapping[str, str],
    others: Sequence[str],
    refuted: Sequence[str],
) -> str:
    if whole:
        beside = f"; it says nothing of {listing(others)}" if others else ""
        if refuted:
            beside += f"; it calls clean, and a declared class is the same: {listing(refuted)}"
        return f"it judges models that have seen a whole Kinetics set: {listing(whole)}{beside}"
    sets = declared_sets(declared)
    part = listing(entry.classes.dataset for entry in sets if _is_kinetics(entry.classes))
    held = (
        f"{part} is only a part of one, and the list does not say which judgements still hold"
        if part
        else "the declared classes hold none"
    )
    return f"it judges models that have seen a whole Kinetics set; {held}"


def _declared_anyway(declared: Declared | ModelCard, classes: ClassSet) -> set[str]:
    """Return the test classes that a declared class equals by name or by words."""
    sets = declared_sets(declared, rules=classes.rules)
    names = {fold(name) for entry in sets for name in entry.classes.names}
    bags = {tuple(sorted(words)) for entry in sets for words in entry.classes.words}
    return {
        name
        for name, words in zip(classes.names, classes.words, strict=True)
        if fold(name) in names or tuple(sorted(words)) in bags
    }


def _whole_kinetics(declared: Declared | ModelCard) -> dict[str, str]:
    """Return the Kinetics sets whose every class is declared, each with the fields that do so."""
    names: dict[str, set[str]] = {field: set() for field in FIELDS}
    for entry in declared_sets(declared):
        names[entry.field].update(map(fold, entry.classes.names))
    whole: dict[str, str] = {}
    for dataset in KINETICS:
        wanted = _folded(dataset)
        fields = [field for field in FIELDS if wanted <= names[field]]
        if fields or wanted <= set().union(*names.values()):
            whole[dataset] = " and ".join(fields or FIELDS)
    return whole


def _fields(whole: Mapping[str, str]) -> str:
    fields = " ".join(whole.values())
    return " and ".join(field for field in FIELDS if field in fields.split())


def _others(declared: Declared | ModelCard) -> tuple[str, ...]:
    """Return the declared sets that are not all Kinetics classes."""
    sets = {entry.classes.dataset: entry.classes for entry in declared_sets(declared)}
    return tuple(name for name, of in sets.items() if not _is_kinetics(of))


def _is_kinetics(classes: ClassSet) -> bool:
    """Say whether all classes of a set are Kinetics classes by name."""
    return frozenset().union(*map(_folded, KINETICS)).issuperset(map(fold, classes.names))


@lru_cache(maxsize=len(KINETICS))
def _folded(dataset: str) -> frozenset[str]:
    return frozenset(map(fold, load_class_set(dataset).names))
