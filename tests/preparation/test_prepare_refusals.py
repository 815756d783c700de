"""What prepare refuses, and files that it finds wanting."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from zsl_bench.errors import DatasetError, ResultError, VideoError, ZslBenchError
from zsl_bench.preparation import prepare, report_lines
from zsl_bench.preparation.space import as_size
from zsl_bench.preparation.verify import psnr, verify_video
from zsl_bench.video import VideoReader
from zsl_bench.videos import Manifest


@pytest.fixture
def toys(encode, manifest_of, tmp_path):
    encode(tmp_path / "in" / "a.mp4")
    return manifest_of(tmp_path / "in", {"path": "a.mp4"})


def test_images_are_refused(manifest_of, tmp_path):
    with pytest.raises(DatasetError, match=r"images \(a/x\.JPG\).*training reads images"):
        prepare(manifest_of(tmp_path, {"path": "a/x.JPG"}), tmp_path / "out")


@pytest.mark.parametrize("place", ["in", "in/out", "in/../in/deep/out", "."])
def test_folders_that_lie_in_each_other_are_refused(place, toys, tmp_path):
    with pytest.raises(DatasetError, match="lies among them"):
        prepare(toys, tmp_path / place)
    assert sorted(path.name for path in (tmp_path / "in").iterdir()) == ["a.mp4"]


def test_a_link_into_the_source_is_seen_through(toys, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "in")
    with pytest.raises(DatasetError, match="lies among them"):
        prepare(toys, tmp_path / "link" / "out")


def test_a_folder_with_other_files_is_refused(toys, tmp_path):
    (tmp_path / "out" / "videos").mkdir(parents=True)
    with pytest.raises(ResultError, match=r"other files \(videos\)"):
        prepare(toys, tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    prepare(toys, tmp_path / "out", jobs=1)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_file_in_the_way_is_told_in_one_line(toys, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ResultError, match="write into"):
        prepare(toys, tmp_path / "out")


def test_paths_that_leave_the_root_are_refused(toys, tmp_path):
    value = toys.to_json()
    value["videos"][0]["path"] = "../a.mp4"
    with pytest.raises(DatasetError):
        prepare(Manifest.from_json(value), tmp_path / "out")


def test_too_little_space_is_told_early_and_what_is_done_stays(
    encode, manifest_of, tmp_path, monkeypatch
):
    rows = [{"path": f"{k:02d}.mp4"} for k in range(30)]
    first = encode(tmp_path / "in" / "00.mp4", frames=5)
    for row in rows[1:]:
        shutil.copy(first, tmp_path / "in" / row["path"])
    manifest = manifest_of(tmp_path / "in", *rows)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5_000))
        with pytest.raises(ResultError, match=r"still to write and 5\.0 kB free"):
            prepare(manifest, tmp_path / "out", jobs=1)
    kept = sorted(path.stem for path in (tmp_path / "out" / "videos").iterdir())
    assert 8 <= len(kept) < 30
    assert {int(name) for name in kept} >= {0, 3, 6, 9, 12, 15, 18, 21}
    assert len(prepare(manifest, tmp_path / "out", jobs=1).manifest) == 30


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
def test_a_file_that_cannot_be_written_is_told_and_leaves_nothing(toys, tmp_path):
    toys.save(tmp_path / "m.json")
    script = (
        "import resource, sys\n"
        "from zsl_bench.preparation.encode import prepare_video\n"
        "from zsl_bench.preparation.plan import plan_rows\n"
        "from zsl_bench.preparation.settings import PrepareSettings\n"
        "from zsl_bench.errors import ResultError\n"
        "from zsl_bench.videos import Manifest\n"
        "from pathlib import Path\n"
        "row, = plan_rows(Manifest.load(sys.argv[1]), Path(sys.argv[2]), PrepareSettings())\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    prepare_video(row.task)\n"
        "except ResultError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "m.json"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "File too large; free some space" in done.stdout
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_files_that_cannot_be_prepared_stay_rows(encode, manifest_of, tmp_path):
    root = tmp_path / "in"
    whole = encode(root / "whole.mp4", frames=40, codec="mpeg4").read_bytes()
    encode(root / "cut.avi", frames=200, codec="mpeg4", options={"g": "300"})
    data = (root / "cut.avi").read_bytes()
    (root / "cut.avi").write_bytes(data[: len(data) // 2])
    (root / "empty.mp4").touch()
    (root / "text.avi").write_text("no video at all")
    (root / "headless.mp4").write_bytes(whole[: len(whole) // 2])
    (root / "folder.mp4").mkdir()
    (root / "loop.mp4").symlink_to(root / "loop.mp4")
    names = ("whole.mp4", "cut.avi", "empty.mp4", "text.avi", "headless.mp4", "folder.mp4",
             "loop.mp4", "gone.mp4")  # fmt: skip
    manifest = manifest_of(root, *({"path": name} for name in names))
    before = replace(manifest, unreadable=(("whole.mp4", "an old reason"),))
    made = prepare(before, tmp_path / "out", jobs=1)
    reasons = dict(made.manifest.unreadable)
    assert sorted(reasons) == sorted(set(names) - {"whole.mp4"})
    assert reasons["cut.avi"].startswith("container says 200 frames")
    assert reasons["empty.mp4"] == "an empty file"
    assert reasons["gone.mp4"] == "no such file or directory"
    assert not list((tmp_path / "out" / "videos").glob("cut*"))
    text = "\n".join(report_lines(made.report))
    assert "1 of 8 videos prepared" in text
    assert "cannot be prepared, 7: cut.avi (container says 200 frames" in text


def test_tiny_and_odd_sizes(encode, manifest_of, tmp_path):
    root = tmp_path / "in"
    sizes = {"two": (2, 2), "odd": (33, 17), "line": (300, 1), "tall": (6, 400)}
    for name, size in sizes.items():
        encode(root / f"{name}.mkv", size=size, codec="ffv1", pixels="yuv444p", frames=3)
    manifest = manifest_of(root, *({"path": f"{name}.mkv"} for name in sizes))
    made = prepare(manifest, tmp_path / "out", jobs=1)
    assert dict(made.manifest.unreadable) == {"line.mkv": "frames of 300 x 1"}
    assert {v.id: v.frames for v in made.manifest.videos} == {
        "two.mkv": 3, "odd.mkv": 3, "line.mkv": None, "tall.mkv": 3
    }  # fmt: skip


def test_verification_finds_what_is_wrong(encode, tmp_path):
    path = encode(tmp_path / "a.mp4", frames=20)
    with VideoReader(path) as reader:
        frames = {index: frame.copy() for index, frame in reader.frames([0, 7, 19])}
    assert verify_video(path, 20, (48, 64), frames) == 100
    with pytest.raises(VideoError, match="20 of 21 frames"):
        verify_video(path, 21, (48, 64), frames)
    with pytest.raises(VideoError, match="of 19 frames"):
        verify_video(path, 19, (48, 64), {0: frames[0]})
    with pytest.raises(VideoError, match="frames of 64 x 48"):
        verify_video(path, 20, (64, 48), frames)
    with pytest.raises(VideoError, match="dB from its source"):
        verify_video(path, 20, (48, 64), {**frames, 7: frames[19]})


def test_psnr_by_hand():
    one = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(one, one) == 100
    assert psnr(one, one + 10) == pytest.approx(20 * np.log10(255 / 10))


def test_shards_need_a_whole_number(toys, tmp_path):
    with pytest.raises(DatasetError, match="0 videos a shard"):
        prepare(toys, tmp_path / "out", shard_videos=0)


def test_jobs_are_one_or_more(toys, tmp_path):
    with pytest.raises(ZslBenchError, match="0 jobs"):
        prepare(toys, tmp_path / "out", jobs=0)


def test_sizes_are_told_in_their_unit():
    sizes = (0, 999, 1000, 3_140_000, 5 * 10**12)
    assert [as_size(n) for n in sizes] == ["0 bytes", "999 bytes", "1.0 kB", "3.1 MB", "5.0 TB"]
