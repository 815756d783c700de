"""Annotations of Kinetics: the authors' CSV and JSON files, and lists of paths with labels."""

from __future__ import annotations

import io
from csv import Error as CsvError
from csv import reader as csv_reader
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from zsl_bench.classes import load_class_set
from zsl_bench.datasets.file_names import composed
from zsl_bench.datasets.kinetics_names import (
    RELEASES,
    Times,
    clip_name,
    clip_of,
    is_source,
    part_of_word,
)
from zsl_bench.datasets.scan import printable
from zsl_bench.errors import DatasetError, ResultError, near_matches
from zsl_bench.files import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zsl_bench.classes import ClassSet

HEADER = "label,youtube_id,time_start,time_end,split"
_COLUMNS = ("youtube_id", "time_start", "time_end")


class Clip(NamedTuple):
    """A clip as annotations list it.

    Attributes:
        name: ``ID_000010_000020``, or the class and the file's stem where that is no such name.
        key: What its file is called, without the extension.
        label: Official name of the class.
        source: The YouTube id, or ``name`` where none is known.
        times: Seconds at which it begins and ends in the YouTube video, where they are known.
        part: ``train``, ``val`` or ``test``, or None.
        path: The path that a list names, or None.
    """

    name: str
    key: str
    label: str
    source: str
    times: Times | None = None
    part: str | None = None
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """The clips of one file.

    Attributes:
        path: The file.
        clips: In the file's order, each name once per label.
        parts: The parts that its own column tells, in the order train, val, test.
        unlabelled: How many entries have no label; they are no clips.
        repeated: How many lines repeat one above.
    """

    path: Path
    clips: tuple[Clip, ...]
    parts: tuple[str, ...] = ()
    unlabelled: int = 0
    repeated: int = 0

    def notes(self) -> tuple[str, ...]:
        """Return a sentence about lines that became no clips, if any."""
        name, notes = printable(self.path.name), []
        if self.unlabelled:
            notes.append(f"{name}: left out, entries without a label: {self.unlabelled:,}")
        if self.repeated:
            notes.append(f"{name}: lines that repeat one above: {self.repeated:,}")
        return tuple(notes)


class Labels:
    """Official names of the labels of one file, unknown ones collected with their places."""

    def __init__(self, path: Path, classes: ClassSet) -> None:
        self.path = path
        self.classes = classes
        self._known: dict[str, str | None] = {}
        self._unknown: dict[str, str] = {}

    def find(self, label: str, where: str | int) -> str | None:
        """Return the official name of a label, None and a mark where it is no class."""
        if label not in self._known:
            self._known[label] = self.classes.find(composed(label))
            if self._known[label] is None:
                self._unknown[label] = f"line {where}" if isinstance(where, int) else where
        return self._known[label]

    def check(self) -> None:
        """Check that all labels were known.

        Raises:
            DatasetError: Some were not; another release of Kinetics or near names are suggested.
        """
        if not self._unknown:
            return
        (label, where), *more = self._unknown.items()
        others = f" and {len(more):,} more" if more else ""
        raise DatasetError(
            f"{where} of {printable(str(self.path))}",
            found=f"label {label!r}{others}, which is no class of {self.classes.dataset}",
            fix=self._other_release() or near_matches(label, self.classes.names),
        )

    def _other_release(self) -> str | None:
        for dataset in RELEASES:
            classes = load_class_set(dataset)
            if all(classes.find(composed(label)) is not None for label in self._known):
                return f"all its labels are classes of {dataset}; ask for that"
        return None


def file_error(path: Path, where: str | int, found: str, fix: str) -> DatasetError:
    """Return an error about a line, or a named place, of a file."""
    place = f"line {where}" if isinstance(where, int) else where
    return DatasetError(f"{place} of {printable(str(path))}", found=found, fix=fix)


def read_text(path: Path) -> str:
    """Return the text of annotations.

    Raises:
        DatasetError: The file cannot be read or is not UTF-8.
    """
    asked = f"annotations {printable(str(path))}"
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DatasetError(asked, found=reason, fix="give a file that can be read") from error
    except UnicodeDecodeError as error:
        raise DatasetError(asked, found="no UTF-8 text", fix="save the file as UTF-8") from error


def read_official_csv(path: Path, classes: ClassSet) -> Annotations:
    """Read annotations with the header ``label,youtube_id,time_start,time_end`` and mostly split.

    Columns come in any order, others such as ``is_cc`` are passed over. A file without a header is
    taken to have these columns in this order.

    Raises:
        DatasetError: A line does not fit; its number is given.
    """
    lines = _lines(path)
    number, header = next(lines, (1, []))
    columns = [cell.casefold() for cell in header]
    if has_no_header(header):
        lines = chain([(number, header)], lines)
        columns = [*HEADER.split(","), *columns[5:]][: len(header)]
    if "label" not in columns and set(columns) >= set(_COLUMNS):
        raise file_error(
            path, number, "no column of labels", "give annotations with labels; the authors held "
            "back those of some test sets",
        )  # fmt: skip
    if not {"label", *_COLUMNS} <= set(columns):
        raise file_error(
            path, number, f"the header {','.join(header)[:100]!r}", f"begin it with {HEADER}"
        )
    label_at, source_at, start_at, end_at = (columns.index(n) for n in ("label", *_COLUMNS))
    part_at = columns.index("split") if "split" in columns else None
    collected = _Collected(path, classes)
    for number, cells in lines:
        if len(cells) != len(columns):
            found = f"{len(cells)} cells under a header of {len(columns)}"
            raise file_error(path, number, found, 'put cells with commas in "quotes"')
        collected.add(
            number,
            cells[label_at],
            cells[source_at],
            (cells[start_at], cells[end_at]),
            None if part_at is None else cells[part_at],
        )
    return collected.done()


def has_no_header(cells: list[str]) -> bool:
    """Return whether the first line of a CSV is a clip: a label, a YouTube id and two times."""
    if len(cells) < 4 or not is_source(cells[1].strip()):
        return False
    return all(_seconds(cell.strip()) is not None for cell in cells[2:4])


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not blank with their numbers, cells stripped."""
    text = io.StringIO(read_text(path), newline="")
    reader = csv_reader(text, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            if any(cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except CsvError as error:
        raise file_error(path, reader.line_num, str(error), "mend the line") from error


class _Collected:
    """Clips with times, as they come from a file."""

    def __init__(self, path: Path, classes: ClassSet) -> None:
        self._path = path
        self._labels = Labels(path, classes)
        self._clips: dict[tuple[str, str, str | None], Clip] = {}
        self._parts: dict[str, str | None] = {}
        self._unlabelled = 0
        self._repeated = 0

    def add(
        self, where: str | int, label: str, source: str, cells: tuple[Any, Any], split: str | None
    ) -> None:
        if not label:
            self._unlabelled += 1
            return
        name = self._labels.find(label, where)
        if not is_source(source):
            raise file_error(
                self._path, where, f"youtube_id {source!r}", "give ids of eleven letters, digits, "
                "'-' and '_'; a spreadsheet spoils those that begin with '-'",
            )  # fmt: skip
        times = self._times(where, cells)
        part = None if split is None else self._part(split)
        clip_id = clip_name(source, times)
        key = (clip_id, name or label, part)
        if key in self._clips:
            self._repeated += 1
        else:
            self._clips[key] = Clip(clip_id, clip_id, name or label, source, times, part)

    def _times(self, where: str | int, cells: tuple[Any, Any]) -> Times:
        start, end = _seconds(cells[0]), _seconds(cells[1])
        if start is None or end is None or start >= end:
            raise file_error(
                self._path, where, f"time_start {cells[0]!r}, time_end {cells[1]!r}",
                "give whole seconds, the first below the second",
            )  # fmt: skip
        return start, end

    def _part(self, split: str) -> str | None:
        if split not in self._parts:
            self._parts[split] = part_of_word(split)
        return self._parts[split]

    def done(self) -> Annotations:
        self._labels.check()
        clips = tuple(self._clips.values())
        return annotations_of(
            self._path, clips, unlabelled=self._unlabelled, repeated=self._repeated
        )


def _seconds(cell: object) -> int | None:
    """Return whole seconds of ``417`` or ``417.0``, or None."""
    if isinstance(cell, str) and cell.isdecimal():
        return int(cell)
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return None
    try:
        number = float(cell)
    except ValueError:
        return None
    return int(number) if number >= 0 and number.is_integer() else None


def annotations_of(
    path: Path, clips: tuple[Clip, ...], *, unlabelled: int = 0, repeated: int = 0
) -> Annotations:
    """Return annotations with the parts that the clips tell.

    Raises:
        DatasetError: There are no clips.
    """
    if not clips:
        raise DatasetError(
            f"annotations {printable(str(path))}",
            found=f"no label in {unlabelled:,} entries" if unlabelled else "no clips",
            fix="give a file that lists clips with their labels",
        )
    named = {clip.part for clip in clips}
    return Annotations(
        path=path,
        clips=clips,
        parts=tuple(part for part in ("train", "val", "test") if part in named),
        unlabelled=unlabelled,
        repeated=repeated,
    )


def read_official_json(path: Path, classes: ClassSet) -> Annotations:
    """Read the authors' JSON: ``{ID: {"annotations": {"label", "segment"}, "subset": ...}}``.

    The same below ``"database"``, as some projects write it, is understood.

    Raises:
        DatasetError: It is another file, or an entry does not fit.
    """
    try:
        content = read_json(path, what="annotations")
    except ResultError as error:
        asked = f"annotations {printable(str(path))}"
        raise DatasetError(asked, found=error.found, fix="give the file again") from error
    entries = content.get("database", content) if isinstance(content, dict) else None
    if not isinstance(entries, dict):
        raise DatasetError(
            f"annotations {printable(str(path))}",
            found="no JSON object of videos",
            fix='give {ID: {"annotations": {"label": ..., "segment": ...}, "subset": ...}}',
        )
    collected = _Collected(path, classes)
    for key, entry in entries.items():
        _add_entry(collected, path, key, entry)
    return collected.done()


def _add_entry(collected: _Collected, path: Path, key: str, entry: object) -> None:
    where = f"entry {key!r}"
    clip = clip_of(key)
    if not isinstance(entry, dict) or clip is None:
        found = "no object" if clip is not None else "no YouTube id"
        raise file_error(path, where, found, "give the authors' JSON of Kinetics")
    source, named = clip
    listed = entry.get("annotations")
    subset = entry.get("subset")
    split = subset if isinstance(subset, str) else None
    for annotation in listed if isinstance(listed, list) else [listed]:
        fields = annotation if isinstance(annotation, dict) else {}
        label, segment = fields.get("label"), fields.get("segment", named)
        if not isinstance(label, str):
            label = ""
        if not isinstance(segment, list | tuple) or len(segment) != 2:
            segment = (None, None)
        collected.add(where, label, source, (segment[0], segment[1]), split)
