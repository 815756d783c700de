"""Lists of videos or images in CSV files: one's own, or Kinetics annotations."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from csv import Error as CsvError
from csv import reader as csv_reader
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zsl_bench.datasets.file_names import composed
from zsl_bench.datasets.names import dataset_name
from zsl_bench.datasets.own_list_rows import (
    Entry,
    Line,
    line_error,
    list_manifest,
    own_manifest,
    read_text,
    resolve_labels,
)
from zsl_bench.datasets.scan import printable, scan_folder
from zsl_bench.errors import DatasetError, listing
from zsl_bench.videos import Video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.classes import ClassSet
    from zsl_bench.datasets.scan import FoundFile
    from zsl_bench.videos import Manifest

_PATHS = frozenset(("path", "label"))
_KINETICS = frozenset(("label", "youtube_id", "time_start", "time_end"))
_HEADERS = "path,label[,start,end][,id][,group] or label,youtube_id,time_start,time_end[,split]"


class _Row(NamedTuple):
    """A line of a list: its number, its label's official name, and its cells by column."""

    line: int
    label: str
    cells: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class _List:
    """Kinetics annotations with their labels resolved."""

    path: Path
    root: Path
    classes: ClassSet
    rows: tuple[_Row, ...]


def read_csv_list(name: str, csv: Path | str, root: Path | str) -> Manifest:
    """Read from a CSV file which files of a folder are meant, and their classes.

    Two forms are known by their header, in any case and order; other columns are passed over:

    * ``path,label`` and optionally ``start,end,id,group``: paths below the root, with ``/``, and
      seconds. One file may come with several segments. The files may be videos or images.
    * ``label,youtube_id,time_start,time_end`` and mostly ``split``, as Kinetics is annotated: the
      file is ``ID_000010_000020`` or, where the list has the id once, ``ID``, with any video
      extension, anywhere below the root except in the folder of another class. The file is taken
      to be the clip itself.

    Labels are classes of the bundled set where ``name`` is one, in any spelling; else they make a
    class set of their own. Files that are listed and not there become ``missing``.

    Args:
        name: The data set, such as ``kinetics700`` or a name of one's own.
        csv: The list: UTF-8, separated by commas.
        root: The folder of the files; ``~`` is understood.

    Returns:
        The manifest; its split is ``custom-`` and the list's name.

    Raises:
        DatasetError: The list is not one, a line does not fit (its number is given), or none of its
            files is there.
        ClassSetError: The labels make no class set.

    Example:
        >>> read_csv_list("kinetics700", "train.csv", "kinetics700/train")  # doctest: +SKIP
    """
    path, root = Path(csv).expanduser(), Path(root).expanduser()
    dataset = dataset_name(name)
    columns, lines = _read(path)
    if columns >= _PATHS:
        return own_manifest(dataset, path, root, [Line(*line) for line in lines])
    labels = ((number, cells["label"]) for number, cells in lines)
    classes, official = resolve_labels(dataset, path, labels)
    rows = tuple(_Row(number, official[cells["label"]], cells) for number, cells in lines)
    entries = list(_by_clip(_List(path=path, root=root, classes=classes, rows=rows)))
    return list_manifest(classes, path, root, entries)


def _read(path: Path) -> tuple[frozenset[str], list[tuple[int, dict[str, str]]]]:
    """Return a list's columns, and the number and cells of its lines."""
    (first, header), *lines = _lines(path)
    columns = [cell.casefold() for cell in header]
    if not (set(columns) >= _PATHS or set(columns) >= _KINETICS):
        found = f"the header {','.join(header)[:100]!r}"
        raise line_error(path, first, found, f"begin the file with the header {_HEADERS}")
    twice = [name for name, count in Counter(columns).items() if name and count > 1]
    if twice:
        raise line_error(path, first, f"the column {twice[0]} twice", "name every column once")
    if not lines:
        raise line_error(path, first, "a header and nothing below it", "list a file a line")
    rows = []
    for number, cells in lines:
        if len(cells) != len(columns):
            found = f"{len(cells)} cells under a header of {len(columns)}"
            raise line_error(path, number, found, 'put cells with commas in "quotes"')
        rows.append((number, dict(zip(columns, cells, strict=True))))
    return frozenset(columns), rows


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the lines that are not blank with their numbers, cells stripped."""
    text = read_text(path, "give a CSV file that can be read")
    reader = csv_reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except CsvError as error:
        raise line_error(path, reader.line_num, str(error), "mend the line") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if not lines:
        asked = f"list {printable(str(path))}"
        raise DatasetError(asked, found="no lines", fix=f"begin it with the header {_HEADERS}")
    return lines


def _by_clip(listed: _List) -> Iterator[Entry]:
    files: dict[str, list[FoundFile]] = defaultdict(list)
    for file in scan_folder(listed.root).files:
        files[file.stem].append(file)
    listed_times = Counter(row.cells["youtube_id"] for row in listed.rows)
    for row in listed.rows:
        source = row.cells["youtube_id"]
        start, end = (_whole(listed, row, column) for column in ("time_start", "time_end"))
        stem = f"{source}_{start:06d}_{end:06d}"
        named = files.get(stem) or (files.get(source) if listed_times[source] == 1 else None)
        found = _file_of(listed, row, named or [])
        name = f"{row.label}/{stem}"
        if found is None:
            yield Entry(row.line, name, row.label)
        else:
            video = Video(id=name, label=row.label, path=found.path, group=source)
            yield Entry(row.line, name, row.label, video, found.problem)


def _whole(listed: _List, row: _Row, column: str) -> int:
    text = row.cells[column]
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not (seconds >= 0 and seconds.is_integer()):
        fix = "give whole seconds, as in the file names"
        raise line_error(listed.path, row.line, f"{column} {text!r}", fix)
    return int(seconds)


def _file_of(listed: _List, row: _Row, files: list[FoundFile]) -> FoundFile | None:
    """Return the file in a folder of the row's class, or else in folders of no class."""
    find = listed.classes.find
    owners = {file: {find(composed(folder)) for folder in file.folders} - {None} for file in files}
    chosen = [file for file, owned in owners.items() if row.label in owned]
    chosen = chosen or [file for file, owned in owners.items() if not owned]
    if len(chosen) > 1:
        found = f"more than one file for it: {listing(file.path for file in chosen)}"
        raise line_error(listed.path, row.line, found, "keep one of them")
    return chosen[0] if chosen else None
