"""What a packet of H.264 holds, told from its structure without decoding it.

Frames may go undecoded where every packet makes one frame, and the decoder keeps nothing from
before a key frame. Whatever in a packet could make that untrue is a doubt.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.video.codeccontext import VideoCodecContext

_PIXELS = ("yuv420p", "yuvj420p")
_HEADER_BYTES = 11
_SLICE, _FRESH_SLICE, _MESSAGES, _PARAMETERS, _IDLE = 1, 5, 6, (7, 8), (9, 12)
_SLICE_START = 24
_SLICE_TYPES = 10
_PLAIN_PROFILES = (66, 77, 88)
_HIGH_PROFILE = 100
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
        DOUBT: Something else, or damaged, or not what follows the packet before.
    """

    START = "start"
    FRAME = "frame"
    DOUBT = "doubt"


class PacketJudge:
    """Judges the packets of one stream, one after the other, from the first on."""

    def __init__(self, header: bytes, counter_bits: int) -> None:
        """Begin a stream.

        Args:
            header: What the container has for the decoder, parameter sets included.
            counter_bits: Of how many bits the number is that frames are counted with.
        """
        self._header = header
        self._width = (header[4] & 3) + 1
        self._counter_bits = counter_bits
        self._counted = 0

    @classmethod
    def of(cls, context: VideoCodecContext) -> Self | None:
        """Make the judge of a stream; None where its packets cannot be judged.

        They can where the stream is progressive 4:2:0 H.264 with lengths before its units, as it is
        in mp4, mov and matroska files.

        Args:
            context: The stream's codec context, not opened yet.
        """
        header = bytes(context.extradata or b"")
        if context.name != "h264" or len(header) < _HEADER_BYTES or header[0] != 1:
            return None
        length = int.from_bytes(header[6:8], "big")
        bits = _counter_bits(header[8 : 8 + length]) if header[5] & 31 == 1 else 0
        return cls(header, bits) if bits and context.pix_fmt in _PIXELS else None

    def __call__(self, packet: bytes) -> Content:
        """Judge the next packet: units, each with its length before it."""
        slices = []
        for unit in _units(packet, self._width):
            kind = unit[0] & 31 if unit else 0
            if kind in (_SLICE, _FRESH_SLICE):
                slices.append(_Slice.read(unit, self._counter_bits))
            elif not _harmless(unit, kind, self._header):
                return Content.DOUBT
        return self._judge(slices)

    def _judge(self, slices: list[_Slice | None]) -> Content:
        """Judge a packet by its slices: one picture, which is the next one."""
        first = slices[0] if slices else None
        if first is None or first.block:
            return Content.DOUBT
        for other in slices[1:]:
            if other is None or not other.block or not first.shares_picture_with(other):
                return Content.DOUBT
        due = 0 if first.fresh else (self._counted + 1) % (1 << self._counter_bits)
        if first.counter != due:
            return Content.DOUBT
        if first.referred:
            self._counted = first.counter
        return Content.START if first.fresh else Content.FRAME


class _Slice(NamedTuple):
    """The beginning of a slice.

    Attributes:
        fresh: Whether it is of a picture that starts afresh.
        referred: Whether other pictures may be made from its own.
        block: Number of its first block; 0 begins a picture.
        counter: The number of its picture in the count of those that are referred to.
    """

    fresh: bool
    referred: bool
    block: int
    counter: int

    @classmethod
    def read(cls, unit: bytes, counter_bits: int) -> _Slice | None:
        """Read a slice's header, as far as it is needed; None where it makes no sense."""
        bits = _Bits(unit[1:_SLICE_START])
        fresh, referred = unit[0] & 31 == _FRESH_SLICE, bool(unit[0] & 0x60)
        block, kind, _ = bits.number(), bits.number(), bits.number()
        counter = bits.take(counter_bits)
        if unit[0] & 0x80 or kind >= _SLICE_TYPES or bits.left < 0 or (fresh and not referred):
            return None
        return cls(fresh, referred, block, counter)

    def shares_picture_with(self, other: _Slice) -> bool:
        ours = (self.fresh, self.referred, self.counter)
        return ours == (other.fresh, other.referred, other.counter)


class _Bits:
    """Reads bits off the front of bytes; ``left`` is negative once there were too few."""

    __slots__ = ("_value", "left")

    def __init__(self, data: bytes) -> None:
        plain = data.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(plain, "big")
        self.left = 8 * len(plain)

    def take(self, count: int) -> int:
        if not 0 <= count <= self.left:
            self.left = -1
            return 0
        self.left -= count
        taken = self._value >> self.left
        self._value &= (1 << self.left) - 1
        return taken

    def number(self) -> int:
        """Take a number that is preceded by as many zeros as it has bits after its first."""
        zeros = self.left - self._value.bit_length()
        return self.take(2 * zeros + 1) - 1


def _counter_bits(parameters: bytes) -> int:
    """Return the width of the frame counter; 0 where frames can be fields, or may be left out."""
    profile, bits = (parameters[1] if len(parameters) > 1 else 0), _Bits(parameters[4:])
    bits.number()
    if profile == _HIGH_PROFILE:
        plain = [bits.number(), bits.number(), bits.number(), bits.take(1), bits.take(1)]
        if plain != [1, 0, 0, 0, 0]:
            return 0
    elif profile not in _PLAIN_PROFILES:
        return 0
    width = bits.number() + 4
    order = bits.number()
    if order == 0:
        bits.number()
    bits.number()
    gaps = bits.take(1)
    bits.number()
    bits.number()
    whole_frames = bits.take(1)
    return width if order in (0, 2) and not gaps and whole_frames and bits.left >= 0 else 0


def _units(packet: bytes, width: int) -> Iterator[bytes]:
    """Yield the units of a packet; an empty one where they do not fill it."""
    position = 0
    while position < len(packet):
        start = position + width
        position = start + int.from_bytes(packet[position:start], "big")
        yield packet[start:position] if position <= len(packet) else b""


def _harmless(unit: bytes, kind: int, header: bytes) -> bool:
    """Tell whether a unit that is no slice has no effect on the pictures of later packets."""
    if kind in _PARAMETERS:
        return unit in header
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
