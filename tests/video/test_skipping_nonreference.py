"""Frames that no other needs go undecoded, and nothing that is handed out changes by it."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from zsl_bench.video.h264 import Content, PacketJudge
from zsl_bench.video.h264_headers import Bits, PictureParameters
from zsl_bench.video.skipping import sound_times

STEADY = {"sc_threshold": "0"}
TINY = {"frames": 48, "size": (64, 48)}
FILES = {
    "pyramid.mp4": {"g": "250", "bf": "3", **STEADY},
    "flat.mp4": {"g": "250", "bf": "3", "b-pyramid": "none", "weightp": "2", **STEADY},
    "slices.mp4": {"g": "48", "bf": "5", "slices": "2", "b-pyramid": "strict", **STEADY},
    "vlc.mkv": {"g": "250", "bf": "2", "coder": "vlc", **STEADY},
    "ultrafast.mkv": {"g": "250", "preset": "ultrafast", "bf": "2", **STEADY},
    "temporal.mkv": {"g": "250", "bf": "3", "direct-pred": "temporal", **STEADY},
    "smoothed.mp4": {"g": "250", "bf": "3", "deblock": "2,-2", "refs": "4", **STEADY},
    "open.mp4": {"g": "12", "bf": "3", "x264-params": "open-gop=1", **STEADY},
    "groups.mp4": {"g": "24", "bf": "3", **STEADY},
}


NO_ARITHMETIC = ("vlc.mkv", "ultrafast.mkv")


def made(name, make_video):
    return make_video(name, options=FILES[name], **TINY)


def textured(path, options):
    """Encode a window that moves over noise, with fresh noise in it: much in every block."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (16, 48, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for left in range(48):
            image = np.ascontiguousarray(noise[:, 2 * left : 2 * left + 96])
            image[:32, :32] = random.integers(0, 256, (8, 8, 3)).repeat(4, 0).repeat(4, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def counts_alike_twice(outcome):
    """Return a function that tells whether a damaged file decodes alike twice.

    FFmpeg does not promise that.
    """

    def tell(path, wanted):
        one, other = (outcome(path, wanted, skip=False) for _ in range(2))
        if isinstance(one, str) or isinstance(other, str):
            return one == other
        same = len(one[0]) == len(other[0]) and one[1:] == other[1:]
        pairs = zip(one[0], other[0], strict=False)
        return same and all(np.array_equal(mine[1], theirs[1]) for mine, theirs in pairs)

    return tell


def packets_of(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        judge = PacketJudge.of(stream.codec_context)
        return [packet for packet in container.demux(stream) if packet.size], judge


def is_referred(packet):
    """Read off the first slice of a packet, whose units have four bytes of length before them."""
    data, at = bytes(packet), 0
    while data[at + 4] & 31 not in (1, 5):
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return bool(data[at + 4] & 0x60)


@pytest.mark.parametrize("name", FILES)
def test_spare_packets_are_those_that_the_encoder_calls_so(name, make_video):
    packets, judge = packets_of(made(name, make_video))
    contents = [judge(bytes(packet)) for packet in packets]
    spare = [content is Content.SPARE for content in contents]
    if name in NO_ARITHMETIC:
        assert not any(spare)
    else:
        assert spare == [not is_referred(packet) for packet in packets]
        assert sum(spare) >= 12


@pytest.mark.parametrize("name", FILES)
def test_the_order_read_off_headers_is_that_of_the_timestamps(name, make_video):
    packets, judge = packets_of(made(name, make_video))
    group, shown = 0, []
    for packet in packets:
        group += judge(bytes(packet)) is Content.START
        shown.append((group, judge.order, packet.pts))
    assert all(order is not None for _, order, _ in shown)
    by_time = sorted(shown, key=lambda each: each[2])
    assert by_time == sorted(shown)


@pytest.mark.parametrize("name", FILES)
def test_only_what_is_needed_is_decoded(outcome, name, make_video, decoded):
    path = made(name, make_video)
    packets, _ = packets_of(path)
    outcome(path, [40, 41, 42, 43], skip=True)
    before = {packet.pts for packet in packets if not is_referred(packet)}
    shown = sorted(packet.pts for packet in packets)
    unneeded = before & set(shown[:40])
    assert unneeded & set(decoded) == (unneeded if name in NO_ARITHMETIC else set())
    assert set(shown[40:44]) <= set(decoded)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("stride", [2, 3, 5, 11])
def test_frames_that_lie_apart(assert_same, name, stride, make_video):
    for first in range(stride):
        assert_same(made(name, make_video), list(range(first, 50, stride)))


@pytest.mark.parametrize("name", FILES)
def test_the_end_of_a_file_is_found_where_its_last_frames_are_left_out(
    assert_same, name, make_video
):
    for wanted in ([60], [46, 60], [3, 48], [47]):
        assert_same(made(name, make_video), wanted)


@settings(
    max_examples=160,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), name=st.sampled_from(sorted(FILES)), spare_only=st.booleans())
def test_damage(assert_same, counts_alike_twice, make_video, tmp_path, *, data, name, spare_only):
    source = made(name, make_video)
    packets, _ = packets_of(source)
    hit = [packet for packet in packets[1:] if not (spare_only and is_referred(packet))]
    damaged = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        packet = hit[data.draw(st.integers(0, len(hit) - 1))]
        reach = min(packet.size, 16) if data.draw(st.booleans()) else packet.size
        at = packet.pos + data.draw(st.integers(0, reach - 1))
        damaged[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path / name
    path.write_bytes(damaged)
    wanted = sorted(data.draw(st.sets(st.integers(0, 50), min_size=1)))
    assume(counts_alike_twice(path, wanted))
    assert_same(path, wanted)


@pytest.mark.parametrize("name", ["vlc.mkv", "ultrafast.mkv", "pyramid.mp4"])
def test_damage_in_a_frame_that_no_other_needs(assert_same, counts_alike_twice, name, tmp_path):
    source = textured(tmp_path / f"whole-{name}", FILES[name])
    packets, _ = packets_of(source)
    spare = [packet for packet in packets if not is_referred(packet) and packet.size > 40]
    random = np.random.default_rng(0)
    path = tmp_path / name
    for _ in range(80):
        packet = spare[random.integers(len(spare))]
        damaged = bytearray(source.read_bytes())
        damaged[packet.pos + random.integers(14, packet.size)] ^= random.integers(1, 256)
        path.write_bytes(damaged)
        wanted = [40, 41, 44, 47]
        if counts_alike_twice(path, wanted):
            assert_same(path, wanted)


@pytest.mark.parametrize("name", ["pyramid.mp4", "vlc.mkv", "smoothed.mp4"])
def test_every_bit_of_the_headers_of_spare_frames(assert_same, name, make_video, tmp_path):
    source = made(name, make_video)
    packets, _ = packets_of(source)
    spare = [packet for packet in packets if not is_referred(packet)][5]
    path = tmp_path / name
    for bit in range(8 * 4, 8 * min(spare.size, 14)):
        damaged = bytearray(source.read_bytes())
        damaged[spare.pos + bit // 8] ^= 0x80 >> bit % 8
        path.write_bytes(damaged)
        assert_same(path, [40])


def test_times_of_sound_files(make_video):
    for name in FILES:
        path = made(name, make_video)
        packets, _ = packets_of(path)
        with av.open(str(path)) as container:
            times = sound_times(container, container.streams.video[0])
        expected = sorted(packet.pts for packet in packets)
        assert times == (None if name == "open.mp4" else expected)


@given(st.lists(st.integers(-5000, 5000), min_size=1, max_size=20))
def test_signed_numbers_are_read_as_they_are_written(numbers):
    codes = [2 * number - 1 if number > 0 else -2 * number for number in numbers]
    text = "".join("0" * ((code + 1).bit_length() - 1) + f"{code + 1:b}" for code in codes)
    padded = text + "1" + "0" * (-(len(text) + 1) % 8)
    data = bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))
    bits = Bits(data.replace(b"\0\0", b"\0\0\3"))
    assert [bits.signed() for _ in numbers] == numbers


def test_picture_parameters_with_slice_groups_are_not_read():
    text = "1" + "1" + "0" + "0" + "010" + "1" * 40
    unit = bytes([8]) + int(text.ljust(64, "0"), 2).to_bytes(8, "big")
    assert PictureParameters.read(unit) is None
    assert PictureParameters.read(b"\x08") is None
