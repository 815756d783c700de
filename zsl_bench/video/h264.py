"""What a packet of H.264 holds, told from its structure without decoding it.

Frames may go undecoded where every packet makes one frame, and the decoder keeps nothing from
before a key frame. Whatever in a packet could make that untrue is a doubt.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Self

from zsl_bench.video.h264_headers import FRESH_SLICE, SLICE, Slice, StreamParameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.video.codeccontext import VideoCodecContext

_PIXELS = ("yuv420p", "yuvj420p")
_MESSAGES, _PARAMETERS, _IDLE = 6, (7, 8), (9, 12)
_HARMLESS_MESSAGES = (0, 1, 3, 4, 5, 6)
"""Buffering, timing, filler, user data (registered and not) and recovery point. Others can turn or
grain the pictures of later packets."""
_OLD_X264 = re.compile(rb"x264 - core (?:[12]?[0-9]|3[0-3])(?![0-9])")
"""Versions whose mistakes FFmpeg makes up for once it has read the version in the first packet."""


class Content(Enum):
    """What a packet is for a decoder.

    Attributes:
        START: One frame that needs nothing before it, as does all that follows it.
        FRAME: One frame.
        SPARE: One frame that no other is made from, and that leaves nothing behind in a decoder
            even where its blocks are damaged. FFmpeg keeps what it read of a broken block that is
            not coded arithmetically, and adds it to a block of a later frame.
        DOUBT: Something else, or damaged, or not what follows the packet before.
    """

    START = "start"
    FRAME = "frame"
    SPARE = "spare"
    DOUBT = "doubt"


class PacketJudge:
    """Judges the packets of one stream, one after the other, from the first on.

    Attributes:
        order: Where the last packet's frame belongs among those since the last start, which are
            shown in this order; None where that is not certain, or not even that there is one.
    """

    def __init__(self, header: bytes, stream: StreamParameters) -> None:
        """Begin a stream.

        Args:
            header: What the container has for the decoder, parameter sets included.
            stream: What is in it.
        """
        self.order: int | None = None
        self._width = (header[4] & 3) + 1
        self._stream = stream
        self._counted = 0
        self._rounds = 0
        self._ordered = False
        self._before = 0

    @classmethod
    def of(cls, context: VideoCodecContext) -> Self | None:
        """Make the judge of a stream; None where its packets cannot be judged.

        They can where the stream is progressive 4:2:0 H.264 with lengths before its units, as it is
        in mp4, mov and matroska files.

        Args:
            context: The stream's codec context, not opened yet.
        """
        header = bytes(context.extradata or b"")
        if context.name != "h264" or context.pix_fmt not in _PIXELS:
            return None
        stream = StreamParameters.read(header)
        return cls(header, stream) if stream is not None else None

    def __call__(self, packet: bytes) -> Content:
        """Judge the next packet: units, each with its length before it."""
        slices: list[Slice | None] = []
        for unit in _units(packet, self._width):
            kind = unit[0] & 31 if unit else 0
            if kind in (SLICE, FRESH_SLICE):
                read = Slice.read_first if slices else Slice.read
                slices.append(read(unit, self._stream))
            elif not _harmless(unit, kind, self._stream.listed):
                return Content.DOUBT
        return self._judge(slices)

    def _judge(self, slices: list[Slice | None]) -> Content:
        """Judge a packet by its slices: one picture, which is the next one."""
        first = slices[0] if slices else None
        if first is None or first.block:
            return Content.DOUBT
        for other in slices[1:]:
            if other is None or not other.block or not first.shares_picture_with(other):
                return Content.DOUBT
        due = 0 if first.fresh else (self._counted + 1) % (1 << self._stream.counter_bits)
        if first.counter != due:
            return Content.DOUBT
        self.order = self._order(first)
        if first.referred:
            self._counted = first.counter
            return Content.START if first.fresh else Content.FRAME
        spare = self.order is not None and self._stream.arithmetic
        return Content.SPARE if spare else Content.FRAME

    def _order(self, picture: Slice) -> int | None:
        """Return a picture's place in the order of showing, as the standard counts it."""
        if picture.fresh:
            self._ordered, self._before, self._rounds = True, 0, 0
        if not self._ordered:
            return None
        order = (
            self._low_order(picture) if self._stream.order_bits else self._counted_order(picture)
        )
        if picture.referred:
            self._ordered = picture.whole and not picture.resets
        return order if picture.whole else None

    def _low_order(self, picture: Slice) -> int:
        """Return the place of which a picture has the low bits: the nearest to that before."""
        low, earlier = picture.order
        span = 1 << self._stream.order_bits
        ahead = (low - self._before) % span
        order = self._before + (ahead - span if ahead > span // 2 else ahead)
        if picture.referred:
            self._before = order
        return order + earlier

    def _counted_order(self, picture: Slice) -> int:
        """Return the place of a picture that is shown as it is decoded."""
        rounds = self._rounds + (not picture.fresh and picture.counter == 0)
        if picture.referred:
            self._rounds = rounds
        counted = (rounds << self._stream.counter_bits) + picture.counter
        return 2 * counted - (not picture.referred)


def _units(packet: bytes, width: int) -> Iterator[bytes]:
    """Yield the units of a packet; an empty one where they do not fill it."""
    position = 0
    while position < len(packet):
        start = position + width
        position = start + int.from_bytes(packet[position:start], "big")
        yield packet[start:position] if position <= len(packet) else b""


def _harmless(unit: bytes, kind: int, listed: frozenset[bytes]) -> bool:
    """Tell whether a unit that is no slice has no effect on the pictures of later packets."""
    if kind in _PARAMETERS:
        return unit in listed
    return kind in _IDLE or (kind == _MESSAGES and _all_harmless(unit))


def _all_harmless(messages: bytes) -> bool:
    body = messages[1:].replace(b"\x00\x00\x03", b"\x00\x00").rstrip(b"\x00")
    last = len(body) - 1
    position = 0
    while position < last:
        kind, position = _number(body, position)
        size, position = _number(body, position)
        if kind not in _HARMLESS_MESSAGES or _OLD_X264.search(body, position, position + size):
            return False
        position += size
    return position == last


def _number(body: bytes, position: int) -> tuple[int, int]:
    """Return a number that is spread over bytes, and where it ends."""
    number = 0
    while body[position : position + 1] == b"\xff":
        number, position = number + 255, position + 1
    return number + int.from_bytes(body[position : position + 1], "big"), position + 1
