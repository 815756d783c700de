"""Scanners for word2vec's binary format and for GloVe's and word2vec's text format."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.vector_files.slim import damaged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    Found = dict[str, npt.NDArray[np.float32]]

_LONGEST_HEADER = 100
_LONGEST_WORD = 1 << 16
_LONGEST_LINE = 1 << 24
_LARGEST_DIM = 1 << 16


def header_of(start: bytes) -> tuple[int, int, int] | None:
    """Read word2vec's first line.

    Returns:
        Number of words, length of a vector and bytes of the line; None if this is no such line.
    """
    line, newline, _ = start[:_LONGEST_HEADER].partition(b"\n")
    fields = line.split()
    if not newline or len(fields) != 2 or not all(field.isdigit() for field in fields):
        return None
    count, dim = (int(field) for field in fields)
    return (count, dim, len(line) + 1) if 0 < dim <= _LARGEST_DIM else None


def is_binary(start: bytes) -> bool:
    """Tell word2vec's binary format from text: after a header, no line of numbers."""
    header = header_of(start)
    if header is None:
        return False
    line = start[header[2] :].split(b"\n", 1)[0]
    fields = line.split()
    return len(fields) <= header[1] or not _numbers(fields[-header[1] :])


def scan_binary(path: Path, chunks: Iterable[bytes], wanted: frozenset[str]) -> tuple[Found, int]:
    """Find wanted words in word2vec's binary format: a header, then word, space, float32 values.

    Every record is walked over, so that a file that is cut short or longer than its header says
    is noticed. Of a word that comes twice the first vector counts.

    Returns:
        The vectors found and their length D.

    Raises:
        WordVectorError: There is no header, or the records do not fit it.
    """
    source = iter(chunks)
    data = next(source, b"")
    header = header_of(data)
    if header is None:
        raise damaged(path, "no word2vec header (number of words and vector length) at the start")
    count, dim, position = header
    records = _Records(dim, wanted)
    left = count
    while True:
        taken, position = records.take(data, position, left)
        left -= taken
        rest = data[position:]
        chunk = next(source, b"")
        if not chunk or len(rest) > 4 * dim + _LONGEST_WORD or (not left and rest.strip()):
            break
        data, position = rest + chunk, 0
    if left or rest.strip():
        raise damaged(path, _misfit(count, dim, left))
    return records.found, dim


class _Records:
    """Walks over whole records of the binary format and keeps the vectors of wanted words.

    A regular expression takes all records of a piece at once. What is left at the end of a piece
    is taken by its second branch, so that the search never starts again within a vector.
    """

    def __init__(self, dim: int, wanted: frozenset[str]) -> None:
        self.found: Found = {}
        self._dim = dim
        self._beyond_word = 1 + 4 * dim
        self._words = re.compile(rb"([^ ]*+) (?s:.{%d})|(?s:.+)" % (4 * dim)).findall
        lookup = {word.encode("utf-8", "surrogatepass"): word for word in wanted}
        self._lookup = lookup | {b"\n" + spelled: word for spelled, word in lookup.items()}

    def take(self, data: bytes, position: int, most: int) -> tuple[int, int]:
        """Take records from a position on: how many there were, and where the last one ends."""
        words = self._words(data, position)
        end = self._start(words, len(words), position)
        if words and not words[-1]:
            last = end - self._beyond_word
            if end > len(data) or not data.startswith(b" ", last):
                words.pop()
                end = last
        if len(words) > most:
            del words[most:]
            end = self._start(words, most, position)
        for place in sorted(map(words.index, self._lookup.keys() & words)):
            word = words[place]
            values = self._start(words, place, position) + len(word) + 1
            vector = np.frombuffer(data, "<f4", self._dim, values).astype("f4")
            self.found.setdefault(self._lookup[word], vector)
        return len(words), end

    def _start(self, words: Sequence[bytes], place: int, position: int) -> int:
        """Return where a record starts, from the words of those before it."""
        return position + sum(map(len, words[:place])) + place * self._beyond_word


def scan_text(path: Path, chunks: Iterable[bytes], wanted: frozenset[str]) -> tuple[Found, int]:
    """Find wanted words in text: a word and its values on each line, with or without a header.

    A key of several words, as some GloVe sets have, is nobody's wanted word and is passed over.

    Returns:
        The vectors found and their length D.

    Raises:
        WordVectorError: A line does not fit, or there are fewer or more lines than the header says.
    """
    lines = _lines(chunks)
    first = next(lines, b"").removeprefix(codecs.BOM_UTF8)
    header = header_of(first + b"\n")
    if header is None:
        dim, number, line = len(first.split()) - 1, 1, first
    else:
        dim, number, line = header[1], 2, next(lines, b"")
    if dim < 1 or not _numbers(line.split()[-dim:]):
        raise damaged(path, f"no word followed by numbers in line {number}")
    lookup = {word.encode("utf-8", "surrogatepass"): word for word in wanted}
    found: Found = {}
    last = b""
    while line:
        word = lookup.get(line.split(None, 1)[0])
        if word is not None and word not in found:
            values = _values(path, line, number, dim)
            if values is not None:
                found[word] = values
        last, line = line, next(lines, b"")
        number += 1
    _values(path, last, number - 1, dim)
    if header is not None and number - 2 != header[0]:
        raise damaged(path, _misfit(header[0], dim, header[0] - (number - 2)))
    return found, dim


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield lines that are not blank, without their end."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line and not line.isspace():
                yield line
        if len(rest) > _LONGEST_LINE:
            break
    if rest.strip():
        yield rest


def _values(path: Path, line: bytes, number: int, dim: int) -> npt.NDArray[np.float32] | None:
    """Read the numbers of a line; None if its key is several words."""
    fields = line.split()
    if len(fields) <= dim or not _numbers(fields[-dim:]):
        raise damaged(path, f"no word followed by {dim} numbers in line {number}")
    if len(fields) > dim + 1:
        return None
    return np.array(fields[1:], np.float64).astype(np.float32)


def _numbers(fields: list[bytes]) -> bool:
    """Tell whether there are fields and all of them are numbers."""
    try:
        return len([float(field) for field in fields]) > 0
    except ValueError:
        return False


def _misfit(count: int, dim: int, left: int) -> str:
    if left > 0:
        return (
            f"cut short or not what its header says ({count} words of {dim} values): "
            f"{left} words are missing at the end"
        )
    return f"more data than its header says ({count} words of {dim} values)"
