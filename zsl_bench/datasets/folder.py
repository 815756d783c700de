"""Any data set that is a folder of class folders."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from zsl_bench.classes import (
    bundled_class_sets,
    class_set_from_names,
    load_class_set,
)
from zsl_bench.datasets.expected import ALL
from zsl_bench.datasets.file_names import check_names, composed, group_of
from zsl_bench.datasets.official import unpack_hint
from zsl_bench.datasets.own_list import is_list, read_list
from zsl_bench.datasets.recognise import looks_like, looks_like_listed
from zsl_bench.datasets.scan import VIDEOS, printable, scan_folder
from zsl_bench.errors import DatasetError, listing, near_matches
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.classes import ClassSet
    from zsl_bench.datasets.request import DatasetRequest
    from zsl_bench.datasets.scan import FileKind, FoundFile, Scan

__all__ = ["check_names", "composed", "group_of", "open_folder", "read_class_folders"]

_PARTS = frozenset(
    (
        "train",
        "training",
        "val",
        "valid",
        "validation",
        "test",
        "testing",
        "videos",
        "clips",
        "data",
    )
)


def open_folder(request: DatasetRequest) -> Manifest:
    """Read ``class/video`` folders, or a list; see ``zsl_bench.datasets.open_dataset``.

    Where the folders name the classes, one without any file is a class without videos. Where
    annotations are given, they are a list of the folder's files as ``zsl_bench.datasets.read_list``
    reads it; a list in place of the folder is about the folder that it lies in.
    """
    if request.test_list is not None:
        raise DatasetError(
            f"test list {printable(str(request.test_list))!r} of {request.dataset}",
            found="no official lists are known for this data set",
            fix="leave the list out, and give a folder with only the videos that are meant",
        )
    root = request.root
    if request.annotations is not None:
        return read_list(request.dataset, request.annotations, root)
    if is_list(root):
        return read_list(request.dataset, root, root.parent)
    return read_class_folders(request.dataset, root, VIDEOS)


def read_class_folders(dataset: str, root: Path, kind: FileKind) -> Manifest:
    """Read folders of one class each, with files of a kind in them or below them.

    Two videos that differ in their extension only are one video twice, which is an error; two such
    images are two images.

    Raises:
        DatasetError: The folder has no class folders, or folders that are none of its classes.
        ClassSetError: The class folders' names make no class set.
    """
    scan = scan_folder(root, kind=kind)
    folders = _class_folders(dataset, scan)
    classes, labels = _classes_of(dataset, scan, sorted(folders))
    rows = _rows(dataset, scan, folders, labels)
    return Manifest(
        dataset=dataset,
        classes=classes,
        split=ALL,
        root=root,
        videos=tuple(rows),
        extra=tuple(printable(file.path) for file in scan.files if not file.folders),
        unreadable=tuple((row.id, file.problem) for row, file in rows.items() if file.problem),
        notes=(*scan.notes(), *_left_out(scan), *_likeness(dataset, scan)),
    )


def _rows(
    dataset: str, scan: Scan, folders: dict[str, list[FoundFile]], labels: dict[str, str]
) -> dict[Video, FoundFile]:
    is_video = scan.kind is VIDEOS
    rows: dict[str, tuple[Video, FoundFile]] = {}
    for folder, files in folders.items():
        label = labels[folder]
        for file in files:
            name = composed(f"{label}/{file.path.partition('/')[2]}")
            stem = name.rpartition(".")[0]
            key = stem if is_video else name
            if key in rows:
                raise DatasetError(
                    f"{dataset} in {printable(str(scan.root))}",
                    found=f"one {scan.kind.noun} as {rows[key][1].path!r} and {file.path!r}",
                    fix="keep one of them, or rename one",
                )
            group = group_of(stem) if is_video else name
            rows[key] = (Video(id=name, label=label, path=file.path, group=group), file)
    return dict(rows.values())


def _left_out(scan: Scan) -> tuple[str, ...]:
    names = [printable(folder) for folder in scan.other_folders]
    if not names:
        return ()
    count = f"{len(names):,} ({', '.join(names)})"
    return (f"left out, folders with files but no {scan.kind.noun}: {count}",)


def _likeness(dataset: str, scan: Scan) -> tuple[str, ...]:
    if dataset in bundled_class_sets():
        return ()
    other = looks_like(scan, by_naming=False)
    return () if other is None else (f"{other}; use its name to compare with published numbers",)


def _class_folders(dataset: str, scan: Scan) -> dict[str, list[FoundFile]]:
    asked = f"{dataset} in {printable(str(scan.root))}"
    check_names(asked, (*(file.path for file in scan.files), *scan.empty_folders))
    folders: dict[str, list[FoundFile]] = defaultdict(list)
    for file in scan.files:
        if file.folders:
            folders[file.folders[0]].append(file)
    if not folders:
        raise _no_class_folders(asked, scan)
    if all(name.casefold() in _PARTS for name in folders):
        first = next(iter(folders))
        raise DatasetError(
            asked,
            found=f"folders {listing(folders)}, which are no classes",
            fix=f"give the folder that holds the class folders, such as {scan.root / first}",
        )
    return folders


def _no_class_folders(asked: str, scan: Scan) -> DatasetError:
    noun, likeness = scan.kind.noun, looks_like(scan)
    return DatasetError(
        asked,
        found=f"{noun} files ({len(scan.files):,}), but no class folders with {noun}s"
        if scan.files
        else f"no {noun} files",
        fix=unpack_hint(scan)
        or (likeness and f"{likeness}; ask for {likeness.dataset}, or give another folder")
        or f"give a folder that has one folder of {noun}s per class",
    )


def _classes_of(dataset: str, scan: Scan, folders: list[str]) -> tuple[ClassSet, dict[str, str]]:
    if dataset not in bundled_class_sets():
        labels = {folder: composed(folder) for folder in folders}
        names = sorted({*labels.values(), *map(composed, scan.empty_folders)})
        classes = class_set_from_names(names, dataset=dataset, source="names of class folders")
        return classes, labels
    classes = load_class_set(dataset)
    found = {folder: classes.find(composed(folder)) for folder in folders}
    labels = {folder: name for folder, name in found.items() if name is not None}
    unknown = [folder for folder in folders if folder not in labels]
    if not unknown:
        _check_files(dataset, scan)
        return classes, labels
    other = looks_like(scan)
    raise DatasetError(
        f"{dataset} in {printable(str(scan.root))}",
        found=f"{len(unknown):,} of {len(folders):,} folders are none of its classes: "
        f"{listing(unknown)}",
        fix=near_matches(unknown[0], classes.names)
        if other is None or other.dataset == dataset
        else f"{other}; ask for {other.dataset}, or rename the folders",
    )


def _check_files(dataset: str, scan: Scan) -> None:
    """Check that folders whose names are classes do not hold the videos of another data set."""
    other = looks_like_listed(scan)
    if other is not None and other.dataset != dataset:
        raise DatasetError(
            f"{dataset} in {printable(str(scan.root))}",
            found=str(other),
            fix=f"ask for {other.dataset}, or give another folder",
        )
