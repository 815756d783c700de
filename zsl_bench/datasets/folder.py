"""Any data set that is a folder of class folders."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

from zsl_bench.classes import (
    bundled_class_sets,
    class_set_from_names,
    load_class_set,
)
from zsl_bench.datasets.expected import ALL
from zsl_bench.datasets.official import unpack_hint
from zsl_bench.datasets.recognise import looks_like
from zsl_bench.datasets.scan import is_utf8, printable, scan_folder
from zsl_bench.errors import DatasetError, listing, near_matches
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.classes import ClassSet
    from zsl_bench.datasets.scan import FoundFile, Scan

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
_CLIP_OF_VIDEO = re.compile(r"(?P<video>[\w-]{11})_\d{6}_\d{6}")


def open_folder(dataset: str, root: Path, test_list: str | Path | None) -> Manifest:
    """Read ``class/video`` folders; see ``zsl_bench.datasets.open_dataset``.

    Where the folders name the classes, one without any file is a class without videos.
    """
    if test_list is not None:
        raise DatasetError(
            f"test list {printable(str(test_list))!r} of {dataset}",
            found="no official lists are known for this data set",
            fix="leave the list out, and give a folder with only the videos that are meant",
        )
    scan = scan_folder(root)
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
    rows: dict[str, tuple[Video, FoundFile]] = {}
    for folder, files in folders.items():
        label = labels[folder]
        for file in files:
            name = _composed(f"{label}/{file.path.partition('/')[2]}")
            stem = name.rpartition(".")[0]
            if stem in rows:
                raise DatasetError(
                    f"{dataset} in {printable(str(scan.root))}",
                    found=f"one video as {rows[stem][1].path!r} and {file.path!r}",
                    fix="keep one of them, or rename one",
                )
            video = Video(id=name, label=label, path=file.path, group=_group(stem))
            rows[stem] = (video, file)
    return dict(rows.values())


def _left_out(scan: Scan) -> tuple[str, ...]:
    names = [printable(folder) for folder in scan.other_folders]
    if not names:
        return ()
    return (f"left out, folders with files but no video: {len(names):,} ({', '.join(names)})",)


def _likeness(dataset: str, scan: Scan) -> tuple[str, ...]:
    other = None if dataset in bundled_class_sets() else looks_like(scan)
    return () if other is None else (f"{other}; use its name to compare with published numbers",)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _group(stem: str) -> str:
    match = _CLIP_OF_VIDEO.fullmatch(stem.rpartition("/")[2])
    return match["video"] if match else stem


def _class_folders(dataset: str, scan: Scan) -> dict[str, list[FoundFile]]:
    asked = f"{dataset} in {printable(str(scan.root))}"
    paths = (*(file.path for file in scan.files), *scan.empty_folders)
    odd = [printable(path) for path in paths if not is_utf8(path)]
    if odd:
        raise DatasetError(
            asked,
            found=f"names that are not UTF-8 ({len(odd):,}), such as {odd[0]}",
            fix="rename them, for example with convmv",
        )
    folders: dict[str, list[FoundFile]] = defaultdict(list)
    for file in scan.files:
        if file.folders:
            folders[file.folders[0]].append(file)
    if not folders:
        raise DatasetError(
            asked,
            found=f"video files ({len(scan.files):,}), but no class folders with videos"
            if scan.files
            else "no video files",
            fix=unpack_hint(scan) or "give a folder that has one folder of videos per class",
        )
    if all(name.casefold() in _PARTS for name in folders):
        first = next(iter(folders))
        raise DatasetError(
            asked,
            found=f"folders {listing(folders)}, which are no classes",
            fix=f"give the folder that holds the class folders, such as {scan.root / first}",
        )
    return folders


def _classes_of(dataset: str, scan: Scan, folders: list[str]) -> tuple[ClassSet, dict[str, str]]:
    if dataset not in bundled_class_sets():
        labels = {folder: _composed(folder) for folder in folders}
        names = sorted({*labels.values(), *map(_composed, scan.empty_folders)})
        classes = class_set_from_names(names, dataset=dataset, source="names of class folders")
        return classes, labels
    classes = load_class_set(dataset)
    found = {folder: classes.find(_composed(folder)) for folder in folders}
    labels = {folder: name for folder, name in found.items() if name is not None}
    unknown = [folder for folder in folders if folder not in labels]
    if not unknown:
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
