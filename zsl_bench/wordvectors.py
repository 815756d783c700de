"""Word vectors and class vectors: the bundled GoogleNews subset, or a file of one's own.

A class vector is the mean of the unit vectors of the class's words, scaled to unit length. A word
without a vector gets a deterministic stand-in made from a hash of the word: identical word lists
still meet at distance 0, everything else reads as unrelated, and the word is listed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.classes import class_set
from zsl_bench.errors import WordVectorError, listing
from zsl_bench.files import asset_path, read_asset
from zsl_bench.vector_files import fetch_gensim, read_vectors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy.typing as npt

    from zsl_bench.classes import ClassSet

BUNDLED = "bundled"
GENSIM = "gensim:"


@dataclass(frozen=True, kw_only=True, eq=False)
class WordVectors:
    """Unit vectors of some words, and where they come from.

    Attributes:
        words: Row of each word; a word that is not here has no vector.
        matrix: ``(V, D)`` float32, one unit vector a row.
        source: The source in words, such as a file's name.
        digest: SHA-256 of the source's content.
    """

    words: Mapping[str, int]
    matrix: npt.NDArray[np.float32]
    source: str
    digest: str

    def __post_init__(self) -> None:
        """Check the shape and that every vector is finite and of unit length."""
        _check_matrix(f"word vectors from {self.source}", self.matrix, len(self.words))

    @property
    def dim(self) -> int:
        """Length D of a vector."""
        return int(self.matrix.shape[1])

    def __contains__(self, word: object) -> bool:
        """Tell whether a word has a vector."""
        return word in self.words

    def vector(self, word: str) -> npt.NDArray[np.float32]:
        """Return the ``(D,)`` unit vector of a word.

        Raises:
            WordVectorError: The word has none.
        """
        row = self.words.get(word)
        if row is None:
            raise WordVectorError(
                f"vector of {word!r}",
                found=f"no such word in {self.source}",
                fix="give vectors that cover it",
            )
        vector: npt.NDArray[np.float32] = self.matrix[row]
        return vector


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassVectors:
    """One unit vector for each class of a set.

    Attributes:
        classes: The classes.
        matrix: ``(C, D)`` float32, one unit vector a row; equal word lists give equal rows.
        source: Source of the word vectors, in words.
        digest: SHA-256 of the source's content.
        approximate: For each class its words without a vector, for which a hash stands in.
    """

    classes: ClassSet
    matrix: npt.NDArray[np.float32]
    source: str
    digest: str
    approximate: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        """Check that there is one finite unit vector for each class, and a source."""
        asked = f"class vectors of {self.classes.dataset}"
        _check_matrix(asked, self.matrix, len(self.classes))
        if len(self.approximate) != len(self.classes) or not self.digest:
            raise WordVectorError(
                asked,
                found=f"{len(self.approximate)} lists of words without a vector for "
                f"{len(self.classes)} classes, source digest {self.digest!r}",
                fix="make them with class_vectors",
            )

    @property
    def approximate_words(self) -> tuple[str, ...]:
        """The words without a vector, sorted, each once."""
        return tuple(sorted({word for words in self.approximate for word in words}))

    @property
    def approximate_classes(self) -> tuple[str, ...]:
        """Names of the classes that have such a word, in the set's order."""
        pairs = zip(self.classes.names, self.approximate, strict=True)
        return tuple(name for name, words in pairs if words)


def load_word_vectors(ref: str | Path | None = None, *, words: Iterable[str]) -> WordVectors:
    """Load the vectors of some words.

    Args:
        ref: None or ``bundled`` for the bundled GoogleNews subset; the path of a word2vec
            ``.bin``, of a GloVe or word2vec text file (``.txt``, ``.vec``), either also as ``.gz``,
            or of a gensim ``.kv``; or ``gensim:NAME`` for a set that gensim downloads.
        words: The words that are wanted. Those that the source lacks are left out.

    Raises:
        WordVectorError: The source is missing, damaged, unsafe to read, or of an unknown kind.
    """
    if ref is None or ref == BUNDLED:
        return _bundled()
    if isinstance(ref, str) and ref.startswith(GENSIM):
        path = fetch_gensim(ref.removeprefix(GENSIM))
    else:
        path = Path(ref).expanduser()
    found = read_vectors(path, words, also=_bundled_words())
    return WordVectors(
        words={word: row for row, word in enumerate(found.words)},
        matrix=_unit_rows(found.matrix),
        source=ref if isinstance(ref, str) and ref.startswith(GENSIM) else path.name,
        digest=found.digest,
    )


def class_vectors(
    classes: ClassSet | str | Path,
    vectors: WordVectors | str | Path | None = None,
    *,
    allow_approximate: bool = False,
) -> ClassVectors:
    """Make the class vectors of a class set.

    Args:
        classes: The classes and their words, or what ``zsl_bench.classes.class_set`` takes.
        vectors: Word vectors, or what ``load_word_vectors`` takes; None for the bundled subset.
        allow_approximate: Let a hash stand in for a word without a vector.

    Raises:
        ClassSetError: A name or path stands for no class set.
        WordVectorError: A word has no vector and that is not allowed; the classes are named.

    Example:
        >>> class_vectors("hmdb51", allow_approximate=True).matrix.shape
        (51, 300)
    """
    if isinstance(classes, str | Path):
        classes = class_set(classes)
    if not isinstance(vectors, WordVectors):
        wanted = {word for words in classes.words for word in words}
        vectors = load_word_vectors(vectors, words=wanted)
    approximate = tuple(
        tuple(dict.fromkeys(word for word in words if word not in vectors))
        for words in classes.words
    )
    made = ClassVectors(
        classes=classes,
        matrix=np.stack([_mean_vector(words, vectors) for words in classes.words]),
        source=vectors.source,
        digest=vectors.digest,
        approximate=approximate,
    )
    if made.approximate_words and not allow_approximate:
        raise WordVectorError(
            f"class vectors of {classes.dataset} from {vectors.source}",
            found=f"{len(made.approximate_classes)} of {len(classes)} classes have a word without "
            f"a vector: {listing(made.approximate_classes)} ({listing(made.approximate_words)})",
            fix="give vectors that cover them (--vectors GoogleNews-vectors-negative300.bin) "
            "or allow stand-ins (--allow-approximate)",
        )
    return made


def hash_vector(word: str, dim: int) -> npt.NDArray[np.float32]:
    """Return the stand-in for a word without a vector: ``(dim,)`` float32, unit length.

    The signs are the first bits of SHAKE-256 of the word, so that the vector is the same on every
    machine; two different words are near to orthogonal.
    """
    data = hashlib.shake_256(word.encode("utf-8", "surrogatepass")).digest((dim + 7) // 8)
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=dim)
    vector: npt.NDArray[np.float32] = ((2.0 * bits - 1.0) / np.sqrt(dim)).astype(np.float32)
    return vector


@lru_cache(maxsize=1)
def _bundled() -> WordVectors:
    description = read_asset("vectors", "googlenews.json")
    with np.load(asset_path("vectors", "googlenews.npz"), allow_pickle=False) as arrays:
        words = arrays["words"].tobytes().decode("utf-8").split("\n")
        matrix = arrays["vectors"]
    return WordVectors(
        words={word: row for row, word in enumerate(words)},
        matrix=_unit_rows(matrix),
        source=str(description["source"]),
        digest=str(description["digest"]),
    )


def _bundled_words() -> list[str]:
    """Return the words of the bundled classes, with and without a bundled vector."""
    without: list[str] = read_asset("vectors", "googlenews.json")["without_vector"]
    return [*_bundled().words, *without]


def _mean_vector(words: tuple[str, ...], vectors: WordVectors) -> npt.NDArray[np.float32]:
    """Average in an order of its own, so that equal multisets of words give equal bytes."""
    total = np.zeros(vectors.dim)
    for word in sorted(words):
        total += vectors.vector(word) if word in vectors else hash_vector(word, vectors.dim)
    length = float(np.linalg.norm(total))
    if length < 1e-6:
        raise WordVectorError(
            f"class vector of the words {listing(words)}",
            found=f"their vectors in {vectors.source} cancel out",
            fix="give other words or other vectors",
        )
    vector: npt.NDArray[np.float32] = (total / length).astype(np.float32)
    return vector


def _unit_rows(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scale every row to unit length, in float64; rows must not be zero."""
    lengths = np.sqrt(np.einsum("vd,vd->v", matrix, matrix, dtype=np.float64))
    unit: npt.NDArray[np.float32] = (matrix / lengths[:, None]).astype(np.float32)
    unit.setflags(write=False)
    return unit


def _check_matrix(asked: str, matrix: npt.NDArray[np.float32], rows: int) -> None:
    if matrix.ndim != 2 or len(matrix) != rows or matrix.dtype != np.float32:
        raise WordVectorError(
            asked,
            found=f"{matrix.dtype} array of shape {matrix.shape}",
            fix=f"give float32 of shape ({rows}, D)",
        )
    squares = np.einsum("vd,vd->v", matrix, matrix)
    if not np.all(np.abs(squares - 1) < 1e-4):
        raise WordVectorError(
            asked,
            found="a vector that is not finite or not of unit length",
            fix="scale every vector to length 1",
        )
