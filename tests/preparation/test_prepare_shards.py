"""Shards hold what plain files would and are the same bytes each time."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile

import pytest

from zsl_bench.errors import DatasetError, ResultError
from zsl_bench.files import sha256_bytes
from zsl_bench.preparation import prepare
from zsl_bench.preparation.shards import shard_name

webdataset = pytest.importorskip("webdataset")


@pytest.fixture
def toys(encode, manifest_of, tmp_path):
    root = tmp_path / "in"
    names = [f"{name}/clip.{k} (x).mp4" for name in ("ball", "box") for k in range(3)]
    for number, name in enumerate(names):
        encode(root / name, frames=8 + number)
    (root / "ball" / "bad.mp4").write_text("no video")
    rows = [*names, "ball/bad.mp4"]
    labels = [name.split("/")[0] for name in rows]
    return manifest_of(
        root, *({"path": n, "label": label} for n, label in zip(rows, labels, strict=True))
    )


def samples(shard):
    """The samples of a shard, read with the standard library alone."""
    found = {}
    with tarfile.open(shard) as archive:
        for member in archive:
            key, _, kind = member.name.partition(".")
            found.setdefault(key, {})[kind] = archive.extractfile(member).read()
    return [{"__key__": key, **parts} for key, parts in found.items()]


def test_shards_hold_every_video_once(toys, tmp_path):
    out = tmp_path / "out"
    made = prepare(toys, out, jobs=1, shard_videos=3)
    plain = prepare(toys, tmp_path / "plain", jobs=1)
    assert not (out / "videos").exists()
    shards = [samples(shard) for shard in sorted((out / "shards").iterdir())]
    assert [shard["videos"] for shard in made.report["shards"]] == [len(s) for s in shards]
    found = [sample for shard in shards for sample in shard]
    rows = {video.id: video for video in plain.manifest.videos}
    assert sorted(json.loads(s["json"])["id"] for s in found) == sorted(
        rows.keys() - {"ball/bad.mp4"}
    )
    for sample in found:
        facts = json.loads(sample["json"])
        row = rows[facts["id"]]
        assert sample["mp4"] == (tmp_path / "plain" / row.path).read_bytes()
        assert facts["sha256"] == sha256_bytes(sample["mp4"])
        assert (facts["label"], facts["group"], facts["frames"]) == (
            row.label, row.group, row.frames
        )  # fmt: skip
        assert int(sample["cls"]) == facts["class"] == toys.classes.names.index(row.label)
        assert sample["__key__"] == f"{list(rows).index(row.id):06d}"
    assert dict(made.manifest.unreadable).keys() == {"ball/bad.mp4"}
    assert made.manifest.preparation["shard_videos"] == 3
    assert made.manifest.notes[-1].startswith("the videos are packed in shards/")


READ = """
import json, sys, webdataset
rows = webdataset.WebDataset(sys.argv[1:], shardshuffle=False).decode()
print(json.dumps([[row["json"]["id"], row["cls"], len(row["mp4"])] for row in rows]))
"""


def test_webdataset_reads_them(toys, tmp_path):
    made = prepare(toys, tmp_path / "out", jobs=1, shard_videos=4)
    shards = [str(tmp_path / "out" / shard["file"]) for shard in made.report["shards"]]
    command = [sys.executable, "-c", READ, *shards]
    rows = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    labels = {video.id: toys.classes.names.index(video.label) for video in toys.videos}
    del labels["ball/bad.mp4"]
    assert {name: label for name, label, _ in rows} == labels
    assert sum(size for _, _, size in rows) == made.report["bytes_after"]


def test_shards_are_the_same_bytes_each_time(toys, tmp_path):
    for name in ("one", "two"):
        prepare(toys, tmp_path / name, jobs=2, shard_videos=4)
    one, two = (sorted((tmp_path / name / "shards").iterdir()) for name in ("one", "two"))
    assert [path.name for path in one] == ["toys-000000.tar", "toys-000001.tar"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_a_lost_shard_is_made_again_and_the_others_stay(toys, tmp_path):
    out = tmp_path / "out"
    prepare(toys, out, jobs=1, shard_videos=3)
    lost, kept = sorted((out / "shards").iterdir())[:2]
    content, node = lost.read_bytes(), kept.stat().st_ino
    lost.unlink()
    again = prepare(toys, out, jobs=1, shard_videos=3)
    assert lost.read_bytes() == content
    assert kept.stat().st_ino == node
    assert again.report["this_run"]["videos"] <= 3


def test_a_shard_that_does_not_read_back_is_told(toys, tmp_path, monkeypatch):
    from webdataset import tariterators

    real = tariterators.tar_file_iterator

    def wrong(stream):
        for file in real(stream):
            yield {**file, "data": file["data"][:-1]}

    monkeypatch.setattr(tariterators, "tar_file_iterator", wrong)
    with pytest.raises(ResultError, match=r"read back .*toys-00000.\.tar"):
        prepare(toys, tmp_path / "out", jobs=1, shard_videos=3)


def test_without_the_package_the_extra_is_named(toys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset", None)
    with pytest.raises(DatasetError, match=r"pip install 'zsl-bench\[shards\]'"):
        prepare(toys, tmp_path / "out", shard_videos=3)


def test_shards_are_numbered():
    assert shard_name("ucf101", 12) == "ucf101-000012.tar"
