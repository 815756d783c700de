"""Lists of a data set of one's own: CSV, or JSONL with one object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zsl_bench.datasets.csv_list import read_csv_list
from zsl_bench.datasets.names import dataset_name
from zsl_bench.datasets.own_list_rows import FIELDS, Line, line_error, own_manifest, read_text
from zsl_bench.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.videos import Manifest

_JSON_LINES = frozenset((".jsonl", ".ndjson", ".json"))
_LISTS = frozenset((".csv", ".jsonl", ".ndjson"))
_EXAMPLE = '{"path": "kite/1.mp4", "label": "kite"}'
_FIX = f"write one object a line, such as {_EXAMPLE}"


def is_list(path: Path) -> bool:
    """Return whether a path is a file that is called like a list."""
    return path.suffix.casefold() in _LISTS and path.is_file()


def read_list(name: str, path: Path | str, root: Path | str) -> Manifest:
    """Read from a list which files of a folder are meant, and their classes.

    A file whose name ends in ``.jsonl``, ``.ndjson`` or ``.json`` has one JSON object a line;
    any other is CSV with a header, see ``zsl_bench.datasets.read_csv_list``. Both have these
    fields, and others are passed over:

    * ``path`` below the root, with ``/``, and ``label``;
    * ``start`` and ``end`` in seconds, where a line means a part of the file;
    * ``id``, the row's name, else the path and times; ``group``, the source that the clip was cut
      from, else the id in a Kinetics-style file name, else the file.

    The files may be videos or images. Labels are classes of the bundled set where ``name`` is one,
    in any spelling; else they make a class set of their own. Files that are listed and not there
    become ``missing``. Rows that share time with a row of another label are ``overlapping``.

    Args:
        name: The data set, such as ``kinetics700`` or a name of one's own.
        path: The list, in UTF-8; ``~`` is understood.
        root: The folder of the files; ``~`` is understood.

    Returns:
        The manifest; its split is ``custom-`` and the list's name.

    Raises:
        DatasetError: The list is not one, a line does not fit (its number is given), or none of its
            files is there.
        ClassSetError: The labels make no class set.

    Example:
        >>> read_list("toys", "toys.jsonl", "videos/toys")  # doctest: +SKIP
    """
    path, root = Path(path).expanduser(), Path(root).expanduser()
    if path.suffix.casefold() not in _JSON_LINES:
        return read_csv_list(name, path, root)
    return own_manifest(dataset_name(name), path, root, list(_objects(path)))


def _objects(path: Path) -> Iterator[Line]:
    text = read_text(path, "give a JSONL file that can be read")
    numbered = enumerate(text.split("\n"), start=1)
    lines = [(number, line) for number, line in numbered if line.strip()]
    if not lines:
        raise DatasetError(f"list {path}", found="no lines", fix=_FIX)
    for number, line in lines:
        try:
            value = json.loads(line, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError) as error:
            found = f"no JSON object ({error})"
            raise line_error(path, number, found, _FIX) from error
        if not isinstance(value, _Pairs):
            raise line_error(path, number, f"no JSON object, but {line.strip()[:40]}", _FIX)
        yield Line(number, _fields(path, number, value))


class _Pairs(list[tuple[str, Any]]):
    """The names and values of a JSON object, names that come twice included."""


def _fields(path: Path, number: int, pairs: _Pairs) -> dict[str, object]:
    fields: dict[str, object] = {}
    for name, value in pairs:
        field = name.strip().casefold()
        if field in fields:
            raise line_error(path, number, f"{field} given twice", "keep one of them")
        if field in FIELDS:
            fields[field] = value
    return fields
