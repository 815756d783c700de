"""Which column or class vector of a features file is which class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.classes import ClassSet, bundled_class_sets, fold
from zsl_bench.errors import ClassSetError, listing, near_matches
from zsl_bench.features.likeness import looks_like_classes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassColumns:
    """The places of classes among a file's columns or class vectors.

    Attributes:
        columns: ``(C,)`` int64, for each class of the class set its place.
        distractors: Names of the others, in the file's order.
        distractor_columns: ``(E,)`` int64, their places.
    """

    columns: NDArray[np.int64]
    distractors: tuple[str, ...]
    distractor_columns: NDArray[np.int64]


def own_name(name: str, dataset: str) -> str | None:
    """Return a class name without the prefix of its data set, None where it is of another one.

    Example:
        >>> own_name("kinetics400/abseiling", "ucf101") is None
        True
        >>> own_name("ucf101/Archery", "ucf101")
        'Archery'
    """
    prefix, slash, rest = name.partition("/")
    known = {fold(other) for other in (*bundled_class_sets(), dataset)}
    if not slash or not prefix or not rest or fold(prefix) not in known:
        return name
    return rest if fold(prefix) == fold(dataset) else None


def match_columns(
    names: Sequence[str], classes: ClassSet, *, distractors: Sequence[str] = (), asked: str
) -> ClassColumns:
    """Find every class of a class set among a file's class names.

    Names are compared as by ``ClassSet.find``; those that are no class of the set are distractors.

    Args:
        names: The file's class names, one a column.
        classes: The class set.
        distractors: Names that are no class of the set, whatever they are called.
        asked: The beginning of a message about the file.

    Raises:
        ClassSetError: A class has no column, or two.
    """
    places: dict[str, int] = {}
    others: list[int] = []
    for place, name in enumerate(names):
        own = None if name in distractors else own_name(name, classes.dataset)
        found = None if own is None else classes.find(own)
        if found is None:
            others.append(place)
        elif found in places:
            raise ClassSetError(
                asked,
                found=f"{names[places[found]]!r} and {name!r}, which both are the class {found}",
                fix="keep one; write a class of another data set as in kinetics400/archery",
            )
        else:
            places[found] = place
    _check_complete(places, names, classes, asked)
    return ClassColumns(
        columns=np.array([places[name] for name in classes.names], dtype=np.int64),
        distractors=tuple(names[place] for place in others),
        distractor_columns=np.array(others, dtype=np.int64),
    )


def _check_complete(
    places: dict[str, int], names: Sequence[str], classes: ClassSet, asked: str
) -> None:
    lacking = [name for name in classes.names if name not in places]
    if not lacking:
        return
    others = [name for place, name in enumerate(names) if place not in places.values()]
    likeness = looks_like_classes(names, but=classes.dataset)
    hint = near_matches(lacking[0], others) if others else ""
    if likeness is not None and len(lacking) > len(places):
        fix = f"{likeness}; ask for {likeness.dataset}"
    elif hint.startswith("did you mean"):
        fix = f"the file has {hint.removeprefix('did you mean ').rstrip('?')}: is that the class?"
    else:
        fix = "give scores or vectors for every class of the data set, under its official name"
    raise ClassSetError(
        asked,
        found=f"no column or vector for {len(lacking):,} of {len(classes):,} classes of "
        f"{classes.dataset}: {listing(lacking, limit=3)}",
        fix=fix,
    )
