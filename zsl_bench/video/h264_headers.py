"""The parameter sets and slice headers of H.264, read bit by bit.

A header is read up to the first block of the picture, and every value is held against the range
that a decoder allows: a packet of which that succeeds makes a frame, however damaged its blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER_BYTES = 11
SLICE, FRESH_SLICE = 1, 5
_SHORT_HEADER, _LONG_HEADER = 32, 512
_PLAIN_PROFILES = (66, 77, 88)
_HIGH_PROFILE = 100
_FORWARD, _BOTH, _ALONE = 0, 1, 2
_SLICE_TYPES = 10
_MOST_REFERENCES = 16
_MOST_WEIGHT_SHIFT = 7
_LAST_QUALITY = 51
_MIDDLE_QUALITY = 26
_MOST_SMOOTHING = 6
_RESET = 5
_UNIT_STARTS = (b"\x00\x00\x01", b"\x00\x00\x02")
"""Where these are in a unit, FFmpeg takes it to end."""
_MARKINGS = {1: 1, 2: 1, 3: 2, 4: 1, _RESET: 0, 6: 1}
"""How many numbers follow each way of marking the pictures that are kept."""


class Bits:
    """Reads bits off the front of bytes; ``left`` is negative once there were too few."""

    __slots__ = ("_value", "left")

    def __init__(self, data: bytes) -> None:
        plain = data.replace(b"\x00\x00\x03", b"\x00\x00")
        self._value = int.from_bytes(plain, "big")
        self.left = 8 * len(plain)

    def take(self, count: int) -> int:
        """Take that many bits as a number."""
        if not 0 <= count <= self.left:
            self.left = -1
            return 0
        self.left -= count
        taken = self._value >> self.left
        self._value -= taken << self.left
        return taken

    def number(self) -> int:
        """Take a number that is preceded by as many zeros as it has bits after its first."""
        zeros = self.left - self._value.bit_length()
        left = self.left - 2 * zeros - 1
        if self.left < 0 or left < 0:
            self.left = -1
            return -1
        self.left = left
        taken = self._value >> left
        self._value -= taken << left
        return taken - 1

    def signed(self) -> int:
        """Take a number that stands for 0, 1, -1, 2, -2 and so on."""
        number = self.number()
        return (number + 1) // 2 if number % 2 else -(number // 2)


@dataclass(frozen=True, kw_only=True)
class PictureParameters:
    """What the slices that name a picture parameter set have in common.

    Attributes:
        arithmetic: Whether blocks are coded arithmetically.
        lower_order: Whether the order of lower fields is in the slices.
        references: How many pictures a block can be made from, forward and back.
        weighted: Whether slices made from earlier pictures have weights, and those of both.
        quality: Quantiser before a slice's own difference.
        smoothing: Whether slices say how their edges are smoothed.
    """

    arithmetic: bool
    lower_order: bool
    references: tuple[int, int]
    weighted: tuple[bool, bool]
    quality: int
    smoothing: bool

    @classmethod
    def read(cls, unit: bytes) -> tuple[int, Self] | None:
        """Read a unit; return its number and itself, or None where it allows what is not read."""
        bits = Bits(unit[1:])
        number, _ = bits.number(), bits.number()
        arithmetic, lower_order = bool(bits.take(1)), bool(bits.take(1))
        groups = bits.number()
        references = bits.number() + 1, bits.number() + 1
        forward, both = bool(bits.take(1)), bits.take(2) == 1
        quality = _MIDDLE_QUALITY + bits.signed()
        bits.signed(), bits.signed()
        smoothing, _, redundant = bool(bits.take(1)), bits.take(1), bits.take(1)
        if groups or redundant or bits.left < 0 or max(references) > _MOST_REFERENCES:
            return None
        read = cls(
            arithmetic=arithmetic,
            lower_order=lower_order,
            references=references,
            weighted=(forward, both),
            quality=quality,
            smoothing=smoothing,
        )
        return number, read


@dataclass(frozen=True, kw_only=True)
class StreamParameters:
    """What is needed to read the slices of a stream.

    Attributes:
        counter_bits: Of how many bits the number is that frames are counted with.
        order_bits: Of how many bits the number is that tells when a frame is shown; 0 where frames
            are shown as they are decoded.
        pictures: The picture parameter sets, by their number.
        listed: The units of all parameter sets that the container lists.
        arithmetic: Whether every picture is certain to have its blocks coded arithmetically.
    """

    counter_bits: int
    order_bits: int
    pictures: Mapping[int, PictureParameters]
    listed: frozenset[bytes]
    arithmetic: bool

    @classmethod
    def read(cls, header: bytes) -> Self | None:
        """Read what an mp4, mov or matroska file has for the decoder.

        Returns:
            The parameters; None where frames can be fields, or may be missing, or are not of 4:2:0
            with 8 bits.
        """
        if len(header) < HEADER_BYTES or header[0] != 1 or header[5] & 31 != 1:
            return None
        stop = 8 + int.from_bytes(header[6:8], "big")
        widths = _counting(header[8:stop])
        if widths is None:
            return None
        units = _listed(header, stop)
        read = [PictureParameters.read(unit) for unit in units]
        known = [each for each in read if each is not None]
        return cls(
            counter_bits=widths[0],
            order_bits=widths[1],
            pictures=dict(known),
            listed=frozenset([header[8:stop], *units]),
            arithmetic=len(known) == len(read) and all(each.arithmetic for _, each in known),
        )


class Slice(NamedTuple):
    """The beginning of a slice.

    Attributes:
        fresh: Whether it is of a picture that starts afresh.
        referred: Whether other pictures may be made from its own.
        block: Number of its first block; 0 begins a picture.
        counter: The number of its picture in the count of those that are referred to.
        order: The low bits of when its picture is shown, and how much earlier its lower field is.
        whole: Whether the rest of its header was read too, and all of it is allowed.
        resets: Whether the order of pictures begins anew after it; only known of a whole one.
    """

    fresh: bool
    referred: bool
    block: int
    counter: int
    order: tuple[int, int]
    whole: bool
    resets: bool

    @classmethod
    def read(cls, unit: bytes, stream: StreamParameters) -> Self | None:
        """Read a slice's header; None where its first numbers make no sense."""
        read = cls._read(unit[:_SHORT_HEADER], stream)
        long = (read is None or not read.whole) and len(unit) > _SHORT_HEADER
        return cls._read(unit[:_LONG_HEADER], stream) if long else read

    @classmethod
    def read_first(cls, unit: bytes, stream: StreamParameters) -> Self | None:
        """Read which picture a slice is of, and no more; None as of :meth:`read`."""
        return cls._read_first(Bits(unit[1:_SHORT_HEADER]), unit[0], stream)[0]

    @classmethod
    def _read_first(
        cls, bits: Bits, kind_byte: int, stream: StreamParameters
    ) -> tuple[Self | None, PictureParameters | None, int]:
        fresh, referred = kind_byte & 31 == FRESH_SLICE, bool(kind_byte & 0x60)
        block, kind, picture = bits.number(), bits.number(), stream.pictures.get(bits.number())
        counter = bits.take(stream.counter_bits)
        if kind_byte & 0x80 or kind >= _SLICE_TYPES or bits.left < 0 or (fresh and not referred):
            return None, None, kind
        first = cls(fresh, referred, block, counter, (0, 0), whole=False, resets=False)
        return first, picture, kind

    @classmethod
    def _read(cls, unit: bytes, stream: StreamParameters) -> Self | None:
        bits = Bits(unit[1:])
        first, picture, kind = cls._read_first(bits, unit[0], stream)
        if first is None:
            return None
        fresh, referred, block, counter, *_ = first
        if picture is None or (fresh and bits.number() > 0xFFFF):
            return first
        low = bits.take(stream.order_bits)
        earlier = min(bits.signed(), 0) if stream.order_bits and picture.lower_order else 0
        rest = _Rest(bits, picture, kind % 5)
        whole = rest.read(fresh=fresh, referred=referred) and bits.left >= 0
        whole = whole and not any(stop in unit for stop in _UNIT_STARTS)
        return cls(fresh, referred, block, counter, (low, earlier), whole, rest.resets)

    def shares_picture_with(self, other: Slice) -> bool:
        """Tell whether another slice is of the same picture."""
        ours = (self.fresh, self.referred, self.counter)
        return ours == (other.fresh, other.referred, other.counter)


class _Rest:
    """The rest of a slice's header, from what blocks are made from to how edges are smoothed."""

    def __init__(self, bits: Bits, picture: PictureParameters, kind: int) -> None:
        self.resets = False
        self._bits = bits
        self._picture = picture
        self._kind = kind

    def read(self, *, fresh: bool, referred: bool) -> bool:
        """Read it; False where a value is not allowed."""
        if self._kind > _ALONE or (fresh and self._kind != _ALONE):
            return False
        if self._kind != _ALONE and not self._references():
            return False
        if referred and not self._marking(fresh=fresh):
            return False
        bits, picture = self._bits, self._picture
        if picture.arithmetic and self._kind != _ALONE and bits.number() > 2:
            return False
        if not 0 <= picture.quality + bits.signed() <= _LAST_QUALITY:
            return False
        return not picture.smoothing or self._smoothing()

    def _references(self) -> bool:
        bits, picture = self._bits, self._picture
        lists = 1 + (self._kind == _BOTH)
        if self._kind == _BOTH:
            bits.take(1)
        counts = list(picture.references[:lists])
        if bits.take(1):
            counts = [bits.number() + 1 for _ in counts]
        if not all(1 <= count <= _MOST_REFERENCES for count in counts):
            return False
        if not all(self._moved(count) for count in counts):
            return False
        return not picture.weighted[self._kind] or self._weights(counts)

    def _moved(self, count: int) -> bool:
        """Read how a list of references is put in another order."""
        bits = self._bits
        if not bits.take(1):
            return True
        for _ in range(count + 1):
            way = bits.number()
            if way == 3:
                return True
            if not 0 <= way < 3:
                return False
            bits.number()
        return False

    def _weights(self, counts: list[int]) -> bool:
        bits = self._bits
        if not (0 <= bits.number() <= _MOST_WEIGHT_SHIFT):
            return False
        if not (0 <= bits.number() <= _MOST_WEIGHT_SHIFT):
            return False
        for _ in range(sum(counts)):
            for numbers in (2, 4):
                wanted = numbers if bits.take(1) else 0
                if not all(-128 <= bits.signed() <= 127 for _ in range(wanted)):
                    return False
        return True

    def _marking(self, *, fresh: bool) -> bool:
        bits = self._bits
        if fresh:
            bits.take(2)
            return True
        if not bits.take(1):
            return True
        while (way := bits.number()) > 0:
            numbers = _MARKINGS.get(way)
            if numbers is None:
                return False
            self.resets = self.resets or way == _RESET
            for _ in range(numbers):
                bits.number()
        return way == 0

    def _smoothing(self) -> bool:
        bits = self._bits
        way = bits.number()
        if not 0 <= way <= 2:
            return False
        sizes = [] if way == 1 else [bits.signed(), bits.signed()]
        return all(abs(size) <= _MOST_SMOOTHING for size in sizes)


def _counting(parameters: bytes) -> tuple[int, int] | None:
    """Return the widths of the frame counter and of the order; None for streams that vary."""
    profile, bits = (parameters[1] if len(parameters) > 1 else 0), Bits(parameters[4:])
    bits.number()
    if profile == _HIGH_PROFILE:
        plain = [bits.number(), bits.number(), bits.number(), bits.take(1), bits.take(1)]
        if plain != [1, 0, 0, 0, 0]:
            return None
    elif profile not in _PLAIN_PROFILES:
        return None
    width = bits.number() + 4
    order = bits.number()
    order_bits = bits.number() + 4 if order == 0 else 0
    bits.number()
    gaps = bits.take(1)
    bits.number()
    bits.number()
    whole_frames = bits.take(1)
    sound = order in (0, 2) and not gaps and whole_frames and bits.left >= 0
    return (width, order_bits) if sound else None


def _listed(header: bytes, stop: int) -> list[bytes]:
    """Return the picture parameter sets behind the sequence's."""
    units, position = [], stop + 1
    for _ in range(header[stop] if stop < len(header) else 0):
        start = position + 2
        position = start + int.from_bytes(header[position:start], "big")
        units.append(header[start:position])
    return units
