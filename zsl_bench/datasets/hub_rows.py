"""Rows of a part of a data set on the Hub, written as video files into a folder."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from zsl_bench.classes import bundled_class_sets, load_class_set
from zsl_bench.datasets.file_names import composed
from zsl_bench.datasets.hub_columns import MEDIA_SUFFIXES
from zsl_bench.datasets.scan import printable
from zsl_bench.errors import DatasetError, ResultError, near_matches
from zsl_bench.files import atomic_write, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zsl_bench.datasets.hub_tables import HubPart, HubRow, HubTables
    from zsl_bench.hub import Transfer

_UNSAFE = re.compile(r'[\x00-\x1f\\:*?"<>|/]')
_MAGIC = (
    (re.compile(rb"RIFF....AVI ", re.DOTALL), ".avi"),
    (re.compile(rb"....ftyp", re.DOTALL), ".mp4"),
    (re.compile(rb"\x1aE\xdf\xa3"), ".mkv"),
    (re.compile(rb"\xff\xd8\xff"), ".jpg"),
    (re.compile(rb"\x89PNG"), ".png"),
    (re.compile(rb"GIF8"), ".gif"),
    (re.compile(rb"\x00\x00\x01[\xb3\xba]"), ".mpg"),
)
_LONGEST = 180


class UnpackProgress(Protocol):
    """Told how the unpacking of videos is getting on."""

    def start(self, name: str, *, total: int, done: int) -> None:
        """A part of ``total`` videos begins."""
        ...

    def advance(self, files: int) -> None:
        """That many more videos are written."""
        ...

    def finish(self) -> None:
        """The part is done, or stopping."""
        ...


class UnpackedRow(NamedTuple):
    """A row and the file that it became.

    Attributes:
        path: The file below the part's folder.
        label: Name of its class, as the tables have it.
        size: Bytes of the file; None where the row has no video.
    """

    path: str
    label: str
    size: int | None


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """A part of a data set on the Hub as video files.

    Attributes:
        repo: ``org/repo``.
        commit: The commit, 40 hex digits.
        config: Name of the configuration.
        split: Name of the part.
        label_column: The column of labels that was asked for, or None.
        root: The folder of the files.
        names: Names of the classes where the tables declare them, else None.
        rows: The rows, in the tables' order.
    """

    repo: str
    commit: str
    config: str
    split: str
    label_column: str | None
    root: Path
    names: tuple[str, ...] | None
    rows: tuple[UnpackedRow, ...]


def kept_rows(part: HubPart, into: Path, label_column: str | None) -> Unpacked | None:
    """Return what an earlier run has unpacked of a part, or None where it is not whole.

    Raises:
        DatasetError: The folder has the videos of something else.
    """
    root, record = _places(part, into)
    try:
        value = read_json(record, what="record of unpacked videos")
    except ResultError:
        return None
    begun = _identity(part, label_column)
    if not isinstance(value, dict) or value.get("of") != begun:
        raise DatasetError(
            f"unpack {part.repo} into {printable(str(root))}",
            found="videos of another commit, or by another column",
            fix="choose another folder, or remove that one",
        )
    if value.get("rows") is None:
        return None
    rows = tuple(UnpackedRow(*row) for row in value["rows"])
    if any(row.size is not None and _size(root / row.path) != row.size for row in rows):
        return None
    return _unpacked(part, root, label_column, value["names"], rows)


def unpack_rows(
    tables: HubTables,
    into: Path,
    dataset: str,
    label_column: str | None = None,
    progress: UnpackProgress | None = None,
    transfer: Transfer | None = None,
) -> Unpacked:
    """Write the videos of a part as files, each whole or not at all.

    A file that is there with the right size is not written again. Files that the repository has as
    such are linked where the disk allows it, else copied.

    Args:
        tables: The part.
        into: The folder; files go to ``into/CONFIG/SPLIT/CLASS/NAME``.
        dataset: The data set, whose classes the labels must be where it is a known one.
        label_column: The column of labels, None to find it.
        progress: Told of the videos.
        transfer: Told of the bytes, where rows name files to be fetched.

    Raises:
        DatasetError: The columns or labels are not what they should be.
        ResultError: A file cannot be written.
    """
    part = tables.part
    columns = tables.columns(label_column)
    root, record = _places(part, into)
    begun = {"of": _identity(part, label_column), "names": columns.names}
    write_json(record, {**begun, "rows": None})
    writer = _Writer(root)
    total = tables.count()
    if progress is not None and total:
        progress.start(f"videos of {part.repo.repo}, {part.split}", total=total, done=0)
    rows = []
    try:
        for row in tables.rows(columns, transfer):
            rows.append(writer.write(row, _label(part, dataset, row)))
            if progress is not None and total:
                progress.advance(1)
    finally:
        if progress is not None and total:
            progress.finish()
    write_json(record, {**begun, "rows": rows})
    return _unpacked(part, root, label_column, columns.names, rows)


def label_names(dataset: str, labels: Iterable[str]) -> dict[str, str]:
    """Return the official name of every label of a known data set, or the label for any other.

    Raises:
        DatasetError: A label is no class of it.
    """
    if dataset not in bundled_class_sets():
        return {label: composed(label) for label in labels}
    classes = load_class_set(dataset)
    found = {label: classes.find(composed(label)) for label in sorted(set(labels))}
    unknown = [label for label, official in found.items() if official is None]
    if unknown:
        raise DatasetError(
            f"labels of {dataset}",
            found=f"{len(unknown):,} that are none of its classes, such as {unknown[0]!r}",
            fix=near_matches(unknown[0], classes.names),
        )
    return {label: official for label, official in found.items() if official is not None}


class _Writer:
    """Gives rows their files' names, the same ones in every run, and writes them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._taken: set[str] = set()

    def write(self, row: HubRow, label: str) -> UnpackedRow:
        path = self._path(row, label)
        size = len(row.content) if row.content is not None else _size(row.source)
        if size is not None and _size(self._root / path) != size:
            self._make(self._root / path, row)
        return UnpackedRow(path, label, size)

    def _path(self, row: HubRow, label: str) -> str:
        folders = [_safe(part) or "_" for part in label.split("/") if part]
        name = _safe(PurePosixPath((row.name or "").replace("\\", "/")).name)
        if PurePosixPath(name).suffix.casefold() not in MEDIA_SUFFIXES:
            name = f"{name or f'{row.number:06d}'}{_suffix(row.content)}"
        path = "/".join((*folders, name))
        if path.casefold() in self._taken:
            path = "/".join((*folders, f"{row.number:06d}_{name}"))
        self._taken.add(path.casefold())
        return path

    def _make(self, target: Path, row: HubRow) -> None:
        if row.content is not None:
            with atomic_write(target) as stream:
                stream.write(row.content)
        elif row.source is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            source = Path(os.path.realpath(row.source))
            try:
                target.unlink(missing_ok=True)
                os.link(source, target)
            except OSError:
                with atomic_write(target) as stream, source.open("rb") as content:
                    shutil.copyfileobj(content, stream)


def _label(part: HubPart, dataset: str, row: HubRow) -> str:
    if row.label is None:
        raise DatasetError(
            f"row {row.number:,} of {part.repo}, {part.split}",
            found="no label",
            fix="choose a part whose videos are labelled",
        )
    label_names(dataset, (row.label,))
    return row.label


def _identity(part: HubPart, label_column: str | None) -> dict[str, Any]:
    return {"reference": str(part.repo), "label_column": label_column}


def _unpacked(
    part: HubPart,
    root: Path,
    label_column: str | None,
    names: Iterable[str] | None,
    rows: Iterable[UnpackedRow],
) -> Unpacked:
    return Unpacked(
        repo=part.repo.repo,
        commit=part.repo.commit,
        config=part.config,
        split=part.split,
        label_column=label_column,
        root=root,
        names=None if names is None else tuple(names),
        rows=tuple(rows),
    )


def _places(part: HubPart, into: Path) -> tuple[Path, Path]:
    folder, name = into / (_safe(part.config) or "_"), _safe(part.split) or "_"
    return folder / name, folder / f".{name}.json"


def _safe(name: str) -> str:
    cleaned = _UNSAFE.sub("_", composed(name)).strip().rstrip(".")
    cleaned = f"_{cleaned[1:]}" if cleaned.startswith(".") else cleaned
    stem, dot, suffix = cleaned.rpartition(".")
    return cleaned if len(cleaned) <= _LONGEST else f"{stem[:_LONGEST]}{dot}{suffix[:9]}"


def _suffix(content: bytes | None) -> str:
    if content is not None:
        for pattern, suffix in _MAGIC:
            if pattern.match(content):
                return suffix
    return ".mp4"


def _size(path: Path | None) -> int | None:
    try:
        return None if path is None else path.stat().st_size
    except OSError:
        return None
