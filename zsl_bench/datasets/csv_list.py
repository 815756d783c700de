"""Lists of videos or images in CSV files: one's own, or Kinetics annotations."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from csv import Error as CsvError
from csv import reader as csv_reader
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zsl_bench.classes import bundled_class_sets, class_set_from_names, load_class_set
from zsl_bench.datasets.folder import composed, group_of
from zsl_bench.datasets.names import dataset_name
from zsl_bench.datasets.scan import printable, problem_of, scan_folder
from zsl_bench.errors import DatasetError, listing, near_matches
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.classes import ClassSet
    from zsl_bench.datasets.scan import FoundFile

_PATHS = frozenset(("path", "label"))
_KINETICS = frozenset(("label", "youtube_id", "time_start", "time_end"))
_HEADERS = "path,label[,start,end] or label,youtube_id,time_start,time_end[,split]"


class _Row(NamedTuple):
    """A line of a list: its number, its label's official name, and its cells by column."""

    line: int
    label: str
    cells: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class _List:
    """A list with its labels resolved."""

    path: Path
    root: Path
    columns: frozenset[str]
    classes: ClassSet
    rows: tuple[_Row, ...]

    @property
    def asked(self) -> str:
        return f"files of {printable(str(self.path))} in {printable(str(self.root))}"


class _Entry(NamedTuple):
    """What a line came to: no video where its file is absent, a problem where it is unreadable."""

    row: _Row
    id: str
    video: Video | None = None
    problem: str | None = None


def read_csv_list(name: str, csv: Path | str, root: Path | str) -> Manifest:
    """Read from a CSV file which files of a folder are meant, and their classes.

    Two forms are known by their header, in any case and order; other columns are passed over:

    * ``path,label`` and optionally ``start,end``: paths below the root, with ``/``, and seconds.
      One file may come with several segments. The files may be videos or images.
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
    listed = _read(dataset_name(name), Path(csv).expanduser(), Path(root).expanduser())
    if not listed.root.is_dir():
        raise DatasetError(listed.asked, found="no such folder", fix="check the path")
    entries = list(_by_path(listed) if listed.columns >= _PATHS else _by_clip(listed))
    _check_unique(listed.path, entries)
    videos = tuple(entry.video for entry in entries if entry.video is not None)
    if not videos:
        raise DatasetError(
            listed.asked,
            found=f"not one of {len(entries):,}, such as {entries[0].id}",
            fix="give the folder that the list is about",
        )
    counts = Counter(entry.row.label for entry in entries)
    return Manifest(
        dataset=listed.classes.dataset,
        classes=listed.classes,
        split=f"custom-{printable(listed.path.stem)}",
        root=listed.root,
        videos=videos,
        expected={label: counts[label] for label in listed.classes.names},
        missing=tuple(entry.id for entry in entries if entry.video is None),
        unreadable=tuple((entry.id, entry.problem) for entry in entries if entry.problem),
    )


def _error(path: Path, line: int, found: str, fix: str) -> DatasetError:
    return DatasetError(f"line {line} of {printable(str(path))}", found=found, fix=fix)


def _read(dataset: str, path: Path, root: Path) -> _List:
    (first, header), *lines = _lines(path)
    columns = [cell.casefold() for cell in header]
    if not (set(columns) >= _PATHS or set(columns) >= _KINETICS):
        found = f"the header {','.join(header)[:100]!r}"
        raise _error(path, first, found, f"begin the file with the header {_HEADERS}")
    if not lines:
        raise _error(path, first, "a header and nothing below it", "list a file a line")
    rows = []
    for number, cells in lines:
        if len(cells) != len(columns):
            found = f"{len(cells)} cells under a header of {len(columns)}"
            raise _error(path, number, found, 'put cells with commas in "quotes"')
        rows.append((number, dict(zip(columns, cells, strict=True))))
    classes, labels = _classes(dataset, path, rows)
    return _List(
        path=path,
        root=root,
        columns=frozenset(columns),
        classes=classes,
        rows=tuple(_Row(line, labels[cells["label"]], cells) for line, cells in rows),
    )


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the lines that are not blank with their numbers, cells stripped."""
    asked = f"list {printable(str(path))}"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DatasetError(asked, found=reason, fix="give a CSV file that can be read") from error
    except UnicodeDecodeError as error:
        raise DatasetError(asked, found="no UTF-8 text", fix="save the list as UTF-8") from error
    reader = csv_reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except CsvError as error:
        raise _error(path, reader.line_num, str(error), "mend the line") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if not lines:
        raise DatasetError(asked, found="no lines", fix=f"begin it with the header {_HEADERS}")
    return lines


def _classes(
    dataset: str, path: Path, rows: list[tuple[int, dict[str, str]]]
) -> tuple[ClassSet, dict[str, str]]:
    first: dict[str, int] = {}
    for line, cells in rows:
        first.setdefault(cells["label"], line)
    if "" in first:
        raise _error(path, first[""], "no label", "give every line its class")
    if dataset not in bundled_class_sets():
        labels = {spelling: composed(spelling) for spelling in first}
        names = sorted(set(labels.values()))
        source = f"labels of {printable(path.name)}"
        return class_set_from_names(names, dataset=dataset, source=source), labels
    classes = load_class_set(dataset)
    labels = {}
    for spelling, line in first.items():
        label = classes.find(composed(spelling))
        if label is None:
            found = f"label {spelling!r}, which is no class of {dataset}"
            raise _error(path, line, found, near_matches(spelling, classes.names))
        labels[spelling] = label
    return classes, labels


def _by_path(listed: _List) -> Iterator[_Entry]:
    for row in listed.rows:
        path = row.cells["path"]
        if not path:
            raise _error(listed.path, row.line, "no path", "give every line its file")
        start, end = (_number(listed, row, column) for column in ("start", "end"))
        times = "" if start is None and end is None else f"@{_shown(start)}-{_shown(end)}"
        try:
            video = Video(
                id=path + times,
                label=row.label,
                path=path,
                group=group_of(path.rpartition(".")[0] or path),
                start=start,
                end=end,
            )
        except DatasetError as error:
            found = f"{error.asked}, {error.found}"
            raise _error(listed.path, row.line, found, error.fix) from error
        file = listed.root / path
        if _is_there(file):
            yield _Entry(row, video.id, video, problem_of(file))
        else:
            yield _Entry(row, video.id)


def _number(listed: _List, row: _Row, column: str) -> float | None:
    text = row.cells.get(column, "")
    if not text:
        return None
    try:
        return float(text)
    except ValueError as error:
        found = f"{column} {text!r}"
        raise _error(listed.path, row.line, found, "give seconds as a number") from error


def _shown(time: float | None) -> str:
    return "" if time is None else f"{time:.10g}"


def _is_there(file: Path) -> bool:
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _by_clip(listed: _List) -> Iterator[_Entry]:
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
            yield _Entry(row, name)
        else:
            video = Video(id=name, label=row.label, path=found.path, group=source)
            yield _Entry(row, name, video, found.problem)


def _whole(listed: _List, row: _Row, column: str) -> int:
    seconds = _number(listed, row, column)
    if seconds is None or not (seconds >= 0 and seconds.is_integer()):
        found = f"{column} {row.cells[column]!r}"
        raise _error(listed.path, row.line, found, "give whole seconds, as in the file names")
    return int(seconds)


def _file_of(listed: _List, row: _Row, files: list[FoundFile]) -> FoundFile | None:
    """Return the file in a folder of the row's class, or else in folders of no class."""
    find = listed.classes.find
    owners = {file: {find(composed(folder)) for folder in file.folders} - {None} for file in files}
    chosen = [file for file, owned in owners.items() if row.label in owned]
    chosen = chosen or [file for file, owned in owners.items() if not owned]
    if len(chosen) > 1:
        found = f"more than one file for it: {listing(file.path for file in chosen)}"
        raise _error(listed.path, row.line, found, "keep one of them")
    return chosen[0] if chosen else None


def _check_unique(path: Path, entries: list[_Entry]) -> None:
    lines: dict[str, int] = {}
    for entry in entries:
        first = lines.setdefault(entry.id, entry.row.line)
        if first != entry.row.line:
            found = f"{entry.id}, which is in line {first} too"
            raise _error(path, entry.row.line, found, "keep one of them")
