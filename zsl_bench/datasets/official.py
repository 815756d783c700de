"""Matching a folder against the official list of its data set."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from zsl_bench.classes import fold, load_class_set
from zsl_bench.datasets.expected import official_list
from zsl_bench.datasets.recognise import looks_like
from zsl_bench.datasets.scan import (
    ARCHIVE_SUFFIXES,
    is_utf8,
    printable,
    scan_folder,
)
from zsl_bench.errors import DatasetError, listing
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zsl_bench.datasets.expected import OfficialList
    from zsl_bench.datasets.lists import VideoList
    from zsl_bench.datasets.scan import FoundFile, Scan

DEPTH = 3


def open_official(dataset: str, root: Path, wanted: VideoList) -> Manifest:
    """Match the files below a folder against an official list.

    A video is known by its file's stem, in any case and with any video extension, and its label is
    the official one; class folders are only checked against it. So class folders, one flat folder,
    and either of them up to two folders further down all work.

    Args:
        dataset: ``ucf101`` or ``hmdb51``.
        root: The folder.
        wanted: The split.

    Raises:
        DatasetError: The folder has no such videos, one of them twice, or one in a wrong folder.
    """
    scan = scan_folder(root, depth=DEPTH)
    official = official_list(dataset)
    found, extra = _match(scan, official)
    if not found:
        raise _nothing_found(dataset, scan)
    rows = {i: file for i, file in found.items() if i in wanted.ids}
    if not rows:
        raise DatasetError(
            f"{wanted.name} of {dataset} in {printable(str(root))}",
            found=f"no video of that list among the {len(found):,} of the data set that are there",
            fix="give the folder of the whole data set, or another list",
        )
    classes = load_class_set(dataset)
    missing = wanted.ids - rows.keys()
    return Manifest(
        dataset=dataset,
        classes=classes,
        split=wanted.name,
        root=root,
        videos=tuple(
            Video(
                id=i,
                label=official.videos[i].label,
                path=file.path,
                group=official.videos[i].group,
            )
            for i, file in rows.items()
        ),
        expected=official.counts(wanted.ids, classes.names),
        missing=tuple(missing),
        extra=tuple(printable(file.path) for file in extra),
        unreadable=tuple((i, file.problem) for i, file in rows.items() if file.problem),
        notes=(*scan.notes(), *_renamed(extra, missing)),
    )


def _match(scan: Scan, official: OfficialList) -> tuple[dict[str, FoundFile], list[FoundFile]]:
    by_stem = {i.casefold(): i for i in official.videos}
    found: dict[str, list[FoundFile]] = defaultdict(list)
    extra: list[FoundFile] = []
    for file in scan.files:
        video = by_stem.get(file.stem.casefold())
        if video is None or not is_utf8(file.path):
            extra.append(file)
        else:
            found[video].append(file)
    twice = [files for files in found.values() if len(files) > 1]
    if twice:
        raise DatasetError(
            f"{official.dataset} in {printable(str(scan.root))}",
            found=f"more than one file for {len(twice):,} of its videos, such as "
            f"{listing([file.path for file in twice[0]])}",
            fix="keep one file of each, or give the folder of one copy",
        )
    single = {video: files[0] for video, files in found.items()}
    _check_folders(scan, official, single)
    return single, extra


def _check_folders(scan: Scan, official: OfficialList, found: dict[str, FoundFile]) -> None:
    classes = load_class_set(official.dataset)
    names = {file.folders[-1] for file in found.values() if file.folders}
    labels = {name: classes.find(name) for name in names}
    for video, file in found.items():
        folder = labels[file.folders[-1]] if file.folders else None
        label = official.videos[video].label
        if folder not in (None, label):
            raise DatasetError(
                f"{official.dataset} in {printable(str(scan.root))}",
                found=f"{file.path!r}, which is a video of {label}",
                fix=f"move it to the folder {label}",
            )


def _renamed(extra: Iterable[FoundFile], missing: Iterable[str]) -> tuple[str, ...]:
    by_letters: dict[str, list[str]] = defaultdict(list)
    for video in missing:
        by_letters[fold(video)].append(video)
    likely = [
        f"{printable(file.path)} ({hits[0]})"
        for file in extra
        if len(hits := by_letters.get(fold(file.stem), [])) == 1
    ]
    if not likely:
        return ()
    note = (
        f"extra files that look like missing videos renamed: {len(likely):,} "
        f"({listing(likely)}); give them their official names to count them"
    )
    return (note,)


def _nothing_found(dataset: str, scan: Scan) -> DatasetError:
    return DatasetError(
        f"{dataset} in {printable(str(scan.root))}",
        found=f"not one of {len(scan.files):,} video files named as in {dataset}"
        if scan.files
        else "no video files",
        fix=_likely_fix(dataset, scan)
        or unpack_hint(scan)
        or "give the folder that holds the class folders",
    )


def _likely_fix(dataset: str, scan: Scan) -> str | None:
    likeness = looks_like(scan)
    if likeness is None:
        return None
    if likeness.dataset == dataset:
        return f"give the files their official names ({likeness.evidence})"
    return f"{likeness}; ask for {likeness.dataset}, or give another folder"


def unpack_hint(scan: Scan) -> str | None:
    """Return advice to unpack archives where a folder has some, or None."""
    archives = [suffix for suffix in scan.others if suffix in ARCHIVE_SUFFIXES]
    return f"unpack its {listing(archives)} archives first" if archives else None
