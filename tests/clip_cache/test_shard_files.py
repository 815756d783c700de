"""One file of the cache: what is written comes back exactly, and nothing else does."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors import safe_open

from zsl_bench.clip_cache.shards import (
    ClipOutputs,
    Entry,
    ShardError,
    read_header,
    read_shard,
    write_shard,
)
from zsl_bench.errors import ResultError
from zsl_bench.files import sha256_bytes

KEY = sha256_bytes(b"a key")
FLOATS = st.floats(width=32, allow_nan=False)


def entry(number: int, start: float | None = None, end: float | None = None) -> Entry:
    return Entry(sha256_bytes(b"%d" % number), start, end)


def outputs(seed: int = 0, clips: int = 3, width: int = 5) -> ClipOutputs:
    rng = np.random.default_rng(seed)
    return ClipOutputs(
        vectors=rng.normal(size=(clips, width)).astype(np.float32),
        weights=rng.integers(1, 9, size=clips),
    )


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "one.safetensors"
    whole = [(entry(i), outputs(i, clips=i + 1)) for i in range(3)]
    write_shard(path, KEY, [*whole, (entry(7, 1.5, 2.25), outputs(7))])
    return path


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    width=st.integers(1, 7),
    data=st.data(),
)
def test_what_is_written_comes_back_bit_by_bit(tmp_path_factory, counts, width, data):
    times = st.one_of(st.none(), st.floats(0, 1e9))
    written = [
        (
            entry(i, data.draw(times), data.draw(times)),
            ClipOutputs(
                vectors=data.draw(arrays.arrays(np.float32, (count, width), elements=FLOATS)),
                weights=data.draw(
                    arrays.arrays(np.int64, (count,), elements=st.integers(1, 2**62))
                ),
            ),
        )
        for i, count in enumerate(counts)
    ]
    path = tmp_path_factory.mktemp("shards") / "shard.safetensors"
    write_shard(path, KEY, written)
    header, read = read_shard(path)
    assert header == read_header(path)
    assert (header.key, header.width, header.clips) == (KEY, width, sum(counts))
    assert list(read) == [each for each, _ in written]
    for each, before in written:
        assert read[each].vectors.dtype == np.float32
        assert read[each].weights.dtype == np.int64
        assert read[each].vectors.tobytes() == before.vectors.tobytes()
        assert read[each].weights.tobytes() == before.weights.tobytes()


def test_the_library_of_the_format_reads_it(shard):
    with safe_open(shard, framework="numpy") as file:
        vectors, weights = file.get_tensor("clip_vectors"), file.get_tensor("clip_weights")
        metadata = file.metadata()
    _, read = read_shard(shard)
    assert np.array_equal(vectors, np.concatenate([each.vectors for each in read.values()]))
    assert np.array_equal(weights, np.concatenate([each.weights for each in read.values()]))
    assert metadata["key"] == KEY
    assert metadata["format"] == "1"
    assert json.loads(metadata["entries"])[-1] == [sha256_bytes(b"7"), 1.5, 2.25, 3]


def test_of_a_video_that_is_there_twice_the_first_counts(tmp_path):
    write_shard(tmp_path / "x", KEY, [(entry(1), outputs(1)), (entry(1), outputs(2, clips=2))])
    header, read = read_shard(tmp_path / "x")
    assert header.clips == 5
    assert np.array_equal(read[entry(1)].vectors, outputs(1).vectors)


def test_every_cut_is_noticed(shard):
    whole = shard.read_bytes()
    for length in (*range(0, len(whole), 7), len(whole) - 1):
        shard.write_bytes(whole[:length])
        with pytest.raises(ShardError):
            read_header(shard)
    shard.write_bytes(whole + b"\0")
    with pytest.raises(ShardError, match="too long"):
        read_header(shard)


def test_every_flipped_bit_is_noticed_or_means_the_same(shard):
    whole = shard.read_bytes()
    before, _ = read_shard(shard)
    rng = np.random.default_rng(0)
    header_ends = 8 + int.from_bytes(whole[:8], "little")
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        shard.write_bytes(damaged)
        try:
            header, read = read_shard(shard)
        except ShardError:
            continue
        assert place < header_ends, "a change of the tensors is noticed"
        assert header == before
        assert list(read) == [each for each, _ in before.counts]


def header_of(change) -> bytes:
    fields = {
        "__metadata__": {
            "format": "1", "key": KEY, "sha256": KEY,
            "entries": json.dumps([[KEY, None, None, 1]]),
        },
        "clip_vectors": {"dtype": "F32", "shape": [1, 2], "data_offsets": [8, 16]},
        "clip_weights": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]},
    }  # fmt: skip
    change(fields)
    text = json.dumps(fields).encode()
    return struct.pack("<Q", len(text)) + text + bytes(16)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f["__metadata__"].update(format="2"), "format '2'"),
        (lambda f: f["__metadata__"].update(entries="[["), "no header"),
        (lambda f: f["__metadata__"].update(entries='[["../x", null, null, 1]]'), "no video"),
        (lambda f: f["__metadata__"].update(entries=f'[["{KEY}", null, null, 0]]'), "no video"),
        (lambda f: f["__metadata__"].update(entries=f'[["{KEY}", NaN, null, 1]]'), "without times"),
        (lambda f: f["__metadata__"].update(entries=f'[["{KEY}", "a", null, 1]]'), "without times"),
        (lambda f: f["__metadata__"].update(entries=f'[["{KEY}", null, null, 2]]'), "its tensors"),
        (lambda f: f.pop("__metadata__"), "no header"),
        (lambda f: f.pop("clip_weights"), "no header"),
        (lambda f: f["clip_vectors"].update(dtype="F64"), "its tensors"),
        (lambda f: f["clip_vectors"].update(shape=[1, 10**9]), "its tensors"),
        (lambda _: None, "not those that were written"),
    ],
)
def test_a_file_of_another_kind_is_none(tmp_path, change, words):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(header_of(change))
    with pytest.raises(ShardError, match=words):
        read_shard(path)


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\xff" * 64, b"[" * 100_000])
def test_any_bytes_are_no_shard(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(ShardError):
        read_header(path)
    path.write_bytes(struct.pack("<Q", len(content)) + content)
    with pytest.raises(ShardError):
        read_header(path)


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError):
        write_shard(tmp_path / "file" / "x", KEY, [(entry(1), outputs())])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
