"""Files of class names: text with one name a line, or a table with a column of names."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from zsl_bench.errors import ClassSetError

if TYPE_CHECKING:
    from pathlib import Path

_COLUMNS = ("class", "class_name", "classname", "name", "label", "action", "activity")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_names(path: Path) -> list[str]:
    """Read the class names of a file, in its order.

    A text file has one class a line; blank lines and lines that begin with ``#`` are skipped, and
    so are running numbers before the names, as in UCF101's ``classInd.txt``. A ``.csv`` or ``.tsv``
    has a column called class, class_name, classname, name, label, action or activity, in any case,
    or no other column than the names. A ``.csv`` whose first line has semicolons and no comma is
    separated by semicolons.

    Raises:
        ClassSetError: The file is missing, empty or not UTF-8, or names a class twice; the line is
            given.
    """
    asked = f"class file {path}"
    text = _read_text(asked, path)
    separator = _separator(path, text)
    rows = _text_rows(text) if separator is None else _table_rows(asked, text, separator)
    if not rows:
        raise ClassSetError(asked, found="no classes", fix="write one class name a line")
    lines: dict[str, int] = {}
    for line, name in rows:
        if not any(character.isalpha() for character in name):
            raise ClassSetError(
                asked, found=f"no letter in {name!r} (line {line})", fix="spell the class in words"
            )
        if name in lines:
            raise ClassSetError(
                asked, found=f"class {name!r} in lines {lines[name]} and {line}", fix="name it once"
            )
        lines[name] = line
    return list(lines)


def _read_text(asked: str, path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ClassSetError(
            asked,
            found=(error.strerror or str(error)).lower(),
            fix="give a text or CSV file of class names",
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ClassSetError(
            asked, found=f"no UTF-8 text in line {line}", fix="save the file as UTF-8"
        ) from error


def _separator(path: Path, text: str) -> str | None:
    """Return what stands between a table's columns, or None for a text file."""
    separator = _SEPARATORS.get(path.suffix.lower())
    first = text.lstrip().partition("\n")[0]
    return ";" if separator == "," and ";" in first and "," not in first else separator


def _text_rows(text: str) -> list[tuple[int, str]]:
    lines = enumerate(re.split(r"\r\n|\r|\n", text), 1)
    rows = [(i, line.strip()) for i, line in lines]
    rows = [(i, line) for i, line in rows if line and not line.startswith("#")]
    numbered = [re.match(r"(\d+)\s+(?=\S)", line) for _, line in rows]
    numbers = [int(match[1]) for match in numbered if match]
    if len(rows) > 1 and numbers in (list(range(len(rows))), list(range(1, len(rows) + 1))):
        return [(i, line.split(None, 1)[1]) for i, line in rows]
    return rows


def _table_rows(asked: str, text: str, separator: str) -> list[tuple[int, str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise ClassSetError(
            asked, found=f"{error} (line {reader.line_num})", fix="mend the quotes"
        ) from error
    rows = [(line, cells) for line, cells in rows if any(cells)]
    header = [cell.casefold() for cell in rows[0][1]] if rows else []
    column = next((header.index(name) for name in _COLUMNS if name in header), None)
    if column is not None:
        rows = rows[1:]
    for line, cells in rows:
        if len(cells) > 1 and column is None:
            raise ClassSetError(
                asked,
                found=f"{len(cells)} columns in line {line}, none called {', '.join(_COLUMNS)}",
                fix="name the column of the classes, or put names with "
                f"{_SEPARATOR_NAMES[separator]} into quotes",
            )
        if len(cells) <= (column or 0) or not cells[column or 0]:
            raise ClassSetError(
                asked, found=f"no class name in line {line}", fix="fill the column of the classes"
            )
    return [(line, cells[column or 0]) for line, cells in rows]
