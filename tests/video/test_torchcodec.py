"""torchcodec hands out the frames that PyAV counts, or leaves the file to PyAV."""

from __future__ import annotations

import struct
import subprocess
import sys
from importlib import metadata

import av
import numpy as np
import pytest

from zsl_bench.errors import VideoError, ZslBenchError
from zsl_bench.evaluation.settings import Settings
from zsl_bench.video import (
    ClipSpec,
    VideoReader,
    clip_policy,
    decoder_id,
    load_clips,
    torchcodec_reader,
)
from zsl_bench.video.decoders import PYAV, TORCHCODEC, TORCHCODEC_CUDA, UnsureError, open_reader

SPEC = ClipSpec(frames=4, size=32, short_side=36, dtype="float32")
STEADY = {"sc_threshold": "0"}
UNEVEN = tuple(40 * k + 10 * (k % 3) + 500 * (k > 21) for k in range(48))
SMALL = {"frames": 48, "size": (64, 48)}
TAKEN = {
    "b-frames.mp4": {"options": {"g": "16", "bf": "3"}},
    "one-group.mp4": {"options": {"g": "250", "bf": "3", **STEADY}},
    "plain.mkv": {"options": {"g": "8", "bf": "0"}},
    "pyramid.mkv": {"options": {"g": "16", "bf": "3"}},
    "uneven.mp4": {"options": {"g": "8"}, "milliseconds": UNEVEN},
    "uneven.mkv": {"options": {"g": "8", "bf": "2"}, "milliseconds": UNEVEN},
    "full-range.mp4": {"options": {"g": "8"}, "pixels": "yuvj420p"},
}
LEFT = {
    "open.mp4": {"options": {"g": "8", "bf": "3", "x264-params": "open-gop=1", **STEADY}},
    "open.mkv": {"options": {"g": "8", "bf": "3", "x264-params": "open-gop=1", **STEADY}},
    "packed.avi": {"codec": "mpeg4", "tag": "XVID", "options": {"g": "8", "bf": "2"}},
    "h264.avi": {"options": {"g": "8", "bf": "0"}},
    "h264.ts": {"options": {"g": "8"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"g": "8", "bf": "2"}},
    "vp8.webm": {"codec": "libvpx", "options": {"g": "8", "cpu-used": "8", "auto-alt-ref": "1"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "8", "cpu-used": "8"}},
    "10-bit.mp4": {"options": {"g": "8"}, "pixels": "yuv420p10le"},
    "interlaced.mp4": {"options": {"g": "8", "x264-params": "interlaced=1"}},
}


def why_missing():
    try:
        decoder_id(TORCHCODEC)
    except ZslBenchError as error:
        return str(error)
    return ""


needs_torchcodec = pytest.mark.skipif(bool(why_missing()), reason=why_missing() or "it is there")


def made(name, make_video):
    return make_video(name, **SMALL, **(TAKEN | LEFT)[name])


def clips(path, decoder, policy="paper-5x4", **segment):
    return load_clips(path, clip_policy(policy), SPEC, decoder=decoder, **segment)


def edit_list(source, first, target):
    """Write a copy of an mp4 whose edit list begins some frames later."""
    data = source.read_bytes()
    start = data.index(b"elst") + 16
    (media_time,) = struct.unpack(">i", data[start : start + 4])
    (ticks,) = struct.unpack(">I", data[data.index(b"mdhd") + 16 :][:4])
    later = struct.pack(">i", media_time + first * ticks // 25)
    target.write_bytes(data[:start] + later + data[start + 4 :])
    return target


@needs_torchcodec
@pytest.mark.parametrize("name", TAKEN)
def test_every_frame_is_the_one_of_its_number(name, make_video, shown_number):
    path = made(name, make_video)
    with VideoReader(path) as reader:
        counted = {index: frame.copy() for index, frame in reader.frames(range(48))}
    assert [shown_number(counted[index]) for index in range(48)] == list(range(48))
    for wanted in (range(48), [0, 47], [13], [46, 47], range(5, 48, 7)):
        with open_reader(path, TORCHCODEC) as reader:
            for index, frame in reader.frames(wanted):
                assert shown_number(frame) == index
                assert reader.decoded == index + 1
                assert frame.shape == counted[index].shape
                assert np.abs(frame.astype(int) - counted[index]).max() <= 3


@needs_torchcodec
@pytest.mark.parametrize("name", TAKEN)
def test_clips_come_from_torchcodec(name, make_video):
    path = made(name, make_video)
    ours, theirs = clips(path, TORCHCODEC), clips(path, PYAV)
    assert (ours.decoder, theirs.decoder) == (TORCHCODEC, PYAV)
    np.testing.assert_array_equal(ours.slots, theirs.slots)
    np.testing.assert_array_equal(ours.weights, theirs.weights)
    assert ours.total == theirs.total
    assert np.abs(ours.frames - theirs.frames).max() <= 3


@needs_torchcodec
@pytest.mark.parametrize("name", LEFT)
def test_other_files_are_left_to_pyav(name, make_video):
    path = made(name, make_video)
    ours, theirs = clips(path, TORCHCODEC), clips(path, PYAV)
    assert ours.decoder == PYAV
    np.testing.assert_array_equal(ours.frames, theirs.frames)


@needs_torchcodec
@pytest.mark.parametrize("first", [1, 5, 20])
def test_an_edit_list_leaves_the_numbers_alone(first, make_video, shown_number, tmp_path):
    path = edit_list(made("b-frames.mp4", make_video), first, tmp_path / "cut.mp4")
    spec = ClipSpec(frames=4, size=48, short_side=48, dtype="float32")
    loaded = load_clips(path, clip_policy("first-4"), spec, decoder=TORCHCODEC)
    plain = load_clips(path, clip_policy("first-4"), spec)
    np.testing.assert_array_equal(loaded.frames, plain.frames)
    with VideoReader(path) as reader:
        numbers = [shown_number(frame) for _, frame in reader.frames(range(4))]
    assert numbers == list(range(first, first + 4))


@needs_torchcodec
def test_a_turned_video_is_left_to_pyav(make_video, tmp_path):
    data = made("plain.mkv", make_video)
    data = make_video("upright.mp4", **SMALL, options={"g": "8", "bf": "0"}).read_bytes()
    matrix = data.index(b"tkhd") + 44
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    path = tmp_path / "phone.mp4"
    path.write_bytes(data[:matrix] + turned + data[matrix + 36 :])
    assert clips(path, TORCHCODEC).decoder == PYAV
    np.testing.assert_array_equal(clips(path, TORCHCODEC).frames, clips(path, PYAV).frames)


@needs_torchcodec
@pytest.mark.parametrize("segment", [{"start": 0.41}, {"start": 0.4, "end": 0.9}, {"end": 0.3}])
def test_segments(segment, make_video):
    path = made("b-frames.mp4", make_video)
    ours, theirs = clips(path, TORCHCODEC, **segment), clips(path, PYAV, **segment)
    assert ours.decoder == TORCHCODEC
    assert ours.total == theirs.total
    np.testing.assert_array_equal(ours.slots, theirs.slots)
    assert np.abs(ours.frames - theirs.frames).max() <= 3


@needs_torchcodec
@pytest.mark.parametrize("blank", [3, 30, 46])
@pytest.mark.parametrize("policy", ["paper-5x4", "official-25x4", "first-4"])
def test_files_with_blank_packets_are_read_as_pyav_reads_them(blank, policy, make_video, tmp_path):
    source = made("b-frames.mp4", make_video)
    with av.open(str(source)) as container:
        spans = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    data = bytearray(source.read_bytes())
    at, size = spans[blank]
    data[at : at + size] = bytes(size)
    path = tmp_path / "blank.mp4"
    path.write_bytes(data)
    ours, theirs = clips(path, TORCHCODEC, policy), clips(path, PYAV, policy)
    assert ours.decoder == PYAV
    np.testing.assert_array_equal(ours.frames, theirs.frames)
    assert (ours.total, ours.note) == (theirs.total, theirs.note)


@needs_torchcodec
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_files_that_were_cut_short_fail_alike(keep, make_video, tmp_path):
    data = made("pyramid.mkv", make_video).read_bytes()
    path = tmp_path / "short.mkv"
    path.write_bytes(data[: int(len(data) * keep)])
    outcomes = []
    for decoder in (TORCHCODEC, PYAV):
        try:
            outcomes.append(clips(path, decoder).total)
        except VideoError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@needs_torchcodec
@pytest.mark.parametrize("content", [b"", b"#EXTM3U\nhttp://example.org/a.ts\n", b"words"])
def test_what_is_no_video_fails_alike(content, tmp_path):
    path = tmp_path / "file.mp4"
    path.write_bytes(content)
    for decoder in (TORCHCODEC, PYAV):
        with pytest.raises(VideoError, match=r"file\.mp4"):
            clips(path, decoder)


@needs_torchcodec
def test_another_count_or_time_is_not_believed(make_video, monkeypatch):
    from torchcodec.decoders import VideoDecoder

    path = made("b-frames.mp4", make_video)
    plain = VideoDecoder.get_frames_at

    def neighbours(self, indices):
        return plain(self, [index + 1 for index in indices])

    monkeypatch.setattr(VideoDecoder, "get_frames_at", neighbours)
    with open_reader(path, TORCHCODEC) as reader, pytest.raises(UnsureError):
        list(reader.frames([3, 4]))
    loaded = clips(path, TORCHCODEC)
    assert loaded.decoder == PYAV
    np.testing.assert_array_equal(loaded.frames, clips(path, PYAV).frames)


@needs_torchcodec
def test_a_failing_decoder_is_not_the_end(make_video, monkeypatch):
    from torchcodec.decoders import VideoDecoder

    def fails(self, indices):
        raise RuntimeError("out of order")

    path = made("b-frames.mp4", make_video)
    monkeypatch.setattr(VideoDecoder, "get_frames_at", fails)
    assert clips(path, TORCHCODEC).decoder == PYAV


@needs_torchcodec
def test_more_frames_than_there_are_is_for_pyav(make_video):
    path = made("b-frames.mp4", make_video)
    with open_reader(path, TORCHCODEC) as reader:
        assert list(reader.frames([])) == []
        with pytest.raises(UnsureError):
            list(reader.frames([3, 48]))


@needs_torchcodec
@pytest.mark.datasets
def test_real_clips_of_kinetics(shared_data):
    files = sorted((shared_data / "videos" / "kinetics").rglob("*.mp4"))
    small = [path for path in files if path.stat().st_size < 900_000]
    decoders = []
    for path in small[:4]:
        ours, theirs = (clips(path, decoder, "uniform-4") for decoder in (TORCHCODEC, PYAV))
        assert np.abs(ours.frames - theirs.frames).mean() < 1
        decoders.append(ours.decoder)
    assert TORCHCODEC in decoders


@needs_torchcodec
def test_the_identity_names_both_decoders():
    named = decoder_id(TORCHCODEC)
    assert named.startswith(f"torchcodec {metadata.version('torchcodec')} ffmpeg ")
    assert named.endswith(f" on cpu, {decoder_id()}")


@pytest.mark.gpu
@needs_torchcodec
@pytest.mark.parametrize("name", ["b-frames.mp4", "one-group.mp4", "pyramid.mkv"])
def test_the_decoder_of_a_gpu_numbers_frames_alike(name, make_video, shown_number):
    path = make_video(name, frames=48, size=(160, 120), **TAKEN[name])
    for wanted in (range(48), [0, 47], [13]):
        with open_reader(path, TORCHCODEC_CUDA) as reader:
            assert [shown_number(frame) for _, frame in reader.frames(wanted)] == list(wanted)
    assert " on cuda, " in decoder_id(TORCHCODEC_CUDA)


def test_unknown_decoders_are_refused(make_video):
    path = make_video("any.mp4", **SMALL)
    for ask in (
        lambda: decoder_id("torchcodek"),
        lambda: clips(path, "torchcodek"),
        lambda: Settings(decoder="torchcodek"),
    ):
        with pytest.raises(ZslBenchError, match="torchcodec"):
            ask()


def test_a_missing_library_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(ZslBenchError, match=r"not installed.*zsl-bench\[torchcodec\]") as caught:
        decoder_id(TORCHCODEC)
    assert "\n" not in str(caught.value)


@needs_torchcodec
def test_a_library_without_ffmpeg_is_one_line(monkeypatch):
    from torchcodec._core import ops

    def fails():
        raise RuntimeError("\nCould not load libtorchcodec.\nmany\nlines")

    monkeypatch.setattr(ops, "get_ffmpeg_library_versions", fails)
    with pytest.raises(ZslBenchError, match="Could not load libtorchcodec") as caught:
        decoder_id(TORCHCODEC)
    assert "FFmpeg" in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_torchcodec
def test_a_gpu_that_is_missing_is_one_line(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ZslBenchError, match="no CUDA device"):
        decoder_id(TORCHCODEC_CUDA)


@needs_torchcodec
def test_a_gpu_that_does_not_decode_is_one_line(monkeypatch):
    import torch
    from torchcodec.decoders import VideoDecoder

    def fails(self, *args, **options):
        raise RuntimeError("\n  No CUDA interface.\nmany\nlines")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(VideoDecoder, "__init__", fails)
    torchcodec_reader._cuda_failure.cache_clear()
    with pytest.raises(ZslBenchError, match=r"does not decode.*No CUDA interface\.;?") as caught:
        decoder_id(TORCHCODEC_CUDA)
    assert "\n" not in str(caught.value)
    torchcodec_reader._cuda_failure.cache_clear()


@needs_torchcodec
def test_the_file_that_a_gpu_is_tried_with_decodes():
    from torchcodec.decoders import VideoDecoder

    file = torchcodec_reader._small_file()
    assert VideoDecoder(file)[:].shape == (4, 3, 256, 256)
    assert len(file) < 10_000


@needs_torchcodec
@pytest.mark.parametrize(
    "found", ["CUDA out of memory. Tried to allocate", "CUDA error: an illegal memory access"]
)
def test_a_gpu_that_fails_is_not_made_up_for(found, make_video, monkeypatch):
    from torchcodec.decoders import VideoDecoder

    def fails(self, *args, **options):
        raise RuntimeError(found)

    path = made("b-frames.mp4", make_video)
    for step in ("get_frames_at", "__init__"):
        monkeypatch.setattr(VideoDecoder, step, fails)
        with pytest.raises(RuntimeError, match="CUDA"):
            clips(path, TORCHCODEC)


def test_pyav_imports_no_torchcodec(make_video):
    path = make_video("any.mp4", **SMALL)
    code = (
        "import sys; from zsl_bench.video import ClipSpec, clip_policy, decoder_id, load_clips;"
        "decoder_id(); load_clips(sys.argv[1], clip_policy('first-4'),"
        " ClipSpec(frames=4, size=32, short_side=36)); assert 'torchcodec' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
