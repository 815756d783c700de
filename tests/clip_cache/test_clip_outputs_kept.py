"""The outputs of one key: found exactly, never those of another key, shared by processes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from zsl_bench.clip_cache import ClipCache, ClipOutputs, Entry, verify
from zsl_bench.clip_cache import cache as cache_module
from zsl_bench.clip_cache.shards import ShardError, listed, read_shard
from zsl_bench.errors import ResultError
from zsl_bench.files import read_json, sha256_bytes, sha256_json

PARTS = {"run": {"model": {"name": "m", "weights": "sha256:1"}, "clip_policy": "p"}, "versions": {}}


def entry(number: int, start: float | None = None, end: float | None = None) -> Entry:
    return Entry(sha256_bytes(b"%d" % number), start, end)


def outputs(seed: int, width: int = 4) -> ClipOutputs:
    rng = np.random.default_rng(seed)
    return ClipOutputs(
        vectors=rng.normal(size=(2, width)).astype(np.float32), weights=np.array([1, seed + 1])
    )


class Opened(ClipCache):
    """A cache that remembers what it told."""

    def __init__(self, root, parts=PARTS) -> None:
        self.told = []
        super().__init__(root, parts, self.told.append)


def same(one: ClipOutputs, other: ClipOutputs) -> bool:
    return (
        one.vectors.tobytes() == other.vectors.tobytes()
        and one.weights.tobytes() == other.weights.tobytes()
    )


def test_what_was_added_is_found_by_this_and_by_the_next(tmp_path):
    first = Opened(tmp_path)
    assert first.find(entry(0)) is None
    first.add([(entry(0), outputs(0)), (entry(1), outputs(1))])
    first.add([(entry(2), outputs(2))])
    for cache in (first, Opened(tmp_path)):
        for number in range(3):
            assert same(cache.find(entry(number)), outputs(number))
        assert cache.entries == {entry(0), entry(1), entry(2)}
        assert cache.find(entry(3)) is None
        assert cache.told == []


def test_another_part_of_a_video_is_another_entry(tmp_path):
    Opened(tmp_path).add([(entry(0, 1.0, 2.0), outputs(0))])
    cache = Opened(tmp_path)
    for other in (entry(0), entry(0, 1.0), entry(0, 1.0, 2.0000000000000004), entry(0, None, 2.0)):
        assert cache.find(other) is None
    assert same(cache.find(entry(0, 1, 2)), outputs(0))


def test_another_key_never_hits(tmp_path):
    Opened(tmp_path).add([(entry(0), outputs(0))])
    for parts in (
        {**PARTS, "versions": {"torch": "3"}},
        {**PARTS, "more": None},
        {**PARTS, "run": {**PARTS["run"], "clip_policy": "q"}},
    ):
        assert Opened(tmp_path, parts).find(entry(0)) is None


def test_the_key_can_be_read_beside_its_shards(tmp_path):
    cache = Opened(tmp_path)
    assert not cache.folder.exists(), "nothing is made before there is something to keep"
    cache.add([])
    assert not cache.folder.exists()
    cache.add([(entry(0), outputs(0))])
    described = read_json(cache.folder / "key.json", what="key")
    assert described == {"key": cache.key, "parts": PARTS}
    assert cache.key == sha256_json(PARTS) == cache.folder.name


def damage_cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def damage_flip(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)


def damage_foreign(path):
    other = Opened(path.parents[3] / "other", {"another": "key"})
    other.add([(entry(0), outputs(9))])
    (shard,) = other.folder.glob("*.safetensors")
    shutil.copy(shard, path)


@pytest.mark.parametrize("damage", [damage_cut, damage_flip, damage_foreign])
def test_a_damaged_shard_is_told_once_and_passed_over(tmp_path, damage):
    root = tmp_path / "cache"
    Opened(root).add([(entry(0), outputs(0)), (entry(1), outputs(1))])
    writer = Opened(root)
    (path,) = writer.folder.glob("*.safetensors")
    damage(path)
    cache = Opened(root)
    assert cache.find(entry(0)) is None
    assert cache.find(entry(1)) is None
    assert len(cache.told) == 1
    assert path.name in cache.told[0]
    cache.add([(entry(0), outputs(0))])
    assert same(Opened(root).find(entry(0)), outputs(0)), "the copy behind it counts"
    assert [each.path for each in verify(root).damaged] == [path]


def test_of_two_copies_the_first_that_is_whole_counts(tmp_path):
    for seed in (5, 6, 7):
        ClipCache(tmp_path, PARTS, print).add([(entry(0), outputs(seed))])
        time.sleep(0.01)
    first, second, _ = sorted(Opened(tmp_path).folder.glob("*.safetensors"))
    assert same(Opened(tmp_path).find(entry(0)), outputs(5))
    damage_flip(first)
    cache = Opened(tmp_path)
    assert same(cache.find(entry(0)), outputs(6))
    assert len(cache.told) == 1
    second.unlink()
    assert same(Opened(tmp_path).find(entry(0)), outputs(7))


def test_what_is_removed_meanwhile_is_a_miss_and_not_a_complaint(tmp_path):
    Opened(tmp_path).add([(entry(0), outputs(0))])
    cache = Opened(tmp_path)
    shutil.rmtree(cache.folder)
    assert entry(0) in cache.entries
    assert cache.find(entry(0)) is None
    assert cache.told == []
    cache.add([(entry(0), outputs(0))])
    assert (cache.folder / "key.json").is_file()
    assert same(Opened(tmp_path).find(entry(0)), outputs(0))


def test_more_shards_than_are_held_in_memory(tmp_path):
    cache = Opened(tmp_path)
    for number in range(40):
        cache.add([(entry(number), outputs(number))])
    reader = Opened(tmp_path)
    for number in (*range(40), *reversed(range(40))):
        assert same(reader.find(entry(number)), outputs(number))


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "keys").write_text("")
    with pytest.raises(ResultError):
        Opened(tmp_path).add([(entry(0), outputs(0))])


WRITER = """
import sys
from pathlib import Path
import numpy as np
from zsl_bench.clip_cache import ClipCache, ClipOutputs, Entry
from zsl_bench.files import sha256_bytes

PARTS = {"run": {"model": {"name": "m", "weights": "sha256:1"}, "clip_policy": "p"}, "versions": {}}
cache = ClipCache(Path(sys.argv[1]), PARTS, print)
for number in range(int(sys.argv[2])):
    rng = np.random.default_rng(number)
    vectors = rng.normal(size=(2, 4)).astype(np.float32)
    kept = ClipOutputs(vectors=vectors, weights=np.array([1, number + 1]))
    cache.add([(Entry(sha256_bytes(b"%d" % number), None, None), kept)])
    print(number, flush=True)
"""


def test_two_processes_write_one_key(tmp_path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), "25"], stdout=subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    cache = Opened(tmp_path)
    assert len(list(cache.folder.glob("*.safetensors"))) == 50
    for number in range(25):
        assert same(cache.find(entry(number)), outputs(number))
    assert cache.told == []
    assert not verify(tmp_path).damaged


def test_a_writer_that_is_killed_leaves_only_whole_shards(tmp_path):
    for turn in range(2):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), "100000"],
            stdout=subprocess.PIPE,
            text=True,
        ) as writer:
            said = [writer.stdout.readline() for _ in range(12 + turn)]
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        cache = Opened(tmp_path)
        for number in map(int, said):
            assert same(cache.find(entry(number)), outputs(number)), "said to be kept"
        assert cache.told == []
    assert not verify(tmp_path).damaged
    assert verify(tmp_path).shards >= 25


def test_a_shard_of_another_key_under_a_name_seen_before_is_passed_over(tmp_path):
    Opened(tmp_path / "cache").add([(entry(0), outputs(0))])
    cache = Opened(tmp_path / "cache")
    (path,) = cache.folder.glob("*.safetensors")
    damage_foreign(path)
    assert cache.find(entry(0)) is None
    assert cache.find(entry(0)) is None
    assert len(cache.told) == 1
    assert "another key" in cache.told[0]


def test_the_file_of_a_key_that_goes_while_a_shard_is_written_is_written_again(
    tmp_path, monkeypatch
):
    cache = Opened(tmp_path)
    written = cache_module.write_shard

    def goes(path, key, kept):
        written(path, key, kept)
        (path.parent / "key.json").unlink()

    monkeypatch.setattr(cache_module, "write_shard", goes)
    cache.add([(entry(0), outputs(0))])
    assert read_json(cache.folder / "key.json", what="key")["parts"] == PARTS


def test_a_folder_that_goes_while_it_is_listed_holds_nothing(tmp_path, monkeypatch):
    assert listed(tmp_path / "nowhere") == []
    for name in ("b.x", "a.x", ".c.x", "d"):
        (tmp_path / name).write_text("")
    assert [path.name for path in listed(tmp_path, "*.x")] == [".c.x", "a.x", "b.x"]
    assert listed(tmp_path / "d") == []

    def gone(_path, _pattern):
        yield tmp_path / "a.x"
        raise FileNotFoundError

    monkeypatch.setattr(type(tmp_path), "glob", gone)
    assert listed(tmp_path) == []
    assert Opened(tmp_path).entries == frozenset()


def test_a_shard_that_changes_between_two_looks_does_not_loop(tmp_path):
    Opened(tmp_path).add([(entry(0), outputs(0))])
    cache = Opened(tmp_path)
    (path,) = cache.folder.glob("*.safetensors")
    path.unlink()
    cache.add([(entry(1), outputs(1))])
    (other,) = cache.folder.glob("*.safetensors")
    other.rename(path)
    assert cache.find(entry(0)) is None
    with pytest.raises((ShardError, OSError)):
        read_shard(other)
