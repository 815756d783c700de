"""The arrays beside a result, each read when it is wanted and checked for its type and shape."""

from __future__ import annotations

import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from zsl_bench.errors import ResultError
from zsl_bench.features.archives import DAMAGE
from zsl_bench.files import sha256_file
from zsl_bench.results import AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from zsl_bench.results import EvaluationResult

_KINDS = {"U": "texts", "iu": "whole numbers", "fiu": "numbers"}


@dataclass(frozen=True, kw_only=True)
class StoredArrays:
    """An array file whose SHA-256 is the one in its result.

    Attributes:
        path: The file.
        names: Names of its arrays.
        asked: The beginning of a message.
    """

    path: Path
    names: frozenset[str]
    asked: str

    def __contains__(self, name: str) -> bool:
        """Return whether there is an array of that name."""
        return name in self.names

    def texts(self, name: str, *, rows: int | None = None) -> tuple[str, ...]:
        """Return an array ``(rows,)`` of text as a tuple; None rows are any number of them.

        Raises:
            ResultError: It is absent, cannot be read, or has another type or shape.
        """
        return tuple(self._read(name, "U", (rows,)).tolist())

    def optional_texts(self, name: str) -> tuple[str, ...]:
        """Return an array of text as a tuple, empty where there is no such array.

        Raises:
            ResultError: It cannot be read, or has another type or shape.
        """
        return self.texts(name) if name in self else ()

    def integers(self, name: str, *, rows: int | None = None) -> NDArray[np.int64]:
        """Return an array ``(rows,)`` of whole numbers.

        Raises:
            ResultError: It is absent, cannot be read, or has another type or shape.
        """
        return self._read(name, "iu", (rows,)).astype(np.int64)

    def matrix(
        self, name: str, *, rows: int | None = None, columns: int | None = None
    ) -> NDArray[Any]:
        """Return an array ``(rows, columns)`` of finite numbers, of the type that it is stored in.

        Raises:
            ResultError: It is absent, cannot be read, has another type or shape, or a number is
                not finite.
        """
        array = self._read(name, "fiu", (rows, columns))
        if not np.isfinite(array).all():
            raise ResultError(
                self.asked, found=f"numbers in {name!r} that are not finite", fix=AGAIN
            )
        return array

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of an array without reading its values.

        Raises:
            ResultError: It is absent or cannot be read.
        """
        self._check_there(name)
        with (
            _readable(self.path, self.asked),
            zipfile.ZipFile(self.path) as archive,
            archive.open(f"{name}.npy") as member,
        ):
            is_first = npy.read_magic(member) == (1, 0)
            read = npy.read_array_header_1_0 if is_first else npy.read_array_header_2_0
            return tuple(read(member)[0])

    def _check_there(self, name: str) -> None:
        if name not in self:
            raise ResultError(self.asked, found=f"no array {name!r}", fix=AGAIN)

    def _read(self, name: str, kinds: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        self._check_there(name)
        with _opened(self.path, self.asked) as arrays:
            array = np.asarray(arrays[name])
        fits = array.ndim == len(shape) and all(
            size in (None, there) for size, there in zip(shape, array.shape, strict=True)
        )
        if array.dtype.kind not in kinds or not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise ResultError(
                self.asked,
                found=f"{name!r} of shape {array.shape} and type {array.dtype}, where "
                f"{_KINDS[kinds]} of shape ({wanted}) are wanted",
                fix=AGAIN,
            )
        return array


def open_arrays(result: EvaluationResult, folder: Path, asked: str) -> StoredArrays:
    """Find the array file of a result and check its SHA-256.

    Args:
        result: The result.
        folder: The folder that it lies in.
        asked: The beginning of a message.

    Raises:
        ResultError: There is no such file, it lies elsewhere, is damaged or was changed.
    """
    if result.arrays is None:
        raise ResultError(asked, found="a result without arrays", fix=f"{AGAIN}, with --out")
    name = result.arrays["file"]
    if Path(name).name != name:
        raise ResultError(
            asked, found=f"a file outside its folder, {name!r}", fix="keep the two side by side"
        )
    path = folder / name
    with _readable(path, asked):
        if sha256_file(path) != result.arrays["sha256"]:
            raise ResultError(
                asked, found=f"{name} does not match the SHA-256 in the result", fix=AGAIN
            )
    with _opened(path, asked) as arrays:
        return StoredArrays(path=path, names=frozenset(arrays.files), asked=asked)


@contextmanager
def _opened(path: Path, asked: str) -> Iterator[np.lib.npyio.NpzFile]:
    with _readable(path, asked), path.open("rb") as stream:
        arrays = np.load(stream, allow_pickle=False)
        if not isinstance(arrays, np.lib.npyio.NpzFile):
            raise ResultError(asked, found=f"{path.name} is no .npz file", fix=AGAIN)
        with arrays:
            yield arrays


@contextmanager
def _readable(path: Path, asked: str) -> Iterator[None]:
    """Turn whatever a missing or damaged array file raises into one clear error."""
    try:
        yield
    except DAMAGE as error:
        if isinstance(error, OSError) and error.strerror:
            raise ResultError(
                asked,
                found=f"{path.name}: {error.strerror.lower()}",
                fix="keep the .npz beside the .json",
            ) from error
        reason = str(error) or type(error).__name__
        raise ResultError(
            asked, found=f"no readable arrays in {path.name} ({reason})", fix=AGAIN
        ) from error
