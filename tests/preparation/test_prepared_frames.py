"""Prepared files hold the frames of their sources: all, in order, at the size and levels said."""

from __future__ import annotations

from fractions import Fraction
from itertools import count, pairwise

import av
import numpy as np
import pytest

from zsl_bench.errors import DatasetError
from zsl_bench.preparation import PrepareSettings, prepare, writable_codecs
from zsl_bench.preparation.encode import Task, prepare_video
from zsl_bench.video import ClipSpec, VideoReader, clip_policy, load_clips


@pytest.fixture
def make(tmp_path):
    """A function that prepares one file in this process."""

    def prepared(source, start=None, end=None, **settings):
        target = tmp_path / "made" / f"{source.stem}.mp4"
        task = Task(
            source=source,
            target=target,
            scratch=tmp_path / "scratch",
            settings=PrepareSettings(**settings),
            start=start,
            end=end,
        )
        return prepare_video(task), target

    return prepared


def displayed(path):
    """Every frame as evaluation sees it, RGB."""
    with VideoReader(path) as reader:
        return [frame[..., ::-1].copy() for _, frame in reader.frames(count())]


def packets(path):
    with av.open(str(path)) as container:
        return [p for p in container.demux(video=0) if p.size]


@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg", "vp9"])
@pytest.mark.parametrize("gop", [1, 7, 16])
def test_every_frame_is_there_in_order_with_a_key_frame_each_gop(
    codec, gop, encode, make, numbers_of, tmp_path
):
    if codec not in writable_codecs():
        pytest.skip(f"this PyAV cannot write {codec}")
    source = encode(tmp_path / "a.mp4", frames=40)
    outcome, path = make(source, codec=codec, gop=gop)
    assert (outcome.problem, outcome.frames, outcome.size) == ("", 40, (48, 64))
    assert numbers_of(path) == list(range(40))
    found = packets(path)
    assert [p.pts for p in found] == [p.dts for p in found] == sorted(p.pts for p in found)
    steps = {after.pts - before.pts for before, after in pairwise(found)}
    assert len(steps) == 1
    every = 1 if codec == "mjpeg" else gop
    assert [p.is_keyframe for p in found] == [k % every == 0 for k in range(40)]


@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
def test_a_group_of_frames_decodes_without_the_one_before(codec, encode, make, number_in, tmp_path):
    _, path = make(encode(tmp_path / "a.mp4", frames=40), codec=codec)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        container.seek(int(32 / 25 / stream.time_base), stream=stream)
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert [number_in(frame) for frame in frames] == list(range(32, 40))


def test_the_header_comes_first_and_sound_is_left_out(encode, make, tmp_path):
    _, path = make(encode(tmp_path / "a.mp4", audio=True))
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reordered.mp4", {"options": {"bf": "3", "g": "30"}}),
        ("packed.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
        ("uncounted.mkv", {}),
        ("film.mp4", {"rate": 24}),
        ("ntsc.mp4", {"rate": "30000/1001"}),
    ],
)
def test_sources_of_every_kind(name, options, encode, make, numbers_of, tmp_path):
    rate = Fraction(options.get("rate", 25))
    source = encode(tmp_path / name, frames=30, **{**options, "rate": rate})
    outcome, path = make(source)
    numbers = numbers_of(source)
    assert numbers == numbers_of(path) == list(range(len(numbers)))
    assert outcome.frames == len(numbers) >= 29
    with VideoReader(path) as reader:
        assert reader.declared == len(numbers)
        assert reader.fps == pytest.approx(float(rate))


@pytest.mark.parametrize("turn", [90, 180])
def test_rotation_is_applied(turn, encode, make, frames_of, tmp_path):
    source = encode(tmp_path / "phone.mp4", size=(160, 96), turn=turn)
    outcome, path = make(source, short_side=None, quality=4)
    assert outcome.size == ((160, 96) if turn == 90 else (96, 160))
    for ours, theirs in zip(frames_of(path), displayed(source), strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours.astype(float) - theirs).mean() < 4


@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg", "vp9"])
@pytest.mark.parametrize("level", [0, 3, 64, 128, 200, 255])
def test_levels_come_back(codec, level, make, tmp_path):
    path = tmp_path / "grey.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        image = np.full((48, 64, 3), level, np.uint8)
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="bgr0")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert displayed(path)[0].mean() == level
    _, made = make(path, codec=codec, quality=8)
    assert np.abs(np.stack(displayed(made)).astype(float) - level).max() <= 2


@pytest.mark.parametrize("colour", [(220, 30, 40), (20, 200, 60), (30, 40, 220), (250, 240, 20)])
@pytest.mark.parametrize("codec", ["h264", "mjpeg"])
def test_colours_come_back(colour, codec, make, write_video, tmp_path):
    source = write_video(tmp_path / "colour.mp4", colour, frames=1)
    _, made = make(source, codec=codec, quality=8)
    difference = np.stack(displayed(made)).astype(float) - np.stack(displayed(source))
    assert np.abs(difference.mean((0, 1, 2))).max() <= 2


@pytest.mark.parametrize("size", [(320, 240), (340, 256), (176, 144), (430, 240), (240, 424)])
@pytest.mark.parametrize("resize", ["brattoli2020", "scale-factor"])
def test_a_model_sees_nearly_the_same(size, resize, encode, make, tmp_path):
    source = encode(tmp_path / "a.mp4", size=size, frames=30)
    _, path = make(source, quality=8)
    policy, spec = clip_policy("paper-25"), ClipSpec(dtype="float32", resize=resize)
    before, after = load_clips(source, policy, spec), load_clips(path, policy, spec)
    assert np.array_equal(before.slots, after.slots)
    assert np.abs(before.frames - after.frames).mean() < 2.5


def test_segments_are_cut_as_evaluation_cuts_them(encode, make, numbers_of, tmp_path):
    source = encode(tmp_path / "long.mp4", frames=75)
    for start, end in ((0.4, 1.2), (None, 0.5), (2.0, None), (0.0, 0.03), (2.9, 9.0)):
        outcome, path = make(source, start=start, end=end)
        low, high = start or 0, 9 if end is None else end
        numbers = [k for k in range(75) if low <= k / 25 < high]
        assert numbers_of(path) == numbers
        assert outcome.counted == 0
    outcome, _ = make(source, start=3.5, end=4.0)
    assert "no frame from 3.5 s to 4 s" in outcome.problem


def test_the_prepared_manifest(encode, manifest_of, tmp_path):
    root = tmp_path / "in"
    encode(root / "long.mp4", frames=50)
    encode(root / "short.avi", frames=17, codec="mpeg4")
    (root / "text.mp4").write_text("no video")
    manifest = manifest_of(
        root,
        {"path": "long.mp4", "id": "a", "start": 0.4, "end": 1.2},
        {"path": "long.mp4", "id": "b", "start": 1.0},
        {"path": "short.avi"},
        {"path": "text.mp4"},
        {"path": "gone.mp4"},
    )
    made = prepare(manifest, tmp_path / "out", jobs=1)
    rows = {video.id: video for video in made.manifest.videos}
    assert {name: (video.path, video.frames) for name, video in rows.items()} == {
        "a": ("videos/long@0.4-1.2.mp4", 20),
        "b": ("videos/long@1-.mp4", 25),
        "short.avi": ("videos/short.mp4", 17),
        "text.mp4": ("videos/text.mp4", None),
        "gone.mp4": ("videos/gone.mp4", None),
    }
    assert all(video.start is None and video.end is None for video in rows.values())
    assert [name for name, _ in made.manifest.unreadable] == ["gone.mp4", "text.mp4"]
    assert {v.id: (v.label, v.group) for v in manifest.videos} == {
        name: (video.label, video.group) for name, video in rows.items()
    }
    preparation = made.manifest.preparation
    assert preparation["source"] == manifest.digest
    assert (preparation["short_side"], preparation["gop"], preparation["codec"]) == (
        128,
        16,
        "h264",
    )
    assert made.manifest.digest != manifest.digest
    assert type(manifest).load(tmp_path / "out" / "manifest.json").digest == made.manifest.digest
    sizes = [(root / name).stat().st_size for name in ("long.mp4", "short.avi")]
    assert made.report["bytes_before"] == sum(sizes)
    files = (tmp_path / "out" / "videos").iterdir()
    assert made.report["bytes_after"] == sum(file.stat().st_size for file in files)
    assert made.report["frames"] == 62


def test_the_report_tells_frames_that_the_container_promised(
    encode, manifest_of, write_video, tmp_path
):
    source = encode(tmp_path / "in" / "a.mp4", frames=40)
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        last = [p for p in container.demux(video=0) if p.size][-1]
        place, size = last.pos, last.size
    data[place : place + size] = bytes(size)
    source.write_bytes(data)
    with VideoReader(source) as reader:
        decoded = sum(1 for _ in reader.frames(count()))
    assert decoded == 39
    made = prepare(manifest_of(tmp_path / "in", {"path": "a.mp4"}), tmp_path / "out", jobs=1)
    assert made.report["changed_frames"] == {"a.mp4": {"container": 40, "prepared": 39}}
    assert made.report["odd"] == {"a.mp4": "container says 40 frames, 39 decode"}


def test_frames_that_change_their_size_are_fitted(encode, make, numbers_of, tmp_path):
    """Two raw H.264 streams of different sizes, one behind the other."""
    parts = [
        encode(tmp_path / f"{k}.h264", frames=10, first=10 * k, size=size).read_bytes()
        for k, size in enumerate(((160, 120), (120, 120)))
    ]
    source = tmp_path / "joined.h264"
    source.write_bytes(b"".join(parts))
    outcome, path = make(source, short_side=64)
    assert outcome.size == (64, 84)
    assert numbers_of(path) == list(range(20))
    assert outcome.note == "frames of another size than the first, fitted to it: 10"


def test_equal_sources_give_equal_bytes(encode, make, tmp_path):
    source = encode(tmp_path / "a.mp4")
    first = make(source)[1].read_bytes()
    assert make(source)[1].read_bytes() == first


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"codec": "h266"}, "did you mean 'h265' or 'h264'"),
        ({"codec": "av9"}, "this PyAV writes h264"),
        ({"short_side": 127}, "an odd number of pixels"),
        ({"short_side": 0}, "no whole number in range"),
        ({"gop": 0}, "no whole number in range"),
        ({"quality": 52}, "give 0 to 51"),
        ({"codec": "mjpeg", "quality": 0}, "give 1 to 31"),
        ({"scaler": "bicubical"}, "did you mean 'bicubic'"),
    ],
)
def test_settings_that_are_not_offered(wrong, told):
    with pytest.raises(DatasetError, match=told):
        PrepareSettings(**wrong)


def test_real_clips(shared_data, make, frames_of):
    folders = ("ucf101/Archery", "hmdb51/cartwheel", "kinetics/abseiling")
    for folder in folders:
        source = sorted((shared_data / "videos" / folder).iterdir())[0]
        outcome, path = make(source)
        theirs = displayed(source)
        assert not outcome.problem
        assert outcome.frames == len(frames_of(path)) == len(theirs)
        assert min(outcome.size) == 128
        assert outcome.psnr > 30
