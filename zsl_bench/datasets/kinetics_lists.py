"""Lists of paths with labels, as training code keeps them, and telling annotations apart."""

from __future__ import annotations

import csv
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from zsl_bench.class_files import read_names
from zsl_bench.datasets.file_names import composed
from zsl_bench.datasets.kinetics_annotations import (
    Annotations,
    Clip,
    Labels,
    annotations_of,
    file_error,
    has_no_header,
    read_official_csv,
    read_official_json,
    read_text,
)
from zsl_bench.datasets.kinetics_names import clip_key, clip_of
from zsl_bench.datasets.scan import VIDEO_SUFFIXES
from zsl_bench.errors import ClassSetError, ResultError
from zsl_bench.files import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.classes import ClassSet

CSV, JSON, LIST, UNLABELLED, PATHS = "csv", "json", "list", "unlabelled", "paths"
_HEAD = 1 << 16
_ENDINGS = "|".join(suffix.removeprefix(".") for suffix in sorted(VIDEO_SUFFIXES))
_LINES = (
    re.compile(rf"(?P<path>\S.*?\.(?:{_ENDINGS}))\"?[\s,;]+(?P<label>\S.*)", re.IGNORECASE),
    re.compile(r"(?P<path>\S.*?)[\s,;]+(?P<label>-?\d+)"),
)
_MAP_WORDS = ("label", "class", "categor")


def kind_of(path: Path) -> str | None:
    """Return what kind of annotations a file has, by its beginning.

    Returns:
        ``csv`` for the authors' CSV, ``unlabelled`` for one without labels, ``json``, ``list`` for
        lines of a path and a label without a header, ``paths`` for a list of one's own (JSONL, or
        a CSV with the header path and label); None for any other file.
    """
    if path.suffix.casefold() in (".jsonl", ".ndjson"):
        return PATHS
    try:
        with path.open("rb") as stream:
            text = stream.read(_HEAD).decode("utf-8-sig", "ignore")
    except OSError:
        return None
    if path.suffix.casefold() == ".json":
        return JSON if '"annotations"' in text else None
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return _kind_of_line(first)


def _kind_of_line(first: str) -> str | None:
    row = next(csv.reader([first]), [])
    if has_no_header(row):
        return CSV
    cells = {cell.strip().casefold() for cell in row}
    if "youtube_id" in cells:
        return CSV if "label" in cells else UNLABELLED
    if cells >= {"path", "label"}:
        return PATHS
    return LIST if any(line.fullmatch(first) for line in _LINES) else None


def read_annotations(path: Path, classes: ClassSet) -> Annotations:
    """Read annotations of any kind but a CSV with a column of paths.

    Raises:
        DatasetError: The file is of no known kind, or a line does not fit.
    """
    kind = kind_of(path)
    if path.suffix.casefold() == ".json":
        return read_official_json(path, classes)
    if kind == LIST:
        return read_path_list(path, classes)
    return read_official_csv(path, classes)


def read_path_list(path: Path, classes: ClassSet) -> Annotations:
    """Read lines of a path and a label, without a header, as mmaction2 and SlowFast have them.

    Between them are spaces, tabs, commas or semicolons. Labels are class names, or numbers of the
    classes sorted by name, unless a file of class names in that order lies beside the list. Where
    the path's folder is a class, it must be the label's.

    Raises:
        DatasetError: A line does not fit; its number is given.
    """
    entries = _entries(path)
    numbered = all(label.lstrip("-").isdecimal() for _, _, label in entries)
    if numbered:
        entries = _named(path, classes, entries)
    labels = Labels(path, classes)
    folders: dict[str, str | None] = {}
    clips: dict[tuple[str, str], Clip] = {}
    for number, place, spelling in entries:
        label = labels.find(spelling, number)
        folder = place.rpartition("/")[0].rpartition("/")[2]
        if folder not in folders:
            folders[folder] = classes.find(composed(folder))
        if label is not None and folders[folder] not in (None, label):
            raise _disagree(path, number, place, label, numbered=numbered)
        clip = _clip(place, label or spelling)
        clips.setdefault((clip.name, clip.label), clip)
    labels.check()
    return annotations_of(path, tuple(clips.values()), repeated=len(entries) - len(clips))


def _entries(path: Path) -> list[tuple[int, str, str]]:
    entries = []
    for number, text in enumerate(read_text(path).splitlines(), 1):
        line = text.strip()
        if not line or line.startswith("#"):
            continue
        match = next((found for form in _LINES if (found := form.fullmatch(line))), None)
        if match is None:
            raise file_error(
                path, number, f"{line[:100]!r}", "give a path and a label in every line"
            )
        place = composed(match["path"].strip('"').replace("\\", "/"))
        entries.append((number, place, match["label"].strip('"')))
    return entries


def _disagree(path: Path, number: int, place: str, label: str, *, numbered: bool) -> Exception:
    fix = (
        "put the class names in the order of its numbers beside it, as labels.txt"
        if numbered
        else "mend the line"
    )
    return file_error(path, number, f"{place!r} with the label {label!r}", fix)


def _clip(place: str, label: str) -> Clip:
    key = clip_key(PurePosixPath(place).name)
    clip = clip_of(key)
    if clip is None:
        name = f"{label}/{key}"
        return Clip(name, key, label, name, path=place)
    return Clip(key, key, label, clip[0], clip[1], path=place)


def _named(
    path: Path, classes: ClassSet, entries: list[tuple[int, str, str]]
) -> list[tuple[int, str, str]]:
    names = _label_map(path.parent, classes) or tuple(sorted(classes.names))
    for number, _, label in entries:
        if not 0 <= int(label) < len(names):
            raise file_error(
                path, number, f"class number {label}", f"give numbers from 0 to {len(names) - 1}"
            )
    return [(number, place, names[int(label)]) for number, place, label in entries]


def _label_map(folder: Path, classes: ClassSet) -> tuple[str, ...] | None:
    """Return the classes in the order that a file of class names in a folder has, or None."""
    for file in sorted(folder.iterdir()):
        suffix = file.suffix.casefold()
        if suffix not in (".txt", ".csv", ".json") or not any(
            word in file.stem.casefold() for word in _MAP_WORDS
        ):
            continue
        names = _numbered_names(file) if suffix == ".json" else _listed_names(file)
        found = tuple(classes.find(composed(name)) or "" for name in names)
        if sorted(found) == sorted(classes.names):
            return found
    return None


def _listed_names(file: Path) -> list[str]:
    try:
        return read_names(file)
    except ClassSetError:
        return []


def _numbered_names(file: Path) -> list[str]:
    """Return the keys of ``{"name": number}`` in the order of the numbers."""
    try:
        content = read_json(file, what="class names")
    except ResultError:
        return []
    if not isinstance(content, dict):
        return []
    if not all(isinstance(number, int) for number in content.values()):
        return []
    in_order = sorted(content.items(), key=lambda item: item[1])
    return [name.strip('"') for name, _ in in_order]
