"""gensim's ``.kv`` files, read without running anything that is in them.

Such a file is a pickle, which can carry code. Only the names below are let through, and they
stand for shells of our own or for plain sets: neither gensim nor numpy rebuilds anything, and a
file that asks for any other name is refused.
"""

from __future__ import annotations

import io
import pickle
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from zsl_bench.errors import WordVectorError
from zsl_bench.files import sha256_bytes, sha256_file
from zsl_bench.vector_files.slim import SlimVectors, collect, damaged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

_PICKLE_ERRORS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)
_NUMBERS = frozenset({"f2", "f4", "f8"})


class _Shell:
    """Stands for an object of gensim; holds its attributes and nothing else."""


class _Kind:
    """Stands for a numpy dtype."""

    def __init__(self, code: object = "", *_: object) -> None:
        self.code = code
        self.order: object = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


class _Array:
    """Stands for a numpy array; becomes one only if it holds plain floating-point numbers."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_column, data = state
        self.parts = (data, kind, shape, "F" if by_column else "C")

    def numbers(self) -> npt.NDArray[np.floating[Any]]:
        """Make the array.

        Raises:
            ValueError: It holds something else than floating-point numbers.
        """
        data, kind, shape, order = self.parts
        if not isinstance(kind, _Kind) or kind.code not in _NUMBERS:
            message = "no floating-point numbers"
            raise ValueError(message)
        values = np.frombuffer(cast("bytes", data), f"{kind.order}{kind.code}".replace("|", "<"))
        return values.reshape(cast("tuple[int, ...]", shape), order=cast("Any", order))


def _new_array(*_: object) -> _Array:
    return _Array()


def _scalar(*_: object) -> None:
    """Stand for a numpy number; none is needed."""


def _encode(text: str, encoding: str) -> bytes:
    """Stand for the function with which old pickles spell bytes."""
    if encoding != "latin1":
        message = f"bytes in {encoding}"
        raise pickle.UnpicklingError(message)
    return text.encode("latin1")


_GENSIM_CLASSES = (
    "BaseKeyedVectors",
    "CompatVocab",
    "EuclideanKeyedVectors",
    "FastTextKeyedVectors",
    "KeyedVectors",
    "Vocab",
    "Word2VecKeyedVectors",
    "WordEmbeddingsKeyedVectors",
)
_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    **{("gensim.models.keyedvectors", name): _Shell for name in _GENSIM_CLASSES},
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _encode,
}
for _builtins in ("builtins", "__builtin__"):
    _ADMITTED[_builtins, "set"] = set
    _ADMITTED[_builtins, "frozenset"] = frozenset
for _core in ("numpy.core", "numpy._core"):
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _new_array
    _ADMITTED[f"{_core}.multiarray", "scalar"] = _scalar
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _Array


class _Refused(pickle.UnpicklingError):
    """The pickle asks for a name that is not admitted."""


class _SafeUnpickler(pickle.Unpickler):
    """Knows the names above and no other."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return what a name of the pickle stands for."""
        admitted = _ADMITTED.get((module, name))
        if admitted is None:
            message = f"{module}.{name}"
            raise _Refused(message)
        return admitted


def companion(path: Path) -> Path | None:
    """Return the file beside a ``.kv`` that holds its vectors, where there is one."""
    beside = (path.with_name(f"{path.name}.{part}.npy") for part in ("vectors", "syn0"))
    return next((candidate for candidate in beside if candidate.is_file()), None)


def read_keyed(path: Path, wanted: frozenset[str]) -> SlimVectors:
    """Read wanted words of a file that ``gensim.models.KeyedVectors.save`` wrote.

    The digest is the file's SHA-256; where the vectors lie in a file of their own, it is the
    SHA-256 of the two files' digests.

    Raises:
        WordVectorError: The pickle asks for anything but vectors, or is damaged.
    """
    data = path.read_bytes()
    attributes = _attributes(path, data)
    beside = companion(path)
    digest = sha256_bytes(data)
    if beside is not None:
        digest = sha256_bytes(f"{digest} {sha256_file(beside)}".encode("ascii"))
    try:
        rows = _rows(attributes, wanted)
        stored = attributes.get("vectors", attributes.get("syn0"))
        matrix = _separate(path, beside) if stored is None else stored.numbers()
        count, dim = matrix.shape
        if not all(0 <= row < count for row in rows.values()):
            raise damaged(path, f"words beyond its {count} vectors")
        found = {word: matrix[row].astype(np.float32) for word, row in rows.items()}
    except _PICKLE_ERRORS as error:
        raise damaged(path, f"no vectors as gensim saves them ({error})") from error
    return collect(path, wanted, found, dim=dim, digest=digest)


def _attributes(path: Path, data: bytes) -> dict[str, Any]:
    try:
        shell = _SafeUnpickler(io.BytesIO(data), encoding="latin1").load()
    except _Refused as error:
        raise WordVectorError(
            f"word vectors from {path}",
            found=f"a pickle that asks for {error}, which is no word vector; refused, nothing ran",
            fix="give a file that KeyedVectors.save wrote, or export it with "
            "save_word2vec_format(path, binary=True) where you trust it",
        ) from error
    except _PICKLE_ERRORS as error:
        raise damaged(path, f"no gensim file, or a damaged one ({error})") from error
    if not isinstance(shell, _Shell):
        raise damaged(path, f"a pickle of {type(shell).__name__}, not of word vectors")
    return vars(shell)


def _rows(attributes: dict[str, Any], wanted: frozenset[str]) -> dict[str, int]:
    """Map wanted words to rows; gensim before version 4 kept them as ``vocab[word].index``."""
    table = attributes.get("key_to_index")
    if table is None:
        vocabulary = attributes["vocab"]
        table = {word: vocabulary[word].index for word in wanted if word in vocabulary}
    return {word: int(table[word]) for word in wanted if word in table}


def _separate(path: Path, beside: Path | None) -> npt.NDArray[np.floating[Any]]:
    if beside is None:
        raise WordVectorError(
            f"word vectors from {path}",
            found=f"no {path.name}.vectors.npy beside it",
            fix="put the files that gensim saved together into one folder",
        )
    matrix: npt.NDArray[np.floating[Any]] = np.load(beside, mmap_mode="r", allow_pickle=False)
    return matrix
