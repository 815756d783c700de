"""The walk over word2vec's binary records, against one record at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.errors import WordVectorError
from zsl_bench.vector_files.word2vec import scan_binary

PATH = Path("v.bin")
WORDS = ("", "a", "ab", "\na", "é")
WANTED = frozenset({"a", "ab", "é", "absent"})


def one_at_a_time(content: bytes) -> dict[str, bytes] | None:
    """Read record by record; None for a file that does not fit its header."""
    head, _, rest = content.partition(b"\n")
    if b"\n" not in content or len(head.split()) != 2:
        return None
    count, dim = map(int, head.split())
    found: dict[str, bytes] = {}
    for _ in range(count):
        word, space, rest = rest.partition(b" ")
        if not space or len(rest) < 4 * dim:
            return None
        spelled = word.removeprefix(b"\n").decode("utf-8", "replace")
        if spelled in WANTED:
            found.setdefault(spelled, rest[: 4 * dim])
        rest = rest[4 * dim :]
    return None if rest.strip() else found


@st.composite
def files(draw) -> tuple[bytes, int]:
    """Records whose vectors are full of spaces, some cut short or with bytes too many."""
    dim = draw(st.integers(1, 5))
    words = draw(st.lists(st.sampled_from(WORDS), max_size=12))
    values = st.lists(st.sampled_from(b" \na\0\x80"), min_size=4 * dim, max_size=4 * dim)
    records = [word.encode() + b" " + bytes(draw(values)) for word in words]
    said = max(len(words) + draw(st.sampled_from([0, 0, 0, -1, 1])), 0)
    content = f"{said} {dim}\n".encode() + b"".join(records)
    content = content[: len(content) - draw(st.sampled_from([0, 0, 0, 1, 3, 9]))]
    return content + draw(st.sampled_from([b"", b"", b"\n", b" \n", b"x"])), dim


@settings(max_examples=400, deadline=None)
@given(files(), st.integers(1, 40))
def test_records_are_those_of_a_plain_reader(made, size):
    content, dim = made
    head = content.find(b"\n") + 1 or len(content)
    chunks = [content[:head], *(content[i : i + size] for i in range(head, len(content), size))]
    expected = one_at_a_time(content)
    if expected is None:
        with pytest.raises(WordVectorError):
            scan_binary(PATH, chunks, WANTED)
        return
    found, found_dim = scan_binary(PATH, chunks, WANTED)
    assert found_dim == dim
    assert {word: vector.tobytes() for word, vector in found.items()} == expected


def test_a_long_record_without_a_space_is_searched_once():
    dim, count = 65_536, 3
    vector = np.full(dim, 1.5, "<f4").tobytes()
    content = f"{count} {dim}\n".encode() + b"".join(b"w%d " % i + vector for i in range(count))
    chunks = [content[i : i + 50_000] for i in range(0, len(content), 50_000)]
    found, _ = scan_binary(PATH, chunks, frozenset({"w0", "w2"}))
    assert {word: set(values.tolist()) for word, values in found.items()} == {
        "w0": {1.5},
        "w2": {1.5},
    }
