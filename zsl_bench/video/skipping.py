"""Frames in the order in which they decode, without decoding what no wanted frame needs.

All packets are read, in order; those before the last key frame at or before the wanted frame are
not decoded, and of those behind it not the ones whose frames are neither wanted nor needed for
others. The number of that key frame is the number of packets before it, which is exact where each
of them makes one frame and none is shown after it; the numbers of the frames behind it follow from
when they are shown. That is checked of every packet, and of what decodes; on any doubt the answer
is to count from the start. The decoder is told to let no error pass: what it would otherwise mend
with whatever it decoded before is a doubt.

FFmpeg carries one thing over a key frame all the same: what it read of a broken block that is not
coded arithmetically, which it adds to a later one. Frames behind a key frame are free of that where
the broken packet was left out. Packets that no other needs are only left out where all is coded
arithmetically.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING

from zsl_bench.video.h264 import Content, PacketJudge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

_CONTAINERS = ("mp4", "matroska")
_FEWEST = 4
_MOST_HELD = 512


class DoubtError(Exception):
    """Packets were left out, and something is not as it should be for their number to be known."""


class FrameSource:
    """The frames of a stream, from a file that was just opened.

    Attributes:
        position: The number of the frame that comes next.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, *, skip: bool) -> None:
        """Start at the first packet.

        Args:
            container: The file; nothing was read from it yet.
            stream: Its video stream.
            skip: Whether packets may be left out.
        """
        self.position = 0
        self._packets = read_packets(container, stream)
        self._stream = stream
        self._check = _PacketCheck.of(container, stream) if skip else None
        self._strict = self._check is not None
        if self._strict:
            stream.codec_context.options = {"err_detect": "explode"}
        self._held: deque[tuple[Packet[VideoStream], bool]] = deque()
        self._ready: deque[VideoFrame] = deque()
        self._fed: list[int] = []
        self._latest: dict[int, int] = {}
        self._skipped = False
        self._used = False

    def next(self, target: int) -> VideoFrame | None:
        """Return the next frame on the way to a wanted one; None at the end of the file.

        Args:
            target: Number of the wanted frame, ``position`` or more. Frames before it may be left
                out, by which ``position`` rises.

        Raises:
            DoubtError: Frames were left out whose number is not certain.
        """
        while self._waits():
            if not self._held:
                self._look_ahead(target)
            if not self._held:
                self._finish()
                break
            packet, spare = self._held.popleft()
            if spare and self._passes_over(packet, target):
                self._skipped = True
            else:
                self._decode(packet)
        if not self._ready:
            return None
        frame = self._ready.popleft()
        self.position = self._number(frame) + 1
        self._latest.pop(frame.pts or 0, None)
        return frame

    def _passes_over(self, packet: Packet[VideoStream], target: int) -> bool:
        """Tell whether a packet that no other needs is of a frame before the wanted one."""
        number = self._check.numbers.get(packet.pts or 0) if self._check else None
        return number is not None and number < target

    def _number(self, frame: VideoFrame) -> int:
        """Return the number of the frame that comes next."""
        number = self._check.numbers.pop(frame.pts or 0, None) if self._check else None
        if not self._skipped:
            return self.position
        if number is None or number < self.position:
            raise DoubtError
        return number

    def _finish(self) -> None:
        """See that all is as it should be at the end of the file."""
        if self._fed:
            self._doubt()
        elif self._skipped and self._check is not None and not self._ready:
            self.position = self._check.seen

    def _waits(self) -> bool:
        """Tell whether the next frame, or one that it may be made from, was not seen yet.

        Frames are made from others that decode before them. Of those, the one that is shown last
        has to have come out sound as well where packets were left out.
        """
        if not self._ready:
            return True
        following, last = self._ready[0].pts, self._ready[-1].pts
        if not self._skipped or following is None or last is None:
            return False
        return last < self._latest.get(following, following)

    def _look_ahead(self, target: int) -> None:
        """Read the next packet, or all whose frames come up to the target's.

        Those before a start that the target does not need are dropped.
        """
        while (packet := next(self._packets, None)) is not None:
            if self._check is None or not packet.size:
                self._held.append((packet, False))
                if self._check is not None:
                    self._check.close()
                return
            if not self._check.passes(packet):
                self._held.append((packet, False))
                self._doubt()
                return
            number = self._check.seen - 1
            far = self.position + _FEWEST <= number <= target
            if far and self._check.at_start and self._check.sound:
                self._leave_out(number)
                self._check.forget(number)
            self._held.append((packet, self._check.spare))
            if self.position >= target or len(self._held) >= _MOST_HELD:
                return
            if self._check.settled > target:
                return

    def _leave_out(self, number: int) -> None:
        """Go on at the packet just read, without those before it."""
        if self._used:
            self._stream.codec_context.flush_buffers()
        self._used, self._skipped, self.position = False, True, number
        for passed in (self._fed, self._ready, self._held):
            passed.clear()
        self._latest.clear()

    def _decode(self, packet: Packet[VideoStream]) -> None:
        import av

        self._used = True
        if self._check is not None and packet.size:
            self._feed(packet.pts or 0)
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            if self._strict:
                raise DoubtError from None
            return
        self._ready.extend(frames)
        if self._check is not None and any(not self._is_next(frame) for frame in frames):
            self._doubt()

    def _feed(self, shown: int) -> None:
        """Note a packet by when its frame is shown, with the latest such time of those before."""
        self._latest[shown] = max([shown, *self._latest.values()])
        heappush(self._fed, shown)

    def _is_next(self, frame: VideoFrame) -> bool:
        """Tell whether a frame is the one that was due, and is made from its packets only."""
        return bool(self._fed) and frame.pts == heappop(self._fed) and not frame.is_corrupt

    def _doubt(self) -> None:
        """Leave nothing out from here on, or give up where something was."""
        if self._skipped:
            raise DoubtError
        self._check = None
        self._fed.clear()


class _PacketCheck:
    """Whether the packets of a stream, one after the other, make one frame each.

    Attributes:
        seen: How many packets were seen.
        at_start: Whether the last one starts afresh: what comes after needs nothing before it.
        spare: Whether no other frame is made from the last one's.
        sound: Whether all of them are certain to make a frame, whatever is damaged inside.
        depth: How many frames the decoder holds back to show them in order.
        numbers: By when a frame is shown, its number, once no later packet can change it.
    """

    def __init__(self, judge: PacketJudge, depth: int) -> None:
        self.seen = 0
        self.at_start = False
        self.spare = False
        self.sound = True
        self.depth = depth
        self.numbers: dict[int, int] = {}
        self._judge = judge
        self._shown: list[tuple[int, int | None]] = []
        self._first = 0
        self._settled = 0
        self._dts: int | None = None
        self._floor = 0

    @classmethod
    def of(cls, container: InputContainer, stream: VideoStream) -> _PacketCheck | None:
        """Make the check of a stream; None where its packets cannot be checked."""
        context = stream.codec_context
        judge = PacketJudge.of(context)
        if judge is None or not any(kind in container.format.name for kind in _CONTAINERS):
            return None
        return cls(judge, getattr(context, "reorder_depth", int(context.has_b_frames)))

    @property
    def settled(self) -> int:
        """How many frames, from the first on, have a number that cannot change."""
        return self._first + self._settled

    def passes(self, packet: Packet[VideoStream]) -> bool:
        """See the next packet; False where it may make no frame, or more, or be out of order."""
        pts, dts = packet.pts, packet.dts
        if pts is None or (dts is not None and self._dts is not None and dts <= self._dts):
            return False
        if packet.is_discard or packet.is_corrupt or packet.has_sidedata("new_extradata"):
            return False
        content = self._judge(bytes(packet))
        if content is Content.DOUBT:
            return False
        self.sound = self.sound and self._judge.order is not None
        self._dts = self._dts if dts is None else dts
        self.seen += 1
        latest = self._shown[-1][0] if self._shown else None
        self.at_start = content is Content.START and (latest is None or pts > latest)
        self.spare = content is Content.SPARE
        return self._in_order(pts)

    def close(self) -> None:
        """Take it that no more packets come."""
        self._settle(len(self._shown))

    def forget(self, number: int) -> None:
        """Drop the numbers of frames before a number."""
        self.numbers = {shown: kept for shown, kept in self.numbers.items() if kept >= number}

    def _in_order(self, pts: int) -> bool:
        """Tell whether a decoder that holds as many frames as this one shows them all in order."""
        order = self._judge.order
        if self.at_start:
            self.close()
            self._first, self._settled = self.seen - 1, 0
            self._floor = pts
            self._shown = [(pts, order)]
            self._settle(1 - self.depth)
            return True
        place = bisect_right(self._shown, pts, key=_time)
        depth = len(self._shown) - place
        self._shown.insert(place, (pts, order))
        if self.seen == 1 or pts <= self._floor or depth > self.depth:
            return False
        near = self._shown[place - 1 : place + 2]
        if not all(_agree(one, other) for one, other in pairwise(near)):
            return False
        self._settle(len(self._shown) - self.depth)
        return True

    def _settle(self, count: int) -> None:
        """Number the first frames since the last start."""
        for place in range(self._settled, count):
            self.numbers[self._shown[place][0]] = self._first + place
        self._settled = max(self._settled, count)


def sound_times(container: InputContainer, stream: VideoStream) -> list[int] | None:
    """Return when each frame of a file is shown, in order, without decoding any.

    Args:
        container: The file; nothing was read from it yet.
        stream: Its video stream.

    Returns:
        Timestamps, in units of the stream's time base; None where it is not certain that every
        packet makes one frame, and that decoding can begin at every packet that is said to be a key
        frame.
    """
    check = _PacketCheck.of(container, stream)
    if check is None:
        return None
    shown: list[int] = []
    for packet in read_packets(container, stream):
        if not packet.size:
            return sorted(shown)
        passes = check.passes(packet) and check.sound
        if not passes or (packet.is_keyframe and not check.at_start):
            return None
        shown.append(packet.pts or 0)
    return None


def _time(shown: tuple[int, int | None]) -> int:
    return shown[0]


def _agree(one: tuple[int, int | None], other: tuple[int, int | None]) -> bool:
    """Tell whether a container and the frames themselves have one shown before the other."""
    if one[1] is None or other[1] is None:
        return one[0] < other[0]
    return one[0] < other[0] and one[1] < other[1]


def read_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Read packets up to the end, or to where the file is too damaged to go on."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return
        if packet is None:
            return
        yield packet
