"""Rows of data sets without an official list: ids and labels as the file gives them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.classes import bundled_class_sets, class_set_from_names, load_class_set
from zsl_bench.datasets.expected import ALL
from zsl_bench.datasets.folder import composed, group_of
from zsl_bench.datasets.scan import VIDEO_SUFFIXES
from zsl_bench.errors import DatasetError
from zsl_bench.features.columns import own_name
from zsl_bench.features.rows import labels_from_folders, names_of, official_labels
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from zsl_bench.classes import ClassSet
    from zsl_bench.features.record import Features


def given_rows(
    features: Features, dataset: str, own_classes: ClassSet | None
) -> tuple[Manifest, list[int]]:
    """Return the manifest of a file's own ids and labels, and for each video its row.

    Args:
        features: The file.
        dataset: Name of the data set.
        own_classes: The classes, where a person gave them.

    Raises:
        DatasetError: A video has no label, or one that is no class.
        ClassSetError: The labels or class names make no class set.
    """
    classes = _class_set(features, dataset, own_classes)
    labels = _labels(features, classes)
    ids = _ids(features, labels)
    videos = [
        Video(
            id=name,
            label=label,
            path=_safe_path(name),
            group=features.groups[row] if features.groups else group_of(_without_suffix(name)),
        )
        for row, (name, label) in enumerate(zip(ids, labels, strict=True))
    ]
    manifest = Manifest(
        dataset=dataset,
        classes=classes,
        split=ALL,
        root=Path(features.source),
        videos=tuple(videos),
        notes=features.notes,
    )
    places = {name: row for row, name in enumerate(ids)}
    return manifest, [places[video.id] for video in manifest.videos]


def _class_set(features: Features, dataset: str, own_classes: ClassSet | None) -> ClassSet:
    if dataset in bundled_class_sets():
        return load_class_set(dataset)
    source = f"class names of {features.source}"
    if own_classes is not None:
        return class_set_from_names(own_classes.names, dataset=dataset, source=own_classes.source)
    names = features.classes
    if names is None:
        names = names_of(features)
        if features.labels is None:
            folders = labels_from_folders(features.ids or (), None)
            names = tuple(folder for folder in folders if folder is not None)
    names = tuple(name for name in names if name not in features.distractors)
    own = {name for spelling in names if (name := own_name(spelling, dataset)) is not None}
    return class_set_from_names(sorted(map(composed, own)), dataset=dataset, source=source)


def _labels(features: Features, classes: ClassSet) -> list[str]:
    names = {
        row: repr(features.ids[row]) if features.ids else f"row {row} (from 0)"
        for row in range(len(features))
    }
    if features.labels is not None:
        return list(official_labels(features, names, classes).values())
    found = labels_from_folders(features.ids or (), classes)
    for row, label in enumerate(found):
        if label is None:
            raise DatasetError(
                features.asked,
                found=f"no labels, and no class of {classes.dataset} in the path {names[row]}",
                fix="add labels to the file",
            )
    return [label for label in found if label is not None]


def _ids(features: Features, labels: list[str]) -> tuple[str, ...]:
    if features.ids is not None:
        return tuple(map(composed, features.ids))
    return unnamed_ids(labels)


def unnamed_ids(labels: list[str]) -> tuple[str, ...]:
    """Return ids for videos of which only the class is known, numbered within each class.

    Example:
        >>> unnamed_ids(["wave", "run", "wave"])
        ('wave/000000', 'run/000000', 'wave/000001')
    """
    counts: Counter[str] = Counter()
    ids = []
    for label in labels:
        ids.append(f"{label}/{counts[label]:06d}")
        counts[label] += 1
    return tuple(ids)


def _without_suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and f".{suffix.casefold()}" in VIDEO_SUFFIXES else name


def _safe_path(name: str) -> str:
    """Return an id as a path that cannot lead out of a folder; no file is ever opened by it."""
    parts = name.replace("\\", "/").replace(":", "_").split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "video"
