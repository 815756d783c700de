"""From the lines of a list, whatever its format, to a manifest."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from zsl_bench.classes import bundled_class_sets, class_set_from_names, fold, load_class_set
from zsl_bench.datasets.file_names import composed, group_of
from zsl_bench.datasets.scan import printable, problem_of
from zsl_bench.errors import DatasetError, listing, near_matches
from zsl_bench.videos import Manifest, Video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from zsl_bench.classes import ClassSet

FIELDS = ("path", "label", "start", "end", "id", "group")
"""What a line of a list of one's own may have; the first two it must have."""


class Line(NamedTuple):
    """A line of a list of one's own: its number, and what it says by field."""

    number: int
    fields: Mapping[str, object]


class Entry(NamedTuple):
    """What a line came to: no video where its file is absent, a problem where it is unreadable."""

    line: int
    id: str
    label: str
    video: Video | None = None
    problem: str | None = None


def line_error(path: Path, line: int, found: str, fix: str) -> DatasetError:
    """Return the error about a line of a list."""
    return DatasetError(f"line {line} of {printable(str(path))}", found=found, fix=fix)


def read_text(path: Path, fix: str) -> str:
    """Return the text of a list.

    Raises:
        DatasetError: It cannot be read, or is no UTF-8.
    """
    asked = f"list {printable(str(path))}"
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DatasetError(asked, found=reason, fix=fix) from error
    except UnicodeDecodeError as error:
        raise DatasetError(asked, found="no UTF-8 text", fix="save the list as UTF-8") from error


def resolve_labels(
    dataset: str, path: Path, labels: Iterable[tuple[int, str]]
) -> tuple[ClassSet, dict[str, str]]:
    """Return the classes of a list, and the official name of each of its labels.

    Args:
        dataset: A bundled class set, of which the labels must be classes; or any other name, for
            which they make a class set of their own.
        path: The list.
        labels: The label of every line, with the line's number.

    Raises:
        DatasetError: A label is empty or no class; near names are suggested.
        ClassSetError: The labels make no class set.
    """
    first: dict[str, int] = {}
    for line, label in labels:
        first.setdefault(label, line)
    if "" in first:
        raise line_error(path, first[""], "no label", "give every line its class")
    if dataset not in bundled_class_sets():
        own = {spelling: composed(spelling) for spelling in first}
        source = f"labels of {printable(path.name)}"
        return class_set_from_names(sorted(set(own.values())), dataset=dataset, source=source), own
    classes = load_class_set(dataset)
    official: dict[str, str] = {}
    for spelling, line in first.items():
        name = classes.find(composed(spelling))
        if name is None:
            found = f"label {spelling!r}, which is no class of {dataset}"
            raise line_error(path, line, found, near_matches(spelling, classes.names))
        official[spelling] = name
    return classes, official


def own_manifest(dataset: str, path: Path, root: Path, lines: Sequence[Line]) -> Manifest:
    """Return the manifest of a list of paths and labels.

    Args:
        dataset: Name of the data set.
        path: The list.
        root: The folder that its paths start from.
        lines: Its lines, each with a path and a label, and what else of :data:`FIELDS` it has.

    Raises:
        DatasetError: A line does not fit (its number is given), or none of the files is there.
        ClassSetError: The labels make no class set.
    """
    labels = [(line.number, _text(path, line, "label")) for line in lines]
    classes, official = resolve_labels(dataset, path, labels)
    _check_root(path, root)
    entries = []
    for line, (_, label) in zip(lines, labels, strict=True):
        video = _video(path, line, official[label])
        entries.append(_entry(line, video, root))
    _check_times_unique(path, lines, entries)
    return list_manifest(classes, path, root, entries)


def list_manifest(classes: ClassSet, path: Path, root: Path, entries: Sequence[Entry]) -> Manifest:
    """Return the manifest of what the lines of a list came to.

    Raises:
        DatasetError: An id comes twice, or no file is there.
    """
    _check_root(path, root)
    lines: dict[str, int] = {}
    for entry in entries:
        first = lines.setdefault(entry.id, entry.line)
        if first != entry.line:
            found = f"{entry.id}, which is in line {first} too"
            raise line_error(path, entry.line, found, "keep one of them")
    videos = tuple(entry.video for entry in entries if entry.video is not None)
    if not videos:
        raise _nothing_found(path, root, entries)
    counts = Counter(entry.label for entry in entries)
    return Manifest(
        dataset=classes.dataset,
        classes=classes,
        split=f"custom-{printable(path.stem)}",
        root=root,
        videos=videos,
        expected={label: counts[label] for label in classes.names},
        missing=tuple(entry.id for entry in entries if entry.video is None),
        unreadable=tuple((entry.id, entry.problem) for entry in entries if entry.problem),
        notes=_alike(classes),
        overlapping=tuple(_overlapping(videos)),
    )


def _asked(path: Path, root: Path) -> str:
    return f"files of {printable(str(path))} in {printable(str(root))}"


def _check_root(path: Path, root: Path) -> None:
    if not root.is_dir():
        raise DatasetError(_asked(path, root), found="no such folder", fix="check the path")


def _nothing_found(path: Path, root: Path, entries: Sequence[Entry]) -> DatasetError:
    with_backslash = any("\\" in entry.id for entry in entries)
    return DatasetError(
        _asked(path, root),
        found=f"not one of {len(entries):,}, such as {entries[0].id}",
        fix="write the paths with / in place of \\"
        if with_backslash
        else "give the folder that the list is about",
    )


def _text(path: Path, line: Line, field: str) -> str:
    value = line.fields.get(field)
    if value is not None and not isinstance(value, str):
        raise line_error(path, line.number, f"{field} {value!r}", "give it as text")
    return (value or "").strip()


def _seconds(path: Path, line: Line, field: str) -> float | None:
    value = line.fields.get(field)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise line_error(path, line.number, f"{field} {value!r}", "give seconds as a number")


def _video(path: Path, line: Line, label: str) -> Video:
    file = _text(path, line, "path")
    if not file:
        raise line_error(path, line.number, "no path", "give every line its file")
    start, end = (_seconds(path, line, field) for field in ("start", "end"))
    times = "" if start is None and end is None else f"@{_shown(start)}-{_shown(end)}"
    try:
        return Video(
            id=_text(path, line, "id") or file + times,
            label=label,
            path=file,
            group=_text(path, line, "group") or group_of(file.rpartition(".")[0] or file),
            start=start,
            end=end,
        )
    except DatasetError as error:
        found = f"{error.asked}, {error.found}"
        raise line_error(path, line.number, found, error.fix) from error


def _shown(time: float | None) -> str:
    return "" if time is None else f"{time:.10g}"


def _entry(line: Line, video: Video, root: Path) -> Entry:
    file = root / video.path
    if not _is_there(file):
        return Entry(line.number, video.id, video.label)
    return Entry(line.number, video.id, video.label, video, problem_of(file))


def _is_there(file: Path) -> bool:
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _check_times_unique(path: Path, lines: Sequence[Line], entries: Sequence[Entry]) -> None:
    """Check that no part of a file comes under two ids that the list gives."""
    seen: dict[tuple[object, ...], Entry] = {}
    for line, entry in zip(lines, entries, strict=True):
        times = (_seconds(path, line, field) for field in ("start", "end"))
        first = seen.setdefault((_text(path, line, "path"), *times), entry)
        if first.id != entry.id:
            found = f"{entry.id}, which is the same file and times as line {first.line}"
            raise line_error(path, entry.line, found, "keep one of them")


def _alike(classes: ClassSet) -> tuple[str, ...]:
    """Return a sentence about labels that may be one class in two spellings, if any."""
    if classes.dataset in bundled_class_sets():
        return ()
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in classes.names:
        spellings[fold(name)].append(name)
    pairs = [" and ".join(map(repr, names)) for names in spellings.values() if len(names) > 1]
    if not pairs:
        return ()
    return (f"classes that differ in case or punctuation only: {listing(pairs, limit=3)}",)


def _overlapping(videos: Sequence[Video]) -> Iterator[str]:
    """Yield the ids of the rows that share time with a row of another label of their file."""
    of_file: dict[str, list[Video]] = defaultdict(list)
    for video in videos:
        of_file[video.path].append(video)
    for rows in of_file.values():
        labels = {row.label for row in rows}
        if len(labels) < 2:
            continue
        everyone = _Edges(rows)
        own = {label: _Edges([row for row in rows if row.label == label]) for label in labels}
        for row in rows:
            if everyone.meeting(row) > own[row.label].meeting(row):
                yield row.id


class _Edges:
    """Where some rows of one file begin and end, sorted, in seconds."""

    def __init__(self, rows: Sequence[Video]) -> None:
        self._starts = sorted(_span(row)[0] for row in rows)
        self._ends = sorted(_span(row)[1] for row in rows)

    def meeting(self, row: Video) -> int:
        """Return how many of the rows share some time with one."""
        start, end = _span(row)
        return bisect_left(self._starts, end) - bisect_right(self._ends, start)


def _span(row: Video) -> tuple[float, float]:
    return row.start or 0.0, inf if row.end is None else row.end
