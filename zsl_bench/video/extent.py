"""Which frames of a file there are to clip, and whether the file is whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.video.decode import video_error

if TYPE_CHECKING:
    from zsl_bench.video.decode import VideoReader

_MISSING_FRAMES = 5
_MISSING_SHARE = 0.05
_MISSING_SECONDS = 1.0
_LEAST_PLAYED = 0.8


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The part of a video that is clipped.

    Attributes:
        first: Its first frame.
        total: Its frame count, as whoever clips it should see it.
        readable: How many of its frames may be there at the most.
    """

    first: int
    total: int
    readable: int


def find_extent(
    reader: VideoReader, start: float | None, end: float | None, *, released: int = 0
) -> Extent:
    """Return the frames of a whole video, or those k of a segment with start <= time < end.

    Args:
        reader: The file.
        start: Where a segment starts, in seconds.
        end: Where a segment ends, in seconds.
        released: Where not 0, a whole video has the frame count that the released loader takes
            (duration times rate, where the container has no count), and may be read this many
            frames past it.

    Raises:
        VideoError: There is no frame, the segment is empty, or a file without a frame count was cut
            short.
    """
    if start is None and end is None:
        counted = reader.promised or _count(reader)
        total = (released and (reader.declared or reader.estimated)) or counted
        if not total:
            raise video_error(reader.path, "no frames", "replace or leave out the file")
        return Extent(first=0, total=total, readable=total + released)
    low, high = start or 0.0, math.inf if end is None else end
    asked = f"{low:g} s to {high:g} s"
    if not 0 <= low < high:
        raise video_error(
            reader.path, f"the segment {asked} asked for", "give 0 <= start < end, in seconds"
        )
    times = reader.times()
    first, stop = (int(edge) for edge in np.searchsorted(times, [low, high]))
    if first >= stop:
        lasts = f"{times[-1]:.2f} s" if len(times) else "no frames"
        found = f"no frame from {asked}; its last is at {lasts}"
        raise video_error(reader.path, found, "check the segment's times")
    return Extent(first=first, total=stop - first, readable=stop - first)


def check_shortfall(reader: VideoReader) -> str:
    """Tell a count that is slightly off, which is common, from a file that was cut short.

    Returns:
        What is odd about the count, once the end of the file was reached; empty if nothing is.

    Raises:
        VideoError: More than 5 frames and more than 5% of those that the container promises are
            missing.
    """
    missing = reader.promised - reader.decoded
    if missing <= 0:
        return ""
    found = f"container says {reader.promised} frames, {reader.decoded} decode"
    if missing > max(_MISSING_FRAMES, _MISSING_SHARE * reader.promised):
        raise video_error(reader.path, found, "download or copy the file again")
    return found


def _count(reader: VideoReader) -> int:
    """Count the frames of a file whose container has no count, and see that it is whole."""
    times = reader.times()
    promised = reader.estimated / reader.fps if reader.fps else 0.0
    played = float(times[-1]) if len(times) else 0.0
    if played < _LEAST_PLAYED * promised and played < promised - _MISSING_SECONDS:
        found = f"a container that says {promised:.1f} s, video up to {played:.1f} s"
        raise video_error(reader.path, found, "download or copy the file again")
    return len(times)
