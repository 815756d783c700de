"""Frames that are left undecoded change nothing: compared with counting from the start."""

from __future__ import annotations

import struct

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zsl_bench.errors import VideoError
from zsl_bench.video import ClipSpec, VideoReader, clip_policy, clips, load_clips, training_clips
from zsl_bench.video.training_clips import load_training_clip, load_training_clips

SPEC = ClipSpec(frames=4, size=32, short_side=36, dtype="float32")
UNEVEN = tuple(40 * k + 10 * (k % 3) + 500 * (k > 21) for k in range(48))
STEADY = {"sc_threshold": "0"}
TINY = {"frames": 48, "size": (64, 48)}
LEFT_OUT = {
    f"{gop}-{b_frames}.{suffix}": {"options": {"g": str(gop), "bf": str(b_frames)}, **TINY}
    for gop in (1, 8, 16)
    for b_frames in (0, 3)
    for suffix in ("mp4", "mkv")
} | {
    "scene-cuts.mov": {"options": {"g": "16", "bf": "5", "b-pyramid": "strict"}, **TINY},
    "slices.mp4": {"options": {"g": "8", "slices": "3"}, **TINY},
    "uneven.mp4": {"options": {"g": "8"}, "milliseconds": UNEVEN, **TINY},
    "uneven.mkv": {"options": {"g": "8"}, "milliseconds": UNEVEN, **TINY},
    "repeated-headers.mp4": {"options": {"g": "8", "x264-params": "repeat-headers=1"}, **TINY},
    "full-range.mp4": {"options": {"g": "8"}, "pixels": "yuvj420p", **TINY},
}
STEADY_GROUPS = {
    f"steady-{b_frames}.mp4": {"options": {"g": "16", "bf": str(b_frames), **STEADY}, **TINY}
    for b_frames in (0, 3)
}
SPARE_ONLY = {
    "250-3.mkv": {"options": {"g": "250", "bf": "3", **STEADY}, **TINY},
    "open.mp4": {"options": {"g": "8", "bf": "3", "x264-params": "open-gop=1", **STEADY}, **TINY},
    "open.mkv": {"options": {"g": "8", "bf": "3", "x264-params": "open-gop=1", **STEADY}, **TINY},
    "refresh.mp4": {"options": {"g": "8", "intra-refresh": "1", **STEADY}, **TINY},
}
COUNTED = {
    "250-0.mp4": {"options": {"g": "250", "bf": "0", **STEADY}, **TINY},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"g": "8", "bf": "2"}, **TINY},
    "mpeg4.mkv": {"codec": "mpeg4", "options": {"g": "8"}, **TINY},
    "xvid.avi": {"codec": "mpeg4", "tag": "XVID", "options": {"g": "8", "bf": "2"}, **TINY},
    "h264.avi": {"options": {"g": "8", "bf": "0"}, **TINY},
    "h264.ts": {"options": {"g": "8"}, **TINY},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "8", "cpu-used": "8"}, **TINY},
    "10-bit.mp4": {"options": {"g": "8"}, "pixels": "yuv420p10le", **TINY},
    "interlaced.mp4": {"options": {"g": "8", "x264-params": "interlaced=1"}, **TINY},
}


@pytest.fixture(scope="module")
def assert_every_start(outcome):
    """Return a function that holds every first frame against counting from the start."""

    def check(path, frames, reach=2):
        whole, total, _ = outcome(path, range(frames + 9), skip=False)
        pictures = dict(whole)
        for start in range(frames + 3):
            wanted = range(start, start + reach)
            found, decoded, ended = outcome(path, wanted, skip=True)
            assert [index for index, _ in found] == [index for index in wanted if index < total]
            for index, frame in found:
                np.testing.assert_array_equal(frame, pictures[index])
            assert (decoded, ended) == (
                (total, True) if wanted[-1] >= total else (wanted[-1] + 1, False)
            )

    return check


@pytest.mark.parametrize("name", LEFT_OUT | SPARE_ONLY | COUNTED)
def test_every_start_gives_the_frames_of_counting(assert_every_start, name, make_video):
    assert_every_start(make_video(name, **(LEFT_OUT | SPARE_ONLY | COUNTED)[name]), 48)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_packets_before_a_key_frame_are_not_decoded(outcome, decoded, name, make_video):
    path = make_video(name, **LEFT_OUT[name])
    outcome(path, [40], skip=True)
    gop = int(LEFT_OUT[name]["options"]["g"])
    assert len(decoded) <= gop + 8
    decoded.clear()
    outcome(path, [40], skip=False)
    assert len(decoded) >= 41


@pytest.mark.parametrize("name", COUNTED)
def test_all_packets_are_decoded_on_a_doubt(outcome, decoded, name, make_video):
    path = make_video(name, **COUNTED[name])
    outcome(path, [40], skip=True)
    assert len(decoded) >= 41


@pytest.mark.parametrize("name", SPARE_ONLY)
def test_frames_that_no_other_needs_are_not_decoded(outcome, decoded, name, make_video):
    path = make_video(name, **SPARE_ONLY[name])
    outcome(path, [40], skip=True)
    assert 12 <= len(decoded) <= 32


def test_nothing_is_left_out_unless_asked(decoded, make_video):
    with VideoReader(make_video("8-0.mp4", **LEFT_OUT["8-0.mp4"])) as reader:
        list(reader.frames([47]))
    assert len(decoded) >= 48


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data(), st.sampled_from([*sorted(LEFT_OUT), "open.mkv", "vp9.webm"]))
def test_any_set_of_frames_in_any_number_of_calls(
    outcome, assert_alike, decoded, make_video, data, name
):
    path = make_video(name, **(LEFT_OUT | SPARE_ONLY | COUNTED)[name])
    wanted = sorted(data.draw(st.sets(st.integers(0, 51), min_size=1)))
    cut = data.draw(st.integers(0, len(wanted)))
    theirs = outcome(path, wanted, skip=False)
    assert_alike(outcome(path, wanted, skip=True), theirs)
    with VideoReader(path, skip=True) as reader:
        found = [
            (i, f.copy()) for part in (wanted[:cut], wanted[cut:]) for i, f in reader.frames(part)
        ]
        assert_alike((found, reader.decoded, reader.ended), theirs)


def edit_list(path, first, target):
    """Write a copy of an mp4 whose edit list begins some frames later."""
    data = path.read_bytes()
    start = data.index(b"elst") + 16
    (media_time,) = struct.unpack(">i", data[start : start + 4])
    scale = data.index(b"mdhd") + 16
    (ticks,) = struct.unpack(">I", data[scale : scale + 4])
    later = struct.pack(">i", media_time + first * ticks // 25)
    target.write_bytes(data[:start] + later + data[start + 4 :])
    return target


@pytest.mark.parametrize("first", [1, 5, 8, 20])
def test_an_edit_list_that_hides_frames(assert_every_start, first, make_video, tmp_path):
    source = make_video("8-3.mp4", **LEFT_OUT["8-3.mp4"])
    assert_every_start(edit_list(source, first, tmp_path / "cut.mp4"), 48 - first)


@pytest.mark.parametrize("turn", [(0, 1, -1, 0), (-1, 0, 0, -1)])
def test_a_turned_video(assert_every_start, turn, make_video, tmp_path):
    data = make_video("8-0.mp4", **LEFT_OUT["8-0.mp4"]).read_bytes()
    a, b, c, d = (number << 16 for number in turn)
    matrix = data.index(b"tkhd") + 44
    path = tmp_path / "phone.mp4"
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:matrix] + turned + data[matrix + 36 :])
    assert_every_start(path, 48)


def remux(source, target, change, **options):
    """Write the packets of a file, changed, into another one."""
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        packets = [packet for packet in old.demux(video=0) if packet.size]
        for packet in change(packets):
            packet.stream = stream
            new.mux(packet)
    return target


CHANGES = {
    "starts-late": lambda packets: packets[5:],
    "lacks-one": lambda packets: packets[:13] + packets[14:],
    "lacks-a-key-frame": lambda packets: packets[:16] + packets[17:],
    "a-key-frame-less": lambda packets: packets[:8] + packets[16:],
}


@pytest.mark.parametrize("options", [{}, {"movflags": "frag_keyframe+empty_moov"}])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["8-0.mp4", "8-3.mkv"])
def test_files_with_packets_missing(
    outcome, assert_every_start, make_video, tmp_path, *, name, change, options
):
    source = make_video(name, **LEFT_OUT[name])
    path = remux(source, tmp_path / "changed.mp4", CHANGES[change], **options)
    assert_every_start(path, outcome(path, range(99), skip=False)[1])


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("name", ["8-0.mp4", "16-3.mkv"])
def test_a_file_that_was_cut_short(assert_every_start, name, keep, make_video, tmp_path):
    source = make_video(name, **LEFT_OUT[name])
    path = tmp_path / f"short-{name}"
    if path.suffix == ".mp4":
        source = remux(source, tmp_path / "front.mp4", list, movflags="faststart")
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    assert_every_start(path, 48)


@pytest.mark.parametrize("name", ["8-0.mp4", "16-3.mkv"])
def test_a_packet_that_is_blank(assert_same, name, make_video, tmp_path):
    source = make_video(name, **LEFT_OUT[name])
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        bodies = [bytes(packet) for packet in packets]
    data = source.read_bytes()
    for body in bodies[1:40:6]:
        at = data.index(body)
        path = tmp_path / name
        path.write_bytes(data[:at] + bytes(len(body)) + data[at + len(body) :])
        for wanted in ([46], [20, 44], range(3, 48)):
            assert_same(path, wanted)


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data(), st.sampled_from(sorted(STEADY_GROUPS)))
def test_damage_after_the_key_frame(assert_same, make_video, tmp_path, data, name):
    source = make_video(name, **STEADY_GROUPS[name])
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        first, last = packets[32].pos, packets[47].pos + packets[47].size
    damaged = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(first, last - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path / name
    path.write_bytes(damaged)
    wanted = sorted(data.draw(st.sets(st.integers(32, 50), min_size=1)))
    assert_same(path, wanted)


@pytest.mark.parametrize("frame", range(32, 48))
@pytest.mark.parametrize("name", STEADY_GROUPS)
def test_a_damaged_frame_that_is_shown_after_those_made_from_it(
    assert_same, name, frame, make_video, tmp_path
):
    source = make_video(name, **STEADY_GROUPS[name])
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    path = tmp_path / name
    for at in range(packets[frame].pos + 4, packets[frame].pos + packets[frame].size, 5):
        damaged = bytearray(source.read_bytes())
        damaged[at] ^= 1
        path.write_bytes(damaged)
        for wanted in ([33], [35, 41]):
            assert_same(path, wanted)


def counting(monkeypatch):
    for module in (clips, training_clips):
        monkeypatch.setattr(module, "VideoReader", lambda path, **_: VideoReader(path))


def loaded(path, **segment):
    generators = [np.random.default_rng((7, k)) for k in range(5)]
    views = load_training_clips(path, SPEC, generators, **segment)
    single = [
        load_training_clip(path, SPEC, np.random.default_rng((7, k)), **segment) for k in range(5)
    ]
    np.testing.assert_array_equal(views, np.stack(single))
    made = [views]
    for policy in ("paper-3x4", "official-25x4", "uniform-4", "first-4s3"):
        each = load_clips(path, clip_policy(policy), SPEC, **segment)
        made += [each.frames, each.slots, each.weights, np.array(each.total)]
    return made


@pytest.mark.parametrize("segment", [{}, {"start": 1.5}, {"start": 1.3, "end": 1.6}, {"end": 0.3}])
@pytest.mark.parametrize("name", ["8-0.mp4", "16-3.mp4", "8-3.mkv", "uneven.mp4", "open.mp4"])
def test_clips_are_the_same(name, segment, make_video, monkeypatch):
    path = make_video(name, **(LEFT_OUT | SPARE_ONLY | COUNTED)[name])
    ours = loaded(path, **segment)
    counting(monkeypatch)
    for mine, theirs in zip(ours, loaded(path, **segment), strict=True):
        np.testing.assert_array_equal(mine, theirs, strict=True)


def test_a_late_segment_costs_its_own_groups(decoded, make_video):
    path = make_video("8-3.mp4", **LEFT_OUT["8-3.mp4"])
    load_clips(path, clip_policy("paper-3x4"), SPEC, start=1.64, end=1.84)
    assert len(decoded) <= 16


def shortened(path, source, frames):
    """Write a copy of an mp4 that counts more frames than it has packets that decode."""
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        spans = [(packet.pos, packet.size) for packet in packets[frames:]]
    data = bytearray(source.read_bytes())
    for at, size in spans:
        data[at : at + size] = bytes(size)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("frames", [20, 44, 46])
def test_errors_and_fillers_are_the_same(frames, make_video, monkeypatch, tmp_path):
    path = shortened(tmp_path / "blank.mp4", make_video("8-0.mp4", **LEFT_OUT["8-0.mp4"]), frames)

    def tried():
        made = []
        for seed in range(12):
            try:
                made.append(load_training_clip(path, SPEC, np.random.default_rng(seed)))
            except VideoError as error:
                made.append(str(error))
        return made

    ours = tried()
    counting(monkeypatch)
    for mine, theirs in zip(ours, tried(), strict=True):
        assert type(mine) is type(theirs)
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.datasets
@pytest.mark.parametrize("folder", ["kinetics", "ucf101", "hmdb51"])
def test_real_clips(outcome, folder, shared_data):
    files = sorted(path for path in (shared_data / "videos" / folder).rglob("*") if path.is_file())
    small = [path for path in files if path.stat().st_size < 900_000]
    assert small
    for path in small[:: max(len(small) // 6, 1)]:
        whole, total, _ = outcome(path, range(5000), skip=False)
        pictures = dict(whole)
        starts = np.random.default_rng(0).integers(0, max(total - 4, 1), 6).tolist()
        for wanted in (*([start, start + 3] for start in starts), sorted(set(starts)), [total + 5]):
            found, decoded, ended = outcome(path, wanted, skip=True)
            for index, frame in found:
                np.testing.assert_array_equal(frame, pictures[index])
            assert len(found) == sum(index < total for index in wanted)
            assert (decoded, ended) == ((total, True) if ended else (wanted[-1] + 1, False))
