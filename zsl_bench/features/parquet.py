"""Features in Parquet files, which pyarrow reads."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import DatasetError
from zsl_bench.features import roles
from zsl_bench.features.tables import TEXTS, Columns, choose_columns, raw_table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from zsl_bench.features.build import RawFeatures

_MATRICES = (roles.VIDEO_VECTORS, roles.SCORES)


def read_parquet(path: Path, asked: str) -> RawFeatures:
    """Read a Parquet file: the numbers in one column of lists, or in columns as in CSV.

    Raises:
        DatasetError: pyarrow is absent, the file cannot be read, or a value is missing.
    """
    pyarrow, parquet = _pyarrow(asked)
    try:
        with parquet.ParquetFile(path) as opened:
            schema = opened.schema_arrow
            columns, is_list = _columns(pyarrow, schema, asked)
            table = opened.read(columns=[*columns.texts.values(), *columns.numbers])
        _check_no_nulls(table, asked)
        texts = {role: table.column(name).to_pylist() for role, name in columns.texts.items()}
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DatasetError(
            asked, found=f"no whole Parquet file ({error})", fix="write it again"
        ) from error
    if is_list:
        (name,) = columns.numbers
        matrix = _list_column(pyarrow, table.column(name), asked, name)
    else:
        matrix = np.column_stack([table.column(name).to_numpy() for name in columns.numbers])
    return raw_table(asked, columns, texts, matrix, schema.names)


def _columns(pyarrow: Any, schema: Any, asked: str) -> tuple[Columns, bool]:  # noqa: ANN401
    """Return the columns, and whether the numbers are one column of lists."""
    chosen, _ = roles.roles_of(asked, schema.names)
    role = next((role for role in _MATRICES if role in chosen), None)
    if role is None:
        return choose_columns(asked, _plain_names(pyarrow, schema)), False
    texts = {role: name for role, name in chosen.items() if role in TEXTS}
    return Columns(texts=texts, numbers=(chosen[role],), role=role), True


def _pyarrow(asked: str) -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise DatasetError(
            asked,
            found="no pyarrow, which reads Parquet",
            fix="pip install 'zsl-bench[parquet]', or give an .npz file",
        ) from error


def _plain_names(pyarrow: Any, schema: Any) -> list[str]:  # noqa: ANN401
    """Return the columns that are numbers, or that have a role."""
    kinds = pyarrow.types
    return [
        field.name
        for field in schema
        if roles.role_of(field.name)
        or kinds.is_integer(field.type)
        or kinds.is_floating(field.type)
    ]


def _check_no_nulls(table: Any, asked: str) -> None:  # noqa: ANN401
    for name in table.column_names:
        nulls = table.column(name).null_count
        if nulls:
            raise DatasetError(
                asked,
                found=f"{nulls:,} empty cells in column {name!r}",
                fix="fill them in, or leave their rows out",
            )


def _list_column(pyarrow: Any, column: Any, asked: str, name: str) -> NDArray[Any]:  # noqa: ANN401
    """Return a column of lists of equal length as a matrix, ``(rows, numbers)``."""
    joined = column.combine_chunks()
    kinds = pyarrow.types
    is_list = kinds.is_list(joined.type) or kinds.is_large_list(joined.type)
    if not is_list and not kinds.is_fixed_size_list(joined.type):
        raise DatasetError(
            asked,
            found=f"column {name!r} of type {joined.type}",
            fix="give a list of numbers in every row",
        )
    lengths = set(joined.value_lengths().to_pylist())
    if len(lengths) > 1:
        raise DatasetError(
            asked,
            found=f"lists of {' and '.join(f'{n:,}' for n in sorted(lengths)[:3])} numbers in "
            f"column {name!r}",
            fix="give every video a vector of one length",
        )
    flat = joined.flatten()
    if flat.null_count:
        raise DatasetError(asked, found=f"empty numbers in column {name!r}", fix="fill them in")
    return np.asarray(flat.to_numpy(zero_copy_only=False)).reshape(len(joined), -1)
