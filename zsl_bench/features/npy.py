"""Features as .npy files with lists of names beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.class_files import read_names
from zsl_bench.datasets.lists import read_lines
from zsl_bench.errors import DatasetError
from zsl_bench.features import roles
from zsl_bench.features.archives import DAMAGE, pickled
from zsl_bench.features.build import RawFeatures
from zsl_bench.features.tables import label_numbers

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_ARRAY = ".npy"
_LISTS = (".txt", ".csv")
_ROWS = (roles.VIDEO_VECTORS, roles.SCORES)


def files_of(path: Path, asked: str) -> dict[str, Path]:
    """Return the files of a set of .npy features by role.

    Args:
        path: A folder, or the .npy file of the video vectors or scores, whose folder has the rest.
        asked: The beginning of a message about it.

    Raises:
        DatasetError: Two files have the same role, or none has numbers of the videos.
    """
    folder = path if path.is_dir() else path.parent
    files: dict[str, Path] = {}
    if path != folder:
        files[_row_role(path)] = path
    for file in sorted(folder.iterdir()):
        role = roles.role_of(file.stem) if file.suffix.casefold() in (_ARRAY, *_LISTS) else None
        if role is None or file == path or (role in _ROWS and path != folder):
            continue
        if role in files:
            raise DatasetError(
                asked,
                found=f"{files[role].name} and {file.name}, which both could be the {role}",
                fix="keep one of them in the folder",
            )
        files[role] = file
    if not set(files) & set(_ROWS):
        raise DatasetError(
            asked,
            found="a folder without video vectors or scores",
            fix="put video_vectors.npy and ids.txt into it, or give one file",
        )
    return files


def _row_role(path: Path) -> str:
    return roles.SCORES if roles.role_of(path.stem) == roles.SCORES else roles.VIDEO_VECTORS


def read_npy(files: dict[str, Path], asked: str) -> RawFeatures:
    """Read .npy features.

    Args:
        files: The file of each role: .npy arrays; text with one entry a line, or for ids a CSV file
            with a header, whose columns may be ids, labels and groups.
        asked: The beginning of a message about them.

    Raises:
        DatasetError: A file cannot be read, is pickled, or has no fitting header.
        ClassSetError: The list of classes is malformed.
    """
    values: dict[str, Any] = {}
    for role, file in files.items():
        if file.suffix.casefold() == _ARRAY:
            values[role] = _array(file, asked)
        elif role == roles.CLASSES:
            values[role] = read_names(file)
        elif file.suffix.casefold() == ".csv" and role == roles.IDS:
            values |= _table(file, asked)
        else:
            values[role] = _entries(read_lines(file), role)
    return RawFeatures(asked=asked, values=values)


def _array(path: Path, asked: str) -> NDArray[Any]:
    try:
        with path.open("rb") as stream:
            array = np.load(stream, allow_pickle=False)
    except DAMAGE as error:
        if "pickle" in str(error).lower():
            raise pickled(asked, path.name) from error
        raise DatasetError(
            asked,
            found=f"{path.name} is no whole .npy file ({error})",
            fix="check the path, or write the file again",
        ) from error
    if not isinstance(array, np.ndarray):
        raise DatasetError(
            asked, found=f"{path.name} is an npz file", fix="give it the ending .npz"
        )
    return array


def _entries(lines: list[str], role: str) -> list[str] | list[int]:
    return label_numbers(lines) if role == roles.LABELS else lines


def _table(path: Path, asked: str) -> dict[str, Any]:
    """Return the columns of a CSV file of ids; without a header its one column is the ids."""
    import csv

    rows = list(csv.reader(read_lines(path), skipinitialspace=True))
    header = [roles.role_of(cell) for cell in rows[0]]
    if roles.IDS not in header:
        if {len(row) for row in rows} == {1}:
            return {roles.IDS: [row[0] for row in rows]}
        raise DatasetError(
            asked,
            found=f"no column of ids in {path.name}",
            fix="begin it with a header such as id,label",
        )
    if {len(row) for row in rows} != {len(header)}:
        raise DatasetError(
            asked, found=f"lines of different lengths in {path.name}", fix="mend the file"
        )
    columns = {role: position for position, role in enumerate(header) if role is not None}
    return {
        role: _entries([row[position].strip() for row in rows[1:]], role)
        for role, position in columns.items()
        if role in (roles.IDS, roles.LABELS, roles.GROUPS)
    }
