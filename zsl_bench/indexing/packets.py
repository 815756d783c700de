"""Whether a packet looks like one of its codec, as far as its first bytes and lengths tell.

Bytes that were overwritten inside of a packet show only when it is decoded. Where the beginning of
a packet was hit, or the lengths in it, they show here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from av import Packet
    from av.video.stream import VideoStream

_HOLE = bytes(16)
_SMALL = 16
_START_CODES = (b"\x00\x00\x01", b"\x00\x00\x00\x01")
_LENGTH_AT = {"h264": 4, "hevc": 21}


def packet_check(stream: VideoStream) -> Callable[[Packet[VideoStream]], bool]:
    """Return a function that tells whether a packet of a stream is odd.

    Any packet is that begins with zeros, as where a download left a part of the file out. Packets
    of MPEG-4, H.264 and HEVC have to begin with a start code, or to be a row of units whose lengths
    add up.
    """
    codec = stream.codec_context.name
    extra = stream.codec_context.extradata or b""
    if codec in _LENGTH_AT and len(extra) > _LENGTH_AT[codec] and extra[0] == 1:
        digits = (extra[_LENGTH_AT[codec]] & 3) + 1
        return lambda packet: not _is_row_of_units(packet, digits)
    if codec in ("mpeg4", *_LENGTH_AT):
        return lambda packet: packet.size > _SMALL and not _begins_with_code(packet)
    return lambda packet: packet.size > _SMALL and bytes(memoryview(packet)[:16]) == _HOLE


def _begins_with_code(packet: Packet[VideoStream]) -> bool:
    return bytes(memoryview(packet)[:4]).startswith(_START_CODES)


def _is_row_of_units(packet: Packet[VideoStream], digits: int) -> bool:
    content, place, size = memoryview(packet), 0, packet.size
    while place < size:
        length = int.from_bytes(content[place : place + digits], "big")
        if not length:
            return False
        place += digits + length
    return place == size
