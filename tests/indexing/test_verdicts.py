"""What a check calls unreadable is what an evaluation calls unreadable."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from zsl_bench.errors import VideoError
from zsl_bench.indexing.probe import WHOLE, ProbeTask, probe_file
from zsl_bench.video import ClipSpec, VideoReader, clip_policy, load_clips

POLICY = clip_policy("official-25")
SPEC = ClipSpec(size=32, short_side=32)
SEGMENTS = ((1.0, 2.0), (2.8, None), (5.0, 9.0))
NAMES = (
    *("plain.avi", "b-frames.avi", "h264.avi", "moov-at-end.mp4", "moov-at-front.mp4"),
    *("mpeg4.mp4", "fragments.mp4", "h264.mkv", "mpeg4.mkv", "vp8.webm", "stream.ts"),
)


WITHOUT_COUNT = ("fragments.mp4", "stream.ts")
"""Neither a frame count nor a duration is written in them: what is left is taken for all."""


def probe(path, level="quick", segments=SEGMENTS):
    return probe_file(ProbeTask(place=path, path=path.name, level=level, segments=segments))


def evaluated(path, segment):
    """Why an evaluation would call a row unreadable; None where it would not."""
    start, end = segment
    try:
        load_clips(path, POLICY, SPEC, start=start, end=end)
    except VideoError as error:
        return error.found
    return None


def disagreements(path, level):
    """The rows on which a check and an evaluation differ."""
    found, parts = probe(path, level), (WHOLE, *SEGMENTS)
    rows = [(part, found.part(part), evaluated(path, part)) for part in parts]
    return [row for row in rows if (row[1].problem is None) != (row[2] is None)]


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_file_is_described_and_has_no_problem(name, whole_video):
    found = probe(whole_video(name), segments=())
    assert (found.problem, found.reason, found.note) == (None, "", "")
    assert (found.frames, found.decoded) == (75, None)
    assert (found.width, found.height, found.fps) == (64, 48, 25.0)
    assert found.duration == pytest.approx(3.0, abs=0.08)
    assert found.declared in (75, None)
    assert disagreements(whole_video(name), "quick") == []


@pytest.mark.parametrize("name", NAMES)
def test_files_cut_at_every_tenth(name, whole_video, tmp_path):
    content = whole_video(name).read_bytes()
    path = tmp_path / name
    kinds = set()
    for tenth in range(10):
        path.write_bytes(content[: len(content) * tenth // 10])
        assert disagreements(path, "quick") == [], f"cut at {tenth} tenths"
        kinds.add(probe(path).problem)
    assert ("truncated" in kinds) == (name not in WITHOUT_COUNT)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lost", [1, 40, 700])
def test_files_without_their_last_bytes(name, lost, whole_video, tmp_path):
    path = tmp_path / name
    path.write_bytes(whole_video(name).read_bytes()[:-lost])
    assert disagreements(path, "quick") == []


def damaged(content, rng):
    """A copy with a stretch overwritten by noise or zeros, or taken out."""
    length = int(rng.choice([1, 16, 400, 4000]))
    start = int(rng.integers(0, len(content) - length))
    instead = (rng.bytes(length), bytes(length), b"")[int(rng.integers(3))]
    return content[:start] + instead + content[start + length :]


@pytest.mark.parametrize("name", NAMES)
def test_overwritten_bytes(name, whole_video, tmp_path):
    """``decode`` is exact; ``quick`` never calls unreadable what is not, and misses little."""
    rng, path, missed = np.random.default_rng(3), tmp_path / name, 0
    content = whole_video(name).read_bytes()
    for _ in range(10):
        path.write_bytes(damaged(content, rng))
        assert disagreements(path, "decode") == []
        quick = disagreements(path, "quick")
        assert all(part.problem is None for _, part, _ in quick)
        missed += bool(quick)
    assert missed <= 1


def test_damage_inside_of_packets_takes_decoding_to_be_seen(whole_video, tmp_path):
    """All packets but the first keep their start code and their length, and are noise else."""
    content = bytearray(whole_video("mpeg4.mp4").read_bytes())
    with av.open(str(whole_video("mpeg4.mp4"))) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    for start, size in packets[1:]:
        content[start + 4 : start + size] = np.random.default_rng(start).bytes(size - 4)
    path = tmp_path / "noise.mp4"
    path.write_bytes(content)
    quick, exact = probe(path, segments=()), probe(path, "decode", segments=())
    assert (quick.problem, exact.problem) == (None, "undecodable")
    assert exact.reason == evaluated(path, WHOLE)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.avi", b"these are words\n" * 50, "not a video, but text"),
        ("a.mp4", b"<!DOCTYPE html><title>Sorry</title>", "a web page"),
        ("a.mp4", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        ("a.avi", b"Rar!\x1a\x07\x00" + bytes(900), "a rar archive"),
        ("a.avi", b"PK\x03\x04" + bytes(900), "a zip archive"),
        ("a.mkv", bytes(5000), "zeros, as in a file that was set aside"),
        ("a.avi", b"\xff\xd8\xff\xe0" + bytes(900), "a JPEG image"),
        ("a.avi", np.random.default_rng(0).bytes(4000), "not a video file"),
    ],
)
def test_files_that_are_no_videos_are_told_apart(name, content, reason, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    found = probe(path)
    assert found.problem == "undecodable"
    assert reason in found.reason
    assert disagreements(path, "quick") == []


@pytest.mark.parametrize("name", ["moov-at-end.mp4", "plain.avi"])
def test_the_beginning_of_a_video_is_truncated_not_unknown(name, whole_video, tmp_path):
    path = tmp_path / name
    path.write_bytes(whole_video(name).read_bytes()[:60])
    found = probe(path)
    assert (found.problem, disagreements(path, "quick")) == ("truncated", [])
    assert "cut short" in found.reason


def test_audio_without_video(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    found = probe(path)
    assert found.problem == "undecodable"
    assert "no video stream" in found.reason
    assert disagreements(path, "quick") == []


@pytest.mark.parametrize("claimed", [60, 74, 76, 80, 81, 90, 400])
def test_headers_that_count_wrongly(claimed, whole_video, tmp_path):
    content = whole_video("plain.avi").read_bytes()
    place = content.index(b"strh") + 8 + 32
    path = tmp_path / "claims.avi"
    path.write_bytes(content[:place] + claimed.to_bytes(4, "little") + content[place + 4 :])
    found = probe(path, segments=())
    assert disagreements(path, "quick") == []
    assert found.frames == 75
    assert (found.problem is None) == (claimed <= 80)
    assert bool(found.note) == (75 < claimed <= 80)


def test_frames_are_those_that_opencv_decodes(whole_video, tmp_path):
    path = tmp_path / "cut.avi"
    content = whole_video("plain.avi").read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.read()[0]:
        count += 1
    found = probe(path, segments=())
    assert found.frames == found.decoded
    assert abs(count - found.frames) <= 1


def test_frames_of_segments(whole_video):
    found = probe(whole_video("h264.mkv"), segments=((1.0, 2.0), (2.8, None), (None, 0.4)))
    assert [part.frames for part in found.segments] == [25, 5, 10]


def test_a_segment_behind_the_end_is_outside_and_the_file_is_sound(whole_video):
    found = probe(whole_video("moov-at-front.mp4"), segments=((9.0, 12.0), (1.0, 12.0)))
    outside, sticks_out = found.segments
    assert (found.problem, sticks_out.problem) == (None, None)
    assert outside.problem == "segment-outside"
    assert outside.reason == "no frame from 9 s to 12 s; its last is at 2.96 s"


def test_segments_before_a_cut_can_be_read(whole_video, tmp_path):
    content = whole_video("moov-at-front.mp4").read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(content[: len(content) * 7 // 10])
    found = probe(path, segments=((0.0, 0.8), (1.0, 2.8)))
    assert found.problem == "truncated"
    assert [part.problem for part in found.segments] == [None, "truncated"]


def test_sound_files_are_not_decoded(whole_video, monkeypatch):
    monkeypatch.setattr(VideoReader, "frames", None)
    for name in NAMES:
        assert probe(whole_video(name)).problem is None


@pytest.mark.datasets
def test_real_clips_whole_and_cut(shared_data, tmp_path):
    clips = sorted(p for p in (shared_data / "videos").rglob("*") if p.is_file())[::9]
    for clip in clips:
        if clip.suffix == ".csv":
            continue
        assert (probe(clip).problem, probe(clip).decoded) == (None, None)
        path = tmp_path / clip.name
        path.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
        assert disagreements(path, "quick") == []
