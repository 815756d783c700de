"""One door to all kinds of word-vector files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.errors import WordVectorError
from zsl_bench.vector_files import cache
from zsl_bench.vector_files.keyed import companion, read_keyed
from zsl_bench.vector_files.slim import SlimVectors, collect, damaged
from zsl_bench.vector_files.streams import ContentStream
from zsl_bench.vector_files.word2vec import is_binary, scan_binary, scan_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_ZIPPED_KINDS = {".bin": "binary", ".txt": "text", ".vec": "text"}
_KINDS = {**_ZIPPED_KINDS, ".kv": "keyed"}


def read_vectors(path: Path, words: Iterable[str], *, also: Iterable[str] = ()) -> SlimVectors:
    """Read the vectors of wanted words from a file, or from the cache if they were read before.

    Args:
        path: A word2vec ``.bin``, a GloVe or word2vec text file (``.txt``, ``.vec``), each also as
            ``.gz``, or a ``.kv`` of gensim.
        words: The words that are wanted.
        also: Words to put into the cache where the file must be read anyway, for later calls.

    Raises:
        WordVectorError: The file is missing, damaged, cut short, unsafe, or of an unknown kind.
    """
    wanted = frozenset(words)
    kind = _kind(path)
    beside = companion(path) if kind == "keyed" else None
    files = [path] if beside is None else [path, beside]
    key = cache.key_of(files)
    known = cache.load(key)
    asked_before = known.absent.union(known.words) if known else frozenset()
    if known is None or not wanted <= asked_before:
        known = _scan(path, kind, wanted.union(asked_before, also))
        if cache.key_of(files) == key:
            cache.save(key, known)
    return _restricted(known, wanted)


def _kind(path: Path) -> str:
    asked = f"word vectors from {path}"
    if path.is_dir():
        raise WordVectorError(asked, found="a folder", fix="give a file of word vectors")
    try:
        size = path.stat().st_size
    except (OSError, ValueError) as error:
        raise WordVectorError(asked, found="no such file", fix="check the path") from error
    suffix = path.suffix.lower()
    if suffix == ".gz":
        kind = _ZIPPED_KINDS.get(path.with_suffix("").suffix.lower(), "unsaid")
    elif suffix in _KINDS:
        kind = _KINDS[suffix]
    else:
        raise WordVectorError(
            asked,
            found=f"unknown kind of file {suffix!r}",
            fix="give word2vec .bin, GloVe or word2vec text .txt or .vec (each also .gz), "
            "or gensim .kv",
        )
    if not size:
        raise damaged(path, "an empty file")
    return kind


def _scan(path: Path, kind: str, wanted: frozenset[str]) -> SlimVectors:
    if kind == "keyed":
        return read_keyed(path, wanted)
    with ContentStream(path) as stream:
        start = stream.peek()
        binary = kind == "binary" or (kind == "unsaid" and is_binary(start))
        scan = scan_binary if binary else scan_text
        found, dim = scan(path, stream, wanted)
    return collect(path, wanted, found, dim=dim, digest=stream.digest)


def _restricted(slim: SlimVectors, wanted: frozenset[str]) -> SlimVectors:
    """Leave out what earlier calls looked for, so that the answer depends on the question only."""
    rows = [row for row, word in enumerate(slim.words) if word in wanted]
    return SlimVectors(
        words=tuple(slim.words[row] for row in rows),
        absent=slim.absent & wanted,
        matrix=slim.matrix[rows],
        digest=slim.digest,
    )
