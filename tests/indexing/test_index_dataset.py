"""From a place to a checked manifest: what earlier checks know, archives beside images."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from zsl_bench.indexing import index_dataset
from zsl_bench.indexing.api import find_videos


def test_files_that_were_only_hashed_are_opened_where_they_are_rows(tmp_path, write_video):
    """The official list calls two broken files extra; as a data set of one's own they are rows."""
    good = write_video(tmp_path / "Archery" / "v_Archery_g01_c01.avi")
    broken = [tmp_path / "Zfoo" / name for name in ("cut.avi", "noise.avi")]
    broken[0].parent.mkdir()
    broken[0].write_bytes(good.read_bytes()[:3000])
    broken[1].write_bytes(os.urandom(3000))
    first = index_dataset("ucf101", tmp_path, digest=True)
    assert len(first.manifest.extra) == 2
    for use_cache in (True, False):
        again = index_dataset("mine", tmp_path, use_cache=use_cache)
        assert {path for path, _ in again.manifest.unreadable} == {"Zfoo/cut.avi", "Zfoo/noise.avi"}


def test_an_archive_beside_images_or_videos_is_left_alone(tmp_path, write_video):
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a" / "1.jpg").write_bytes(b"an image")
    write_video(tmp_path / "videos" / "a" / "1.mp4")
    for name in ("images", "videos"):
        with zipfile.ZipFile(tmp_path / name / "Partitions.zip", "w") as archive:
            archive.writestr("readme.txt", "no video")
        manifest = find_videos("own", tmp_path / name, images=name == "images")
        assert [Path(video.path).parent.name for video in manifest.videos] == ["a"]
        assert not (tmp_path / name / "unpacked").exists()
