"""Strips of three frames: what is on them, how large they are, and what is left out."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from zsl_bench.datasets import open_dataset
from zsl_bench.errors import VideoError
from zsl_bench.report import thumbnails
from zsl_bench.report.confused import Mistake
from zsl_bench.report.thumbnails import film_strip, strips


@pytest.fixture
def manifest(tmp_path, write_video):
    write_video(tmp_path / "mine" / "red ball" / "one.mp4", (200, 0, 0), frames=60)
    write_video(tmp_path / "mine" / "blue ball" / "two.mp4", (0, 0, 180), frames=60)
    (tmp_path / "mine" / "blue ball" / "three.mp4").write_bytes(b"no video at all")
    return open_dataset("mine", tmp_path / "mine")


def mistake(video):
    return Mistake(video=video.id, truth=video.label, named="other", margin=1.0)


def test_a_strip_has_three_frames_in_order(manifest):
    video = next(video for video in manifest.videos if video.label == "red ball")
    picture = Image.open(io.BytesIO(film_strip(video, manifest)))
    assert (picture.format, picture.size) == ("JPEG", (3 * 120 + 2 * 4, 90))
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    reds = [pixels[45, column, 0] for column in (60, 184, 308)]
    blues = [pixels[45, column, 2] for column in (60, 184, 308)]
    assert min(reds) > 190
    for found, frame in zip(blues, (10, 30, 50), strict=True):
        assert abs(found - frame) < 8


def test_a_segment_shows_its_own_frames(manifest):
    video = next(video for video in manifest.videos if video.label == "red ball")
    part = replace(video, start=1.2, end=2.0)
    pixels = np.asarray(Image.open(io.BytesIO(film_strip(part, manifest))).convert("RGB"))
    for column, frame in ((60, 33), (184, 40), (308, 46)):
        assert abs(int(pixels[45, column, 2]) - frame) < 8


def test_what_is_absent_or_damaged_is_counted(manifest):
    gone = Mistake(video="nowhere", truth="red ball", named="other", margin=1.0)
    made, lacking = strips([*map(mistake, manifest.videos), gone], manifest)
    assert (len(made), lacking) == (2, 2)
    for strip in made:
        kind, content = strip.source.split(",")
        assert kind == "data:image/jpeg;base64"
        assert len(base64.b64decode(content)) < 12_000
    broken = next(video for video in manifest.videos if "three" in video.id)
    with pytest.raises(VideoError):
        film_strip(broken, manifest)


def test_there_are_no_more_than_the_cap(manifest, monkeypatch):
    monkeypatch.setattr(thumbnails, "MOST", 3)
    video = next(video for video in manifest.videos if video.label == "red ball")
    made, lacking = strips([mistake(video)] * 5, manifest)
    assert (len(made), lacking) == (3, 0)
