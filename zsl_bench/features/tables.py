"""Features in tables: one line a video, in CSV."""

from __future__ import annotations

import csv
import re
from array import array
from collections import Counter
from dataclasses import dataclass
from operator import itemgetter
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import DatasetError, listing
from zsl_bench.features import roles
from zsl_bench.features.build import RawFeatures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SEPARATORS = {".csv": ",", ".tsv": "\t"}
TEXTS = (roles.IDS, roles.LABELS, roles.GROUPS)
_NUMBERED = re.compile(r"(?P<prefix>.*?)[ _.-]?(?P<number>\d{1,9})")
_MOST_DIGITS = 9
_HEADER = "begin it with a header such as id,label,f0,f1,f2"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a table are what.

    Attributes:
        texts: The column of each role that is text.
        numbers: The columns of numbers, in order.
        role: What the numbers are: ``video_vectors`` or ``scores``.
        classes: For scores the classes, where the columns' names are their names.
    """

    texts: dict[str, str]
    numbers: tuple[str, ...]
    role: str
    classes: tuple[str, ...] | None = None


def choose_columns(asked: str, names: Sequence[str]) -> Columns:
    """Tell the columns of a table by their names.

    Columns that are numbered without a gap from 0 or 1, such as ``f0`` to ``f511``, are vectors, or
    scores where they are called so. Without such columns every column that is no id, label or group
    is a class with its scores.

    Raises:
        DatasetError: No column has an id or label, or none has numbers.
    """
    chosen, rest = roles.roles_of(asked, names)
    texts = {role: name for role, name in chosen.items() if role in TEXTS}
    if not (roles.IDS in texts or roles.LABELS in texts):
        raise DatasetError(
            asked,
            found=f"no column of ids or labels among {listing(names, limit=4)}",
            fix=_HEADER,
        )
    numbered = _numbered(rest)
    if numbered:
        role = roles.role_of(numbered[0].rstrip("0123456789"))
        is_score = role in (roles.SCORES, roles.LABELS, roles.CLASSES)
        role = roles.SCORES if is_score else roles.VIDEO_VECTORS
        return Columns(texts=texts, numbers=numbered, role=role)
    if not rest:
        raise DatasetError(asked, found="no columns of numbers", fix=_HEADER)
    return Columns(texts=texts, numbers=rest, role=roles.SCORES, classes=rest)


def _numbered(names: Sequence[str]) -> tuple[str, ...]:
    """Return the longest run of columns with one prefix and the numbers 0, 1, ... or 1, 2, ...."""
    runs: dict[str, dict[int, str]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name.strip())
        if match is not None:
            runs.setdefault(match["prefix"], {})[int(match["number"])] = name
    whole = [
        [run[number] for number in sorted(run)]
        for run in runs.values()
        if len(run) > 1 and min(run) in (0, 1) and max(run) - min(run) == len(run) - 1
    ]
    longest: list[str] = max(whole, key=len, default=[])
    return tuple(longest)


def read_csv(path: Path, asked: str) -> RawFeatures:
    """Read a CSV file line by line, so that its text is never in memory as a whole.

    Raises:
        DatasetError: The file cannot be read, has no fitting header, or a cell is no number; its
            line is given.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return _read_csv(stream, asked, _separator(path, stream))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DatasetError(asked, found=reason, fix="check the path") from error
    except UnicodeDecodeError as error:
        raise DatasetError(asked, found="no UTF-8 text", fix="save it as UTF-8") from error


def _separator(path: Path, stream: IO[str]) -> str:
    separator = SEPARATORS.get(path.suffix.casefold(), ",")
    first = stream.readline()
    stream.seek(0)
    return ";" if separator == "," and ";" in first and "," not in first else separator


def _read_csv(stream: IO[str], asked: str, separator: str) -> RawFeatures:
    lines = _lines(stream, asked, separator)
    _, header = next(lines, (0, []))
    names = [cell.strip() for cell in header]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not names or twice:
        found = f"columns that repeat: {listing(twice)}" if twice else "no lines"
        raise DatasetError(asked, found=found, fix=_HEADER)
    columns = choose_columns(asked, names)
    place = {name: position for position, name in enumerate(names)}
    pick = itemgetter(*(place[name] for name in columns.numbers), place[columns.numbers[0]])
    texts: dict[str, list[str]] = {role: [] for role in columns.texts}
    numbers = array("d")
    for number, cells in lines:
        if len(cells) != len(names):
            found = f"{len(cells)} cells under a header of {len(names)}"
            raise _line_error(asked, number, found, "mend the line")
        for role, name in columns.texts.items():
            texts[role].append(cells[place[name]].strip())
        picked = pick(cells)[:-1]
        try:
            numbers.extend(map(float, picked))
        except ValueError:
            raise _no_number(asked, number, columns, picked) from None
    matrix = np.frombuffer(numbers, dtype=np.float64).reshape(-1, len(columns.numbers))
    return raw_table(
        asked, columns, {role: _as_numbers(texts, role) for role in texts}, matrix, names
    )


def _lines(stream: IO[str], asked: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each line that is not blank, with its number."""
    for number, line in enumerate(stream, 1):
        text = line.rstrip("\r\n")
        if not text.strip():
            continue
        if '"' not in text:
            yield number, text.split(separator)
            continue
        try:
            yield number, next(csv.reader([text], delimiter=separator, strict=True))
        except csv.Error as error:
            raise _line_error(asked, number, str(error), "mend the quotes") from error


def _line_error(asked: str, line: int, found: str, fix: str) -> DatasetError:
    return DatasetError(f"{asked}, line {line}", found=found, fix=fix)


def _no_number(asked: str, line: int, columns: Columns, cells: Sequence[str]) -> DatasetError:
    for name, cell in zip(columns.numbers, cells, strict=True):
        try:
            float(cell)
        except ValueError:
            return _line_error(
                asked,
                line,
                f"{cell[:40]!r} in column {name!r}, where a number is wanted",
                "mend the cell, or leave out columns that are neither numbers nor id and label",
            )
    return _line_error(asked, line, "cells that are no numbers", "mend the line")


def label_numbers(texts: list[str]) -> list[str] | list[int]:
    """Return labels as numbers where all are whole numbers of a usual length, else as they are."""
    is_number = all(text.isdecimal() and len(text) <= _MOST_DIGITS for text in texts)
    return [int(text) for text in texts] if is_number else texts


def _as_numbers(texts: dict[str, list[str]], role: str) -> list[str] | list[int]:
    return label_numbers(texts[role]) if role == roles.LABELS else texts[role]


def raw_table(
    asked: str,
    columns: Columns,
    texts: dict[str, Any],
    matrix: NDArray[Any],
    names: Sequence[str],
) -> RawFeatures:
    """Return what the chosen columns of a table hold.

    Args:
        asked: The beginning of a message about the file.
        columns: The columns.
        texts: The text of each role, one entry a row.
        matrix: The numbers, one row a row.
        names: The names of all columns.
    """
    used = {*columns.texts.values(), *columns.numbers}
    values = {**texts, columns.role: matrix}
    if columns.role == roles.SCORES:
        values[roles.LAYOUT] = np.array("videos-by-classes")
    if columns.classes is not None:
        values[roles.CLASSES] = list(columns.classes)
    unused = tuple(name for name in names if name not in used)
    return RawFeatures(asked=asked, values=values, unused=unused)
