from __future__ import annotations

import struct
import subprocess
import sys

import av
import cv2
import numpy as np
import pytest

from zsl_bench.errors import VideoError
from zsl_bench.video import VideoReader, decoder_id, probe

QUIET = {"x265-params": "log-level=none"}
UNEVEN = tuple(40 * k + 10 * (k % 3) + 500 * (k > 10) for k in range(30))
VIDEOS = {
    "xvid.avi": {"codec": "mpeg4", "tag": "XVID"},
    "xvid-b-frames.avi": {"codec": "mpeg4", "tag": "XVID", "options": {"bf": "2", "g": "12"}},
    "h264.mp4": {"options": {"bf": "3", "g": "10"}},
    "h264.mkv": {},
    "h264.mov": {},
    "h264.ts": {},
    "h264.flv": {},
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:bframes=3"}},
    "hevc-10-bit.mkv": {"codec": "libx265", "pixels": "yuv420p10le", "options": QUIET},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "8", "crf": "20"}},
    "odd.avi": {"codec": "mpeg4", "size": (161, 121)},
    "odd.webm": {"codec": "libvpx-vp9", "size": (161, 121)},
    "portrait.mp4": {"size": (120, 160)},
    "uneven.mp4": {"milliseconds": UNEVEN},
    "uneven.mkv": {"milliseconds": UNEVEN},
    "grey.mp4": {"pixels": "gray"},
    "yuv444.mp4": {"pixels": "yuv444p"},
    "h264-10-bit.mp4": {"pixels": "yuv420p10le"},
    "full-range.mp4": {"pixels": "yuvj420p"},
    "motion-jpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "packed.avi": {"codec": "rawvideo", "pixels": "yuyv422"},
    "bottom-up.avi": {"codec": "rawvideo", "pixels": "bgr24"},
    "lossless.mkv": {"codec": "ffv1", "pixels": "bgr0"},
    "mpeg2.mpg": {"codec": "mpeg2video"},
    "one.mp4": {"frames": 1},
    "one.avi": {"codec": "mpeg4", "frames": 1},
}
OPENCV_LACKS = {"av1.mp4"}


def read_all(path, stop=300):
    with VideoReader(path) as reader:
        return [(index, frame.copy()) for index, frame in reader.frames(range(stop))]


def opencv_frames(path):
    capture = cv2.VideoCapture(str(path))
    frames = []
    while True:
        there, frame = capture.read()
        if not there:
            return frames, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        frames.append(frame)


@pytest.mark.parametrize("name", VIDEOS)
def test_frame_k_is_frame_k(name, make_video, shown_number):
    path = make_video(name, **VIDEOS[name])
    count = VIDEOS[name].get("frames", 30)
    numbers = [(index, shown_number(frame)) for index, frame in read_all(path)]
    assert numbers == [(k, k) for k in range(count)]
    chosen = sorted({0, count // 3, count - 1})
    with VideoReader(path) as reader:
        assert [shown_number(frame) for _, frame in reader.frames(chosen)] == chosen
        assert reader.decoded == count
        assert not reader.ended


@pytest.mark.parametrize("name", sorted(VIDEOS.keys() - OPENCV_LACKS))
def test_frames_are_those_of_opencv(name, make_video):
    path = make_video(name, **VIDEOS[name])
    theirs, count = opencv_frames(path)
    ours = [frame for _, frame in read_all(path)]
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)
    with VideoReader(path) as reader:
        assert (reader.declared or reader.estimated) == count


@pytest.mark.parametrize("name", ["odd.avi", "odd.webm", "h264-10-bit.mp4"])
def test_pyavs_default_conversion_would_not_be_opencvs(name, make_video):
    path = make_video(name, **VIDEOS[name])
    theirs, _ = opencv_frames(path)
    with av.open(str(path)) as container:
        plain = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    worst = max(np.abs(a.astype(int) - b).max() for a, b in zip(plain, theirs, strict=True))
    assert worst > 1


@pytest.mark.parametrize("name", VIDEOS)
def test_probe(name, make_video):
    recipe = VIDEOS[name]
    path = make_video(name, **recipe)
    info = probe(path)
    assert info.path == path
    assert (info.width, info.height) == recipe.get("size", (160, 120))
    assert info.rotation == 0
    if info.frames_exact:
        assert info.frames == recipe.get("frames", 30)
    assert info.frames_exact == (path.suffix in {".avi", ".mp4", ".mov"})
    if "milliseconds" not in recipe:
        assert info.fps == 25


@pytest.mark.parametrize("name", VIDEOS)
def test_times_are_known_without_decoding(name, make_video):
    path = make_video(name, **VIDEOS[name])
    with VideoReader(path) as reader:
        times = reader.times()
        assert reader.decoded == 0
    count = VIDEOS[name].get("frames", 30)
    even = [40 * k for k in range(count)]
    expected = np.array(VIDEOS[name].get("milliseconds", even)) / 1000
    np.testing.assert_allclose(times, expected, atol=0.002)


def test_reading_goes_no_further_than_the_last_wanted_frame(make_video):
    with VideoReader(make_video("h264.mp4", **VIDEOS["h264.mp4"])) as reader:
        assert [index for index, _ in reader.frames([2, 5])] == [2, 5]
        assert reader.decoded == 6
        assert [index for index, _ in reader.frames([])] == []
        assert not reader.ended
    with VideoReader(make_video("h264.mp4", **VIDEOS["h264.mp4"])) as reader:
        assert [index for index, _ in reader.frames([29, 30, 40])] == [29]
        assert reader.ended
        assert reader.decoded == 30


QUARTER = 1 << 16
TURNS = {
    90: (0, QUARTER, 0, -QUARTER, 0, 0, 0, 0, 1 << 30),
    180: (-QUARTER, 0, 0, 0, -QUARTER, 0, 0, 0, 1 << 30),
    270: (0, -QUARTER, 0, QUARTER, 0, 0, 0, 0, 1 << 30),
}


@pytest.mark.parametrize("degrees", TURNS)
def test_phone_video_is_turned_as_its_display_matrix_asks(degrees, make_video, tmp_path):
    upright = make_video("h264.mp4", **VIDEOS["h264.mp4"])
    data = upright.read_bytes()
    matrix = data.index(b"tkhd") + 4 + 40
    path = tmp_path / "phone.mp4"
    path.write_bytes(data[:matrix] + struct.pack(">9i", *TURNS[degrees]) + data[matrix + 36 :])
    info = probe(path)
    assert info.rotation == degrees
    assert (info.width, info.height) == ((160, 120) if degrees == 180 else (120, 160))
    theirs, _ = opencv_frames(path)
    plain = [frame for _, frame in read_all(upright)]
    for (_, ours), other, straight in zip(read_all(path), theirs, plain, strict=True):
        np.testing.assert_array_equal(ours, other)
        np.testing.assert_array_equal(ours, np.rot90(straight, -degrees // 90))


def test_frames_before_an_edit_lists_start_are_not_counted(make_video, shown_number, tmp_path):
    data = make_video("h264.mp4", **VIDEOS["h264.mp4"]).read_bytes()
    start = data.index(b"elst") + 4 + 4 + 4 + 4
    (media_time,) = struct.unpack(">i", data[start : start + 4])
    scale = data.index(b"mdhd") + 4 + 4 + 8
    (ticks,) = struct.unpack(">I", data[scale : scale + 4])
    path = tmp_path / "cut.mp4"
    later = struct.pack(">i", media_time + 10 * ticks // 25)
    path.write_bytes(data[:start] + later + data[start + 4 :])
    with VideoReader(path) as reader:
        numbers = [shown_number(frame) for _, frame in reader.frames(range(40))]
        assert numbers == list(range(10, 30))
        assert (reader.declared, reader.promised, len(reader.times())) == (30, 20, 20)


def audio_only(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        samples.sample_rate = 8000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))


def cut_short(source, keep):
    def write(path):
        data = source.read_bytes()
        path.write_bytes(data[: int(len(data) * keep)])

    return write


@pytest.mark.parametrize(
    ("name", "write", "said"),
    [
        ("sound.wav", audio_only, "not a video file"),
        ("text.mp4", lambda path: path.write_text("not a video\n" * 400), "cut short"),
        ("notes.txt", lambda path: path.write_text("not a video\n" * 400), "not a video file"),
        ("empty.mp4", lambda path: path.write_bytes(b""), "an empty file"),
        ("folder.mp4", lambda path: path.mkdir(), "a folder"),
        ("missing.mp4", lambda _: None, "No such file"),
        (
            "list.m3u8",
            lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n"),
            "list.m3u8",
        ),
    ],
)
def test_what_is_no_video_says_so_in_one_line(name, write, said, tmp_path):
    path = tmp_path / name
    write(path)
    with pytest.raises(VideoError) as caught:
        probe(path)
    assert said in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "recipe"), [("zero.mp4", {}), ("zero.avi", {"codec": "mpeg4"})])
def test_a_video_without_frames_is_an_error(name, recipe, make_video):
    with pytest.raises(VideoError, match=r"no frame that decodes|no video stream"):
        probe(make_video(name, frames=0, **recipe))


def test_an_mp4_without_its_index_is_an_error(make_video, tmp_path):
    path = tmp_path / "short.mp4"
    cut_short(make_video("h264.mp4", **VIDEOS["h264.mp4"]), 0.5)(path)
    with pytest.raises(VideoError, match="cut short"):
        probe(path)


@pytest.mark.parametrize(
    "name", ["(HQ)_a+b!!! %03d [1].avi", "http:odd.avi", "concat:a|b.avi", "é.avi"]
)
def test_file_names_are_only_names(name, make_video, tmp_path, monkeypatch):
    source = make_video("xvid.avi", **VIDEOS["xvid.avi"])
    (tmp_path / name).write_bytes(source.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert probe(name).frames == 30


def test_metadata_that_is_not_utf8_does_not_matter(make_video, tmp_path):
    data = make_video("titled.avi", codec="mpeg4", title="Turn@r").read_bytes()
    assert b"Turn@r" in data
    path = tmp_path / "latin.avi"
    path.write_bytes(data.replace(b"Turn@r", b"Turn\xe5r"))
    assert probe(path).frames == 30


def test_decoder_id_names_both_versions():
    assert decoder_id() == f"pyav {av.__version__} ffmpeg {av.ffmpeg_version_info}"


def test_the_room_opens_without_heavy_modules():
    code = (
        "import sys, zsl_bench.video\n"
        "heavy = {'av', 'cv2', 'torch', 'torchvision', 'scipy'} & set(sys.modules)\n"
        "raise SystemExit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.datasets
def test_real_clips_decode_as_in_opencv(shared_data):
    folders = [shared_data / "videos" / name for name in ("ucf101", "hmdb51", "kinetics")]
    for folder in folders:
        clips = sorted(path for path in folder.rglob("*") if path.is_file())
        small = [path for path in clips if path.stat().st_size < 700_000]
        for path in small[:: max(len(small) // 5, 1)]:
            theirs, count = opencv_frames(path)
            ours = read_all(path, stop=1000)
            assert len(ours) == len(theirs)
            pairs = zip(ours, theirs, strict=True)
            assert all(np.array_equal(mine, other) for (_, mine), other in pairs)
            with VideoReader(path) as reader:
                assert (reader.declared or reader.estimated) == count


@pytest.mark.datasets
def test_a_real_clip_with_latin_metadata(shared_data):
    (path,) = (shared_data / "videos/hmdb51/cartwheel").glob("Turnk*")
    assert probe(path).frames == 84


def test_a_playlist_that_names_other_files_is_no_video(tmp_path, write_video):
    write_video(tmp_path / "real.avi")
    playlist = tmp_path / "playlist.avi"
    playlist.write_text("ffconcat version 1.0\nfile real.avi\n")
    with pytest.raises(VideoError, match="not a video file"):
        probe(playlist)
