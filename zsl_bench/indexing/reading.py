"""What an evaluation would make of a file, without decoding more of it than that takes.

The verdict is that of :func:`zsl_bench.video.load_clips` under ``official-25``, by the same
functions: which frames are there to clip, which of them the policy wants, and whether the container
promises more than there is. Only the number of frames that decode is found in another way: by
counting packets, each of which holds a frame. Where there are fewer packets than the container
promises, or a packet or the first frame is odd, all frames are decoded.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from zsl_bench.errors import VideoError
from zsl_bench.indexing.contents import HEAD, cut_container, other_content
from zsl_bench.indexing.packets import packet_check
from zsl_bench.indexing.probe import WHOLE, SegmentProbe
from zsl_bench.video import VideoReader, clip_policy, read_image
from zsl_bench.video.extent import check_shortfall, find_extent
from zsl_bench.video.skipping import read_packets

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from av import Packet
    from av.video.stream import VideoStream

    from zsl_bench.indexing.probe import FileProbe, ProbeTask, Problem, Segment

POLICY = clip_policy("official-25")
_ALL_FRAMES = 1 << 62


def read_picture(task: ProbeTask, known: FileProbe) -> FileProbe:
    """Read an image and return what it is.

    Raises:
        OSError: The file cannot be opened.
    """
    known = replace(known, level=task.level)
    try:
        height, width = read_image(task.place).shape[:2]
    except VideoError as error:
        other = other_content(_head(task.place))
        reason = f"not an image, but {other}" if other and "image" not in other else error.found
        return replace(known, problem="undecodable", reason=reason)
    container = task.path.rpartition(".")[2].casefold()
    return replace(known, container=container, width=width, height=height, decoded=1)


def read_video(task: ProbeTask, known: FileProbe) -> FileProbe:
    """Read a video's header, its first frame and its packets, or all its frames.

    Raises:
        OSError: The file cannot be opened.
    """
    known, head = replace(known, level=task.level), _head(task.place)
    try:
        with _Survey(task.place, decode=task.level == "decode") as survey:
            return _judged(survey, _described(survey, known), task.segments)
    except VideoError as error:
        return _unread(known, head, error)


class _Survey(VideoReader):
    """A pass over a file that counts its packets and decodes its first frame, or all of them.

    Attributes:
        shape: Width and height of the first frame as displayed; None where none decodes.
        packets: How many packets with a frame to show there are.
        is_decoded: Whether all frames were decoded.
    """

    def __init__(self, path: Path, *, decode: bool) -> None:
        super().__init__(path)
        self.shape: tuple[int, int] | None = None
        self.packets = 0
        try:
            odd = self._survey()
        except VideoError:
            self._container.close()
            raise
        self.is_decoded = decode or odd or self.shape is None or self.packets < self.promised
        self._count = _count_frames(path) if self.is_decoded else self.packets

    @property
    def decoded(self) -> int:
        """How many frames decode, as far as is known."""
        return self._count

    def times(self) -> np.ndarray:
        """Return when each frame is shown, reading the packets for it once only."""
        return self._times

    @cached_property
    def _times(self) -> np.ndarray:
        return super().times()

    def _survey(self) -> bool:
        """Count packets and decode the first frame; return whether anything is odd."""
        odd, looks_odd = False, packet_check(self._stream)
        for packet in read_packets(self._container, self._stream):
            if packet.size and not packet.is_discard:
                self.packets += 1
            odd = odd or packet.is_corrupt or looks_odd(packet)
            if self.shape is None:
                odd = self._decode_first(packet) or odd
        return odd

    def _decode_first(self, packet: Packet[VideoStream]) -> bool:
        import av

        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return True
        if not frames:
            return False
        height, width = self._convert(frames[0], self.path).shape[:2]
        self.shape = width, height
        return bool(frames[0].is_corrupt)


def _count_frames(path: Path) -> int:
    with VideoReader(path) as reader:
        for _ in reader.frames((_ALL_FRAMES,)):
            pass
        return reader.decoded


def _described(survey: _Survey, known: FileProbe) -> FileProbe:
    width, height = survey.shape or (None, None)
    return replace(
        known,
        container=survey.container,
        codec=survey.codec,
        width=width,
        height=height,
        fps=survey.fps or None,
        declared=survey.promised or None,
        packets=survey.packets,
        decoded=survey.decoded if survey.is_decoded else None,
        duration=survey.estimated / survey.fps if survey.fps and survey.estimated else None,
    )


def _judged(survey: _Survey, known: FileProbe, segments: tuple[Segment, ...]) -> FileProbe:
    whole = _part(survey, WHOLE)
    parts = [_part(survey, segment) for segment in segments] if known.opened else []
    if whole.problem is not None:
        outside, kind = "segment-outside", whole.problem
        parts = [replace(p, problem=kind) if p.problem == outside else p for p in parts]
    return replace(
        known,
        problem=whole.problem,
        reason=whole.reason,
        note=whole.note,
        segments=tuple(parts),
    )


def _part(survey: _Survey, segment: Segment) -> SegmentProbe:
    """Return what :func:`zsl_bench.video.load_clips` would find in a segment, or in the whole."""
    start, end = segment
    part = SegmentProbe(start=start, end=end)
    try:
        extent = find_extent(survey, start, end, released=POLICY.frames)
    except VideoError as error:
        return replace(part, problem=_without_extent(survey, segment), reason=error.found)
    there = max(survey.decoded - extent.first, 0)
    frames = there if segment == WHOLE else min(there, extent.total)
    part = replace(part, frames=frames)
    wanted = POLICY.indices(extent.total, available=extent.readable)
    if extent.first + int(wanted.max()) < survey.decoded:
        return part
    try:
        note = check_shortfall(survey)
    except VideoError as error:
        kind: Problem = "truncated" if survey.packets < survey.promised else "undecodable"
        return replace(part, problem=kind, reason=error.found)
    if min(there, extent.readable) < 1:
        return replace(part, problem="undecodable", reason="no frame that decodes")
    return replace(part, note=note)


def _without_extent(survey: _Survey, segment: Segment) -> Problem:
    """Return the kind of problem that left no frames to clip."""
    if not survey.packets or not survey.fps:
        return "undecodable"
    return "truncated" if segment == WHOLE else "segment-outside"


def _unread(known: FileProbe, head: bytes, error: VideoError) -> FileProbe:
    """Return what there is to say of a file that does not open, or has no video to decode."""
    container, other = cut_container(head), other_content(head)
    if "cut short" not in error.found:
        return replace(known, problem="undecodable", reason=error.found)
    if container is not None:
        reason = f"{container} that was cut short, or damaged at its start or end"
        return replace(known, problem="truncated", reason=reason)
    reason = error.found if other is None else f"not a video, but {other}"
    return replace(known, problem="undecodable", reason=reason)


def _head(place: Path) -> bytes:
    with place.open("rb") as stream:
        return stream.read(HEAD)
