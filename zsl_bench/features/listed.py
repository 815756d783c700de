"""Rows of data sets with an official list: matched, checked, and what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.classes import load_class_set
from zsl_bench.datasets import official_list
from zsl_bench.datasets.activitynet import DATASET as ACTIVITYNET
from zsl_bench.datasets.activitynet import find_rule, read_annotations
from zsl_bench.datasets.expected import ALL
from zsl_bench.datasets.hmdb51 import parse_split
from zsl_bench.datasets.lists import VideoList, choose_list
from zsl_bench.datasets.ucf101 import parse_list
from zsl_bench.errors import DatasetError, listing
from zsl_bench.features.given import unnamed_ids
from zsl_bench.features.likeness import looks_like_classes, looks_like_ids
from zsl_bench.features.rows import check_folders, check_labels, official_labels
from zsl_bench.features.segments import identify_segments
from zsl_bench.features.spelling import clip_hint, identify
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zsl_bench.classes import ClassSet
    from zsl_bench.datasets import OfficialList
    from zsl_bench.features.record import Features
    from zsl_bench.features.spelling import Identified

_MOST = 0.9
_PARSERS = {"ucf101": parse_list, "hmdb51": parse_split}


def official_rows(
    features: Features, dataset: str, test_list: str | Path | None
) -> tuple[Manifest, list[int]]:
    """Match a file's ids to the official list of UCF101 or HMDB51.

    Args:
        features: The file, with ids.
        dataset: ``ucf101`` or ``hmdb51``.
        test_list: The list, or None.

    Returns:
        The manifest, and for each of its videos the row.

    Raises:
        DatasetError: No id is a video of the data set or the list, or labels disagree.
    """
    ids = features.ids or ()
    wanted = choose_list(dataset, test_list, _PARSERS[dataset])
    official, classes = official_list(dataset), load_class_set(dataset)
    identified = identify(ids, dataset, asked=features.asked)
    found = identified.found
    if not found:
        raise _another_data_set(features, dataset)
    truth = {row: official.videos[video].label for row, video in found.items()}
    check_folders(features, found, truth, classes)
    check_labels(features, found, truth, classes)
    notes = [*features.notes, *_matching_notes(features, dataset, identified)]
    if test_list is None:
        wanted, about = _list_of(official, frozenset(found.values()), wanted)
        notes += about
    rows = {video: row for row, video in found.items() if video in wanted.ids}
    notes += _others_note(features, dataset, wanted.name, len(rows), len(found))
    manifest = Manifest(
        dataset=dataset,
        classes=classes,
        split=wanted.name,
        root=Path(features.source),
        videos=tuple(_official_row(official, video) for video in rows),
        expected=official.counts(wanted.ids, classes.names),
        missing=tuple(wanted.ids - rows.keys()),
        extra=_shown(ids, identified.unmatched),
        notes=tuple(notes),
    )
    return manifest, [rows[video.id] for video in manifest.videos]


def _others_note(
    features: Features, dataset: str, name: str, num_listed: int, num_found: int
) -> list[str]:
    if not num_listed:
        raise DatasetError(
            f"{name} of {dataset} in {features.asked}",
            found=f"no video of that list among {num_found:,} of the data set",
            fix="give another list, or none",
        )
    others = num_found - num_listed
    return [f"rows of other videos than those of {name}: {others:,}"] if others else []


def _official_row(official: OfficialList, video: str) -> Video:
    row = official.videos[video]
    return Video(id=video, label=row.label, path=video, group=row.group)


def _list_of(
    official: OfficialList, found: frozenset[str], wanted: VideoList
) -> tuple[VideoList, list[str]]:
    """Return the list that some ids are exactly, else all videos, and what to say about it."""
    name = official.name_of(found)
    if name is not None:
        said = [f"the videos are exactly those of {name}, which is used"] if name != ALL else []
        return VideoList(name=name, ids=official.splits[name]), said
    around = [
        f"{name} ({len(found):,} of {len(ids):,}): give --test-list {name} if that list is meant"
        for name, ids in official.splits.items()
        if name != ALL and found < ids and len(found) >= _MOST * len(ids)
    ]
    return wanted, [f"all videos are in {hint}" for hint in around]


def _matching_notes(features: Features, dataset: str, identified: Identified) -> list[str]:
    notes = []
    if features.groups is not None:
        notes.append("groups of the file are not used: the official ones are")
    if identified.respelt:
        notes.append(f"ids spelt otherwise than officially: {identified.respelt:,}")
    unmatched = _shown(features.ids or (), identified.unmatched)
    if unmatched:
        hint = clip_hint(unmatched, dataset)
        notes.append(
            f"ids that are no video of {dataset}, not scored: {len(unmatched):,} "
            f"({listing(unmatched, limit=3)})" + (f"; {hint}" if hint else "")
        )
    return notes


def _shown(ids: Sequence[str], rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(ids[row].encode("utf-8", "backslashreplace").decode() for row in rows)


def _another_data_set(features: Features, dataset: str) -> DatasetError:
    ids = features.ids or ()
    likeness = looks_like_ids(ids)
    hint = None if dataset == ACTIVITYNET else clip_hint(ids, dataset)
    example = {"ucf101": "v_Archery_g01_c01", ACTIVITYNET: "v_QOlSCBRmfWY_000"}
    name = example.get(dataset, "April_09_brush_hair_u_nm_np1_ba_goo_0")
    return DatasetError(
        f"{dataset} in {features.asked}",
        found=f"not one of {len(ids):,} ids is a video of {dataset}, such as {ids[0]!r}",
        fix=hint
        or (f"{likeness}; ask for that data set" if likeness else f"give ids such as {name}"),
    )


def unnamed_rows(
    features: Features, dataset: str, test_list: str | Path | None
) -> tuple[Manifest, list[int]]:
    """Take the videos of UCF101 or HMDB51 by their labels alone.

    Nothing tells which video a row is, so each class must have exactly as many rows as an official
    list has. Rows are called by class and number, every row is a group of its own, and the digest
    is not that of a folder.

    Args:
        features: The file, with labels.
        dataset: ``ucf101`` or ``hmdb51``.
        test_list: The list, or None for the one whose counts fit.

    Raises:
        DatasetError: A label is no class, or the counts fit no list, or several.
    """
    official, classes = official_list(dataset), load_class_set(dataset)
    names = {row: f"row {row} (from 0)" for row in range(len(features))}
    _check_likeness(features, dataset)
    labels = list(official_labels(features, names, classes).values())
    counts = {name: labels.count(name) for name in classes.names}
    lists = dict(official.splits)
    if test_list is not None:
        chosen = choose_list(dataset, test_list, _PARSERS[dataset])
        lists = {chosen.name: chosen.ids}
    fitting = [name for name, ids in lists.items() if official.counts(ids, classes.names) == counts]
    if len(fitting) != 1:
        raise _unclear(features, dataset, fitting, counts)
    ids = unnamed_ids(labels)
    note = (
        "videos are known by their labels alone: sources are unknown, so every video counts as "
        "independent, and nothing was checked against the official names"
    )
    manifest = Manifest(
        dataset=dataset,
        classes=classes,
        split=fitting[0],
        root=Path(features.source),
        videos=tuple(
            Video(id=name, label=label, path=name, group=name)
            for name, label in zip(ids, labels, strict=True)
        ),
        expected=counts,
        notes=(*features.notes, note),
    )
    places = {name: row for row, name in enumerate(ids)}
    return manifest, [places[video.id] for video in manifest.videos]


def _check_likeness(features: Features, dataset: str) -> None:
    names = {str(label) for label in features.labels or ()}
    if any(load_class_set(dataset).find(name) for name in names):
        return
    likeness = looks_like_classes(names, but=dataset)
    if likeness is not None:
        raise DatasetError(
            f"{dataset} in {features.asked}",
            found="not one label that is a class of it",
            fix=f"{likeness}; ask for {likeness.dataset}",
        )


def _unclear(
    features: Features, dataset: str, fitting: Sequence[str], counts: Mapping[str, int]
) -> DatasetError:
    if fitting:
        found = f"labels without ids, whose counts fit {listing(fitting)}"
        return DatasetError(features.asked, found=found, fix="give one of them with --test-list")
    return DatasetError(
        features.asked,
        found=f"labels without ids, {sum(counts.values()):,} in all, whose counts per class fit no "
        f"list of {dataset}",
        fix="add video_ids, so that it is known which videos are there",
    )


def activitynet_rows(
    features: Features, test_list: str | Path | None, annotations: Path | str | None
) -> tuple[Manifest, list[int]]:
    """Match a file's ids to the segments or videos of ActivityNet 1.3.

    Args:
        features: The file, with ids.
        test_list: The video rule, or None to tell it by the ids.
        annotations: The official JSON.

    Returns:
        The manifest, and for each of its videos the row.

    Raises:
        DatasetError: There are no annotations or no ids, no id is one of theirs, or labels
            disagree.
    """
    ids = features.ids
    asked = f"{ACTIVITYNET} in {features.asked}"
    if ids is None:
        fix = "add video_ids such as v_QOlSCBRmfWY_000"
        raise DatasetError(asked, found="no ids of the videos", fix=fix)
    if annotations is None:
        fix = "give --annotations with the official activity_net.v1-3 JSON"
        raise DatasetError(asked, found="no annotations to match them with", fix=fix)
    classes = load_class_set(ACTIVITYNET)
    matched = identify_segments(
        ids,
        _labels_or_none(features, classes),
        read_annotations(annotations),
        rule=None if test_list is None else find_rule(str(test_list)),
        asked=features.asked,
    )
    listed, found = matched.rows, matched.identified.found
    if not found:
        raise _another_data_set(features, ACTIVITYNET)
    check_labels(features, found, {r: listed.rows[i].label for r, i in found.items()}, classes)
    rows = {name: row for row, name in found.items()}
    manifest = Manifest(
        dataset=ACTIVITYNET,
        classes=classes,
        split=listed.rule,
        root=Path(features.source),
        videos=tuple(listed.rows[name] for name in rows),
        expected=listed.counts(),
        missing=tuple(listed.rows.keys() - rows.keys()),
        extra=_shown(ids, matched.identified.unmatched),
        notes=(*features.notes, *matched.notes, *listed.notes()),
        overlapping=tuple(listed.overlapping & rows.keys()),
    )
    return manifest, [rows[video.id] for video in manifest.videos]


def _labels_or_none(features: Features, classes: ClassSet) -> list[str | None] | None:
    """Return the file's labels by official name, as far as they have one."""
    if features.labels is None:
        return None
    return [classes.find(label) if isinstance(label, str) else None for label in features.labels]
