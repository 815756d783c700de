"""Where a folder of Kinetics keeps its parts, class folders, replacements and annotations."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.file_names import composed
from zsl_bench.datasets.kinetics_names import (
    PARTS,
    RELEASES,
    is_annotation_folder,
    is_replacement,
    may_hold_videos,
    part_of_folder,
    release_of,
)
from zsl_bench.datasets.scan import SYSTEM_FOLDERS, VIDEOS, FoundFile, Scan, scan_folder

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping

    from zsl_bench.classes import ClassSet

_DEPTH = 2
_DEEPEST = 4
_CLASS, _REPLACEMENT, _OTHER, _NO_VIDEOS = "class", "replacement", "other", "no videos"
_ABOVE_PARTS = frozenset(("videos", "video", "clips", "data"))


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders of a root; paths are below it, with ``/`` at their end, ``""`` for the root.

    Attributes:
        root: The folder that was given.
        parts: For ``train``, ``val`` and ``test`` the folders of that name that hold files.
        homes: Folders outside the parts that hold class folders.
        replacements: Folders outside the parts with replacements of corrupted files.
        wrappers: The root and the folders between it and the others.
        own: The part that the root itself is named after, None where it holds parts.
    """

    root: Path
    parts: Mapping[str, tuple[str, ...]]
    homes: tuple[str, ...]
    replacements: tuple[str, ...]
    wrappers: tuple[str, ...]
    own: str | None

    def folders(self, parts: Iterable[str]) -> tuple[str, ...]:
        """Return the folders of some parts, or the whole root where one has none."""
        wanted = tuple(parts)
        if not wanted or any(part not in self.parts for part in wanted):
            return ("",)
        return tuple(folder for part in wanted for folder in self.parts[part])


def find_layout(root: Path, classes: ClassSet, release: str) -> Layout:
    """Look at the folders of a root, up to three deep, without reading the files of its parts.

    Folders that are named after another release, as ``k600`` beside ``k400``, are passed over.

    Args:
        root: The folder.
        classes: The classes, to know their folders.
        release: Such as ``kinetics700-2020``.

    Raises:
        DatasetError: It is no folder.
    """
    if not root.is_dir():
        scan_folder(root, depth=0)
    parts: dict[str, list[str]] = defaultdict(list)
    homes, replacements, wrappers = [], [], []
    waiting = deque([("", 0)])
    while waiting:
        below, depth = waiting.popleft()
        wrappers.append(below)
        names = list(sub_folders(root / below))
        is_home = any(classes.find(composed(name)) is not None for name in names)
        if is_home:
            homes.append(below)
        for name in _of_release(names, release):
            folder, role = f"{below}{name}/", _role(name, classes)
            if role == _REPLACEMENT:
                replacements.append(folder)
            elif role == _OTHER and depth < _DEPTH and not is_home:
                waiting.append((folder, depth + 1))
            elif role in PARTS and _has_file(root / folder):
                parts[role].append(folder)
    own = part_of_folder(os.path.basename(os.path.abspath(root)))  # noqa: PTH100, PTH119 - keep links
    return Layout(
        root=root,
        parts={part: tuple(folders) for part, folders in parts.items()},
        homes=tuple(homes),
        replacements=tuple(replacements),
        wrappers=tuple(wrappers),
        own=None if parts else own,
    )


def _of_release(names: list[str], release: str) -> list[str]:
    """Return the names that are of no other release; of 700 and 700-2020 the exact one, if any."""
    wanted = release.removeprefix("kinetics")
    named = {name: release_of(name) for name in names}
    exact = wanted in named.values()
    number = wanted.partition("-")[0]
    return [
        name
        for name, other in named.items()
        if other in (None, wanted) or (not exact and other.partition("-")[0] == number)
    ]


def _role(name: str, classes: ClassSet) -> str:
    """Return what a folder is for by its name: a part, replacements, classes, or something else."""
    spelling = composed(name)
    if classes.find(spelling) is not None:
        return _CLASS
    if is_replacement(name):
        return _REPLACEMENT
    part = part_of_folder(name)
    if part is None:
        return _OTHER if may_hold_videos(name) else _NO_VIDEOS
    is_class = any(load_class_set(dataset).find(spelling) is not None for dataset in RELEASES)
    return _CLASS if is_class else part


def sub_folders(folder: Path) -> Iterator[str]:
    """Yield the names of a folder's sub-folders, sorted, links to folders included.

    A folder that cannot be read has none here; the walk over its files tells.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if _is_folder(entry)]
    except OSError:
        return
    yield from sorted(names)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in SYSTEM_FOLDERS:
        return False
    try:
        return entry.is_dir()
    except OSError:
        return False


def _has_file(folder: Path, depth: int = 0) -> bool:
    below = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not _is_folder(entry):
                    return True
                below.append(entry.name)
    except OSError:
        return True
    return depth < _DEEPEST and any(_has_file(folder / name, depth + 1) for name in below)


def annotation_files(layout: Layout) -> Iterator[Path]:
    """Yield the .csv, .txt and .json files that lie where annotations are kept, nearest first.

    These places are the root, the folders between it and its parts, the folder above it, and in
    each of them folders such as ``annotations`` with their own sub-folders.
    """
    above = Path(os.path.abspath(layout.root)).parent  # noqa: PTH100 - keep links
    places = [*(layout.root / below for below in layout.wrappers), above]
    if layout.own and above.name.casefold() in _ABOVE_PARTS:
        places.append(above.parent)
    for place in places:
        yield from _tables(place)
        for name in sub_folders(place):
            if is_annotation_folder(name):
                yield from _tables(place / name)
                for deeper in sub_folders(place / name):
                    yield from _tables(place / name / deeper)


def _tables(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            names = [
                entry.name
                for entry in entries
                if entry.name.casefold().endswith((".csv", ".txt", ".json"))
                and not entry.name.startswith(".")
                and entry.is_file()
            ]
    except OSError:
        return
    for name in sorted(names):
        yield folder / name


def scan_below(layout: Layout, folders: Iterable[str]) -> Scan:
    """Scan some folders of a root as one; the paths of their files are below the root.

    Raises:
        DatasetError: A folder cannot be read, or links go round.
    """
    scans = [(below, scan_folder(layout.root / below)) for below in folders]
    if len(scans) == 1 and not scans[0][0]:
        return scans[0][1]
    files = [
        FoundFile(path=below + file.path, problem=file.problem)
        for below, scan in scans
        for file in scan.files
    ]
    others: Counter[str] = scans[0][1].others.copy()
    for _, scan in scans[1:]:
        others.update(scan.others)
    return Scan(
        root=layout.root,
        kind=VIDEOS,
        files=tuple(files),
        others=others,
        unfinished=tuple(below + path for below, scan in scans for path in scan.unfinished),
    )
