"""Which row of a features file is which video, checked against its labels."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from zsl_bench.datasets.folder import composed
from zsl_bench.errors import DatasetError, listing, near_matches
from zsl_bench.features.columns import own_name
from zsl_bench.features.spelling import folder_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zsl_bench.classes import ClassSet
    from zsl_bench.features.record import Features

_SHOWN = 60


def official_labels(
    features: Features, rows: Mapping[int, str], classes: ClassSet
) -> dict[int, str]:
    """Return the official class of rows by the labels of the file.

    Args:
        features: The file, with labels.
        rows: What each row is called in a message, by position.
        classes: The data set's classes.

    Raises:
        DatasetError: A label is no class.
    """
    labels = names_of(features)
    official: dict[str, str | None] = {}
    for label in {labels[row] for row in rows}:
        own = own_name(label, classes.dataset)
        official[label] = None if own is None else classes.find(composed(own))
    found = {}
    for row, name in rows.items():
        known = official[labels[row]]
        if known is None:
            raise DatasetError(
                features.asked,
                found=f"label {repr(labels[row])[:_SHOWN]} of {name}, which is no class of "
                f"{classes.dataset}",
                fix=near_matches(labels[row], classes.names),
            )
        found[row] = known
    return found


def names_of(features: Features) -> tuple[str, ...]:
    """Return the file's labels by name.

    Raises:
        DatasetError: They are numbers, and nothing says of which classes.
    """
    names = tuple(label for label in features.labels or () if isinstance(label, str))
    if len(names) < len(features.labels or ()):
        raise DatasetError(
            features.asked,
            found="labels that are numbers, and no class names",
            fix="add classes to the file, or give --classes with a list in their order",
        )
    return names


def check_labels(
    features: Features, found: Mapping[int, str], truth: Mapping[int, str], classes: ClassSet
) -> None:
    """Check that the file's labels are the official ones.

    Labels that are numbers without class names are checked as far as can be: one number a class and
    one class a number.

    Args:
        features: The file.
        found: The official id of each row.
        truth: The official label of each row.
        classes: The data set's classes.

    Raises:
        DatasetError: A label is no class, or labels disagree; they are counted and named.
    """
    if features.labels is None:
        return
    if any(isinstance(label, int) for label in features.labels):
        _check_numbers(features, truth)
        return
    labels = official_labels(features, found, classes)
    wrong = [
        f"{found[row]} (file: {label}, official: {truth[row]})"
        for row, label in labels.items()
        if label != truth[row]
    ]
    if wrong:
        raise DatasetError(
            features.asked,
            found=f"labels that are not the official ones, {len(wrong):,} of {len(labels):,}: "
            f"{listing(wrong, limit=3)}",
            fix="mend the labels or the ids; rows may have been shuffled apart",
        )


def _check_numbers(features: Features, truth: Mapping[int, str]) -> None:
    labels = features.labels or ()
    by_number: dict[object, set[str]] = defaultdict(set)
    by_class: dict[str, set[object]] = defaultdict(set)
    for row, label in truth.items():
        by_number[labels[row]].add(label)
        by_class[label].add(labels[row])
    mixed = [
        f"{number} for {' and '.join(sorted(names)[:2])}"
        for number, names in by_number.items()
        if len(names) > 1
    ]
    mixed += [
        f"{' and '.join(map(str, list(numbers)[:2]))} for {name}"
        for name, numbers in by_class.items()
        if len(numbers) > 1
    ]
    if mixed:
        raise DatasetError(
            features.asked,
            found=f"label numbers that do not stand for one class each: {listing(mixed, limit=3)}",
            fix="mend the labels or the ids; rows may have been shuffled apart",
        )


def check_folders(
    features: Features, found: Mapping[int, str], truth: Mapping[int, str], classes: ClassSet
) -> None:
    """Check that no id lies in the folder of another class.

    Where all ids lie in one folder it is no class folder, whatever it is called.

    Args:
        features: The file, with ids.
        found: The official id of each row.
        truth: The official label of each row.
        classes: The data set's classes.

    Raises:
        DatasetError: An id does; it is named.
    """
    folders = {row: folder_of((features.ids or ())[row]) for row in found}
    labels = {folder: classes.find(folder) for folder in set(folders.values()) if folder}
    if len(set(folders.values())) == 1:
        return
    for row, folder in folders.items():
        if labels.get(folder) not in (None, truth[row]):
            raise DatasetError(
                features.asked,
                found=f"the id {(features.ids or ())[row]!r}, which is a video of {truth[row]}",
                fix=f"mend the id: its folder is that of {labels[folder]}",
            )


def labels_from_folders(ids: Sequence[str], classes: ClassSet | None) -> list[str | None]:
    """Return for each id the class that one of its folders names, None where it is not clear.

    Args:
        ids: Paths of videos.
        classes: The classes, or None where the folder that a video lies in names its class.
    """
    if classes is None:
        return [folder_of(text) or None for text in ids]
    found: list[str | None] = []
    for text in ids:
        folders = text.replace("\\", "/").split("/")[:-1]
        names = {name for folder in folders if (name := classes.find(folder)) is not None}
        found.append(names.pop() if len(names) == 1 else None)
    return found
