"""Array files: the vectors beside a result, written without holding those of all clips at once."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.lib import format as npy

from zsl_bench.files import atomic_write, sha256_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """A float32 matrix that comes some rows at a time, from disk for instance.

    Attributes:
        shape: Its shape ``(K, D)``.
        parts: Functions that each return the next rows.
    """

    shape: tuple[int, int]
    parts: tuple[Callable[[], NDArray[np.float32]], ...]

    def stacked(self) -> NDArray[np.float32]:
        """Return the matrix as one array."""
        if len(self.parts) == 1:
            return self.parts[0]()
        empty = np.zeros((0, self.shape[1]), dtype=np.float32)
        return np.concatenate([empty, *(part() for part in self.parts)])


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic] | Rows]) -> str:
    """Write an npz file without pickles and return its SHA-256.

    The bytes are those of ``numpy.savez``: equal arrays give equal bytes. Of a :class:`Rows` one
    part is in memory at a time.

    Raises:
        ResultError: The folder cannot be written, or a part cannot be read.
    """
    with (
        atomic_write(path) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                if isinstance(array, Rows):
                    _write_rows(member, array)
                else:
                    npy.write_array(member, np.asanyarray(array), allow_pickle=False)
    return sha256_file(path)


def _write_rows(member: IO[bytes], rows: Rows) -> None:
    header = npy.header_data_from_array_1_0(np.zeros((0, rows.shape[1]), dtype=np.float32))
    npy.write_array_header_1_0(member, {**header, "shape": rows.shape})
    for part in rows.parts:
        member.write(np.ascontiguousarray(part(), dtype=np.float32).tobytes())
