"""What a cache holds, whether it is whole, and what goes."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zsl_bench.clip_cache import (
    DIGESTS,
    ClipCache,
    ClipOutputs,
    Entry,
    FileDigests,
    PruneRule,
    SeenFile,
    remove,
    summaries,
    to_prune,
    verify,
)
from zsl_bench.files import sha256_bytes

NOW = 1_800_000_000.0
DAY = 86_400.0


def add(root, model: str, number: int, *, days: float = 0.0, clips: int = 2):
    """Keep one video of a model, last used some days ago, and return its shard."""
    parts = {"run": {"model": {"name": model}, "clip_policy": "paper-25"}}
    cache = ClipCache(root, parts, pytest.fail)
    before = set(cache.folder.glob("*.safetensors"))
    kept = ClipOutputs(
        vectors=np.ones((clips, 8), dtype=np.float32), weights=np.ones(clips, dtype=np.int64)
    )
    cache.add([(Entry(sha256_bytes(b"%d" % number), None, None), kept)])
    (path,) = set(cache.folder.glob("*.safetensors")) - before
    os.utime(path, (NOW - days * DAY,) * 2)
    os.utime(cache.folder / "key.json", (0, 0))
    return path


def test_an_empty_cache_holds_nothing(tmp_path):
    for root in (tmp_path, tmp_path / "nowhere"):
        assert summaries(root) == []
        assert to_prune(root, PruneRule(everything=True)) == []
        assert verify(root).shards == 0
        remove(root, [])


def test_a_summary_counts_videos_once(tmp_path):
    files = [add(tmp_path, "a", 1, days=3), add(tmp_path, "a", 1, days=2, clips=2)]
    files.append(add(tmp_path, "a", 2, days=9, clips=5))
    add(tmp_path, "b", 1, days=1)
    newest, found = summaries(tmp_path)
    assert (newest.model, newest.videos, newest.clips) == ("b", 1, 2)
    assert (found.model, found.policy, found.videos, found.clips) == ("a", "paper-25", 2, 7)
    assert (found.shards, found.damaged) == (3, 0)
    assert found.last_used == NOW - 2 * DAY
    key_file = files[0].parent / "key.json"
    assert found.size == sum(path.stat().st_size for path in [*files, key_file])
    assert found.parts["run"]["model"] == {"name": "a"}


def test_what_is_damaged_is_named(tmp_path):
    good, cut, flipped = (add(tmp_path, "a", number) for number in range(3))
    foreign = good.with_name(f"{'9' * 20}-{'0' * 12}.safetensors")
    foreign.write_bytes(add(tmp_path, "b", 1).read_bytes())
    cut.write_bytes(cut.read_bytes()[:-1])
    flipped.write_bytes(flipped.read_bytes()[:-1] + b"\x7f")
    (good.parent / "key.json").write_text('{"parts": {"run": 3}}')
    found = verify(tmp_path)
    assert found.shards == 5
    assert {each.path for each in found.damaged} == {
        cut, flipped, foreign, good.parent / "key.json",
    }  # fmt: skip
    (unknown,) = [each for each in summaries(tmp_path) if each.model is None]
    assert (unknown.shards, unknown.damaged, unknown.parts) == (2, 2, {}), "as headers say"
    remove(tmp_path, [each.path for each in found.damaged])
    assert verify(tmp_path).damaged == ()
    assert good.exists()


def test_files_of_others_are_left_alone(tmp_path):
    own = add(tmp_path, "a", 1)
    strangers = [own.with_name("model.safetensors"), tmp_path / "keys" / "mine" / own.name]
    for path in strangers:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"weights")
    found = verify(tmp_path)
    assert (found.shards, found.damaged) == (1, ())
    assert [each.path for each in to_prune(tmp_path, PruneRule(everything=True))] == [own]
    remove(tmp_path, [own])
    assert not own.exists()
    assert [path.read_bytes() for path in strangers] == [b"weights"] * 2


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"parts": 1}', '{"parts": {"run": []}}'])
def test_a_key_without_a_readable_file_is_listed(tmp_path, content):
    key_file = add(tmp_path, "a", 1).parent / "key.json"
    key_file.write_text(content)
    assert [(each.model, each.videos) for each in summaries(tmp_path)] == [(None, 1)]
    key_file.unlink()
    assert [(each.model, each.videos) for each in summaries(tmp_path)] == [(None, 1)]
    assert verify(tmp_path).damaged == ()


def pruned(root, **rule) -> list[str]:
    return [str(each.path.name) for each in to_prune(root, PruneRule(**rule), now=NOW)]


def test_rules_say_what_goes_the_longest_unused_first(tmp_path):
    old, new, middle = (add(tmp_path, "a", n, days=d).name for n, d in enumerate((40, 1, 20)))
    other = add(tmp_path, "b", 1, days=30).name
    size = to_prune(tmp_path, PruneRule(everything=True))[0].size
    assert pruned(tmp_path) == []
    assert pruned(tmp_path, everything=True) == [old, other, middle, new]
    assert pruned(tmp_path, unused_for=25 * DAY) == [old, other]
    assert pruned(tmp_path, model="a") == [old, middle, new]
    assert pruned(tmp_path, model="a", unused_for=25 * DAY) == [old]
    assert pruned(tmp_path, model="a", everything=True) == [old, middle, new]
    assert pruned(tmp_path, model="c", everything=True) == []
    assert pruned(tmp_path, most_bytes=2 * size) == [old, other]
    assert pruned(tmp_path, most_bytes=2 * size - 1) == [old, other, middle]
    assert pruned(tmp_path, most_bytes=2 * size, unused_for=35 * DAY) == [old, other]
    assert pruned(tmp_path, most_bytes=10**9) == []
    assert pruned(tmp_path, most_bytes=0) == [old, other, middle, new]


@settings(max_examples=20, deadline=None)
@given(
    ages=st.lists(st.integers(0, 50), max_size=4),
    most=st.none() | st.integers(0, 3000),
    unused=st.none() | st.integers(0, 60),
)
def test_what_is_left_keeps_the_rule(tmp_path_factory, ages, most, unused):
    root = tmp_path_factory.mktemp("cache")
    files = {add(root, "ab"[n % 2], n, days=age): age for n, age in enumerate(ages)}
    rule = PruneRule(most_bytes=most, unused_for=None if unused is None else unused * DAY)
    going = [each.path for each in to_prune(root, rule, now=NOW)]
    left = files.keys() - set(going)
    assert [files[path] for path in going] == sorted((files[p] for p in going), reverse=True)
    if unused is not None:
        assert all(files[path] < unused for path in left)
    if most is not None:
        assert sum(path.stat().st_size for path in left) <= most
    if left and going:
        assert max(files[path] for path in left) <= min(files[path] for path in going)


def test_removing_takes_empty_keys_and_old_leavings(tmp_path):
    one, two = add(tmp_path, "a", 1), add(tmp_path, "b", 1)
    killed, running = one.with_name(".x.part"), two.with_name(".y.part")
    killed.write_bytes(b"half")
    os.utime(killed, (0, 0))
    running.write_bytes(b"half")
    remove(tmp_path, [one, two, tmp_path / "gone"])
    assert not one.parent.exists()
    assert {path.name for path in two.parent.iterdir()} == {"key.json", ".y.part"}


def test_everything_takes_the_digests_of_files_too(tmp_path, monkeypatch):
    monkeypatch.setattr("zsl_bench.clip_cache.digests._SETTLED_NS", -(10**12))
    shard = add(tmp_path, "a", 1)
    folder = tmp_path / DIGESTS
    video = tmp_path / "video.avi"
    video.write_bytes(b"content")
    FileDigests(folder).add([SeenFile.read(video)])
    (lines,) = folder.iterdir()
    killed, running = folder / ".x.digests.1.part", folder / ".y.digests.2.part"
    for part in (killed, running):
        part.write_bytes(b"half")
    os.utime(killed, (0, 0))
    for rule in (
        PruneRule(model="a", everything=True), PruneRule(most_bytes=0), PruneRule(unused_for=0.0)
    ):  # fmt: skip
        assert [each.path for each in to_prune(tmp_path, rule, now=NOW)] == [shard]
    going = to_prune(tmp_path, PruneRule(everything=True), now=NOW)
    assert [(each.path, each.model) for each in going] == [(shard, "a"), (lines, None)]
    remove(tmp_path, [each.path for each in going])
    assert list(folder.iterdir()) == [running]
    running.unlink()
    remove(tmp_path, [])
    assert not folder.exists()
    assert summaries(tmp_path) == []


def test_a_shard_that_comes_while_its_folder_goes_keeps_its_key(tmp_path, monkeypatch):
    shard = add(tmp_path, "a", 1)
    content, key_file = shard.read_bytes(), shard.parent / "key.json"
    described = key_file.read_bytes()
    removed = type(shard).rmdir

    def too_late(folder):
        shard.write_bytes(content)
        removed(folder)

    monkeypatch.setattr(type(shard), "rmdir", too_late)
    remove(tmp_path, [shard])
    assert key_file.read_bytes() == described
    assert [each.model for each in summaries(tmp_path)] == ["a"]


def test_all_can_be_done_while_everything_is_removed(tmp_path):
    ended = threading.Event()

    def prunes():
        while not ended.wait(0.001):
            remove(tmp_path, [each.path for each in to_prune(tmp_path, PruneRule(everything=True))])

    pruning = threading.Thread(target=prunes)
    pruning.start()
    try:
        until = time.monotonic() + 2
        while time.monotonic() < until:
            for name in "ab":
                parts = {"run": {"model": {"name": name}, "clip_policy": "paper-25"}}
                kept = ClipOutputs(
                    vectors=np.ones((1, 2), dtype=np.float32), weights=np.ones(1, dtype=np.int64)
                )
                cache = ClipCache(tmp_path, parts, pytest.fail)
                cache.add([(Entry("0" * 64, None, None), kept)])
                found = cache.find(Entry("0" * 64, None, None))
                assert found is None or found.vectors.tolist() == [[1.0, 1.0]]
            summaries(tmp_path)
            assert verify(tmp_path).damaged == ()
    finally:
        ended.set()
        pruning.join()
    for shard in tmp_path.rglob("*.safetensors"):
        assert (shard.parent / "key.json").is_file()
