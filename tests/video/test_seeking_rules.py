"""What is read off packets of H.264, compared with what encoders and dumber readers say."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zsl_bench.video.h264 import Content, PacketJudge
from zsl_bench.video.h264_headers import Bits, StreamParameters

FILES = {
    "plain.mp4": {"options": {"g": "8", "bf": "0"}},
    "pyramid.mkv": {"options": {"g": "8", "bf": "3"}},
    "slices.mp4": {"options": {"g": "8", "slices": "4"}},
    "baseline.mp4": {"options": {"g": "8", "profile": "baseline"}},
    "long.mp4": {"options": {"g": "250", "bf": "2", "sc_threshold": "0"}, "frames": 80},
}


def opened(path):
    """The packets of a file and a function that makes a judge of its stream."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        header = bytes(container.streams.video[0].codec_context.extradata)
        stream = StreamParameters.read(header)
        keys = [packet.is_keyframe for packet in packets]
        return [bytes(packet) for packet in packets], keys, lambda: PacketJudge(header, stream)


@pytest.fixture
def plain(make_video):
    """The packets of a plain file, and what makes its judge."""
    packets, _, judge = opened(make_video("plain.mp4", **FILES["plain.mp4"]))
    return packets, judge


def unit(*numbers):
    return len(numbers).to_bytes(4, "big") + bytes(numbers)


@pytest.mark.parametrize("name", FILES)
def test_sound_packets_are_frames_and_key_frames_starts(name, make_video):
    packets, keys, judge = opened(make_video(name, **FILES[name]))
    judge = judge()
    seen = [judge(packet) for packet in packets]
    assert [content is Content.START for content in seen] == keys
    assert set(seen) <= {Content.START, Content.FRAME, Content.SPARE}


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"pixels": "yuv444p"}, "colour"),
        ({"pixels": "yuv420p10le"}, "depth"),
        ({"options": {"x264-params": "interlaced=1"}}, "fields"),
        ({"codec": "mpeg4"}, "codec"),
        ({"codec": "libx265", "options": {"x265-params": "log-level=none"}}, "codec"),
    ],
)
def test_streams_of_another_kind_have_no_judge(recipe, reason, make_video):
    with av.open(str(make_video(f"{reason}.mp4", **recipe))) as container:
        assert PacketJudge.of(container.streams.video[0].codec_context) is None


def test_units_without_lengths_have_no_judge(make_video):
    with av.open(str(make_video("h264.ts"))) as container:
        assert PacketJudge.of(container.streams.video[0].codec_context) is None


@pytest.mark.parametrize("gone", [1, 3, 7, 9, 12])
def test_a_packet_is_missed_up_to_the_next_key_frame(gone, plain):
    packets, judge = plain
    kept, seen = packets[:gone] + packets[gone + 1 :], judge()
    contents = [seen(packet) for packet in kept]
    last_of_group = gone % 8 == 7
    assert (Content.DOUBT in contents) is not last_of_group


def test_two_pictures_or_none_in_a_packet(plain):
    packets, judge = plain
    for packet in (packets[0] + packets[1], packets[8] * 2, b"", unit(9, 16), unit()):
        assert judge()(packet) is Content.DOUBT


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_packet_that_is_cut_or_longer(cut, plain):
    packets, judge = plain
    assert judge()(packets[0][:-cut]) is Content.DOUBT
    assert judge()(packets[0] + bytes(cut)) is Content.DOUBT


@pytest.mark.parametrize(
    ("extra", "harmless"),
    [
        (unit(9, 16), True),
        (unit(12, 255, 128), True),
        (unit(6, 6, 1, 0x80, 0x80), True),
        (unit(6, 5, 17, *b"0123456789abcdef!", 0x80), True),
        (unit(6, 5, 33, *b"0123456789abcdefx264 - core 164 r", 0x80), True),
        (unit(6, 5, 32, *b"0123456789abcdefx264 - core 33 r", 0x80), False),
        (unit(6, 47, 3, 1, 2, 3, 0x80), False),
        (unit(6, 19, 1, 1, 0x80), False),
        (unit(6, 6, 1, 0x80, 19, 1, 1, 0x80), False),
        (unit(6, 6, 200, 0x80), False),
        (unit(6, 255, 255), False),
        (unit(6), False),
        (unit(7, 66, 0, 10, 0xDA), False),
        (unit(8, 0xCE), False),
        (unit(2, 1, 2, 3), False),
        (unit(10), False),
        (unit(0), False),
        (unit(20, 1, 1, 1), False),
    ],
)
def test_units_beside_the_slices(extra, harmless, plain):
    packets, judge = plain
    found = judge()(extra + packets[0])
    assert found is (Content.START if harmless else Content.DOUBT)


def test_parameters_that_the_header_has_are_harmless(make_video):
    recipe = {"options": {"g": "8", "x264-params": "repeat-headers=1"}}
    packets, keys, judge = opened(make_video("repeated.mp4", **recipe))
    judge = judge()
    assert [judge(packet) is Content.START for packet in packets] == keys


@given(st.binary(max_size=60))
def test_whatever_is_in_a_packet_has_an_answer(packet):
    header = bytes([1, 66, 0, 10, 255, 225, 0, 4, 103, 66, 0, 10])
    stream = StreamParameters(
        counter_bits=4, order_bits=4, pictures={}, listed=frozenset(), arithmetic=True
    )
    assert PacketJudge(header, stream)(packet) in Content


@given(st.lists(st.integers(0, 70_000), min_size=1, max_size=20))
def test_numbers_are_read_as_they_are_written(numbers):
    text = "".join("0" * ((number + 1).bit_length() - 1) + f"{number + 1:b}" for number in numbers)
    padded = text + "1" + "0" * (-(len(text) + 1) % 8)
    data = bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))
    escaped = bytearray()
    for byte in data:
        if escaped[-2:] == b"\0\0" and byte <= 3:
            escaped.append(3)
        escaped.append(byte)
    bits = Bits(bytes(escaped))
    assert [bits.number() for _ in numbers] == numbers


def test_too_few_bits_are_noticed():
    rng = np.random.default_rng(0)
    for _ in range(200):
        data = rng.integers(0, 256, 3, np.uint8).tobytes()
        bits = Bits(data)
        for _ in range(30):
            bits.number()
        assert bits.left < 0
