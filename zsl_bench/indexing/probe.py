"""What one file is: the record of it, and the look at the disk that comes before opening it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from zsl_bench.datasets.scan import IMAGE_SUFFIXES
from zsl_bench.files import sha256_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zsl_bench.videos import Video

Level = Literal["names", "quick", "decode"]
Problem = Literal["empty", "unreachable", "changing", "truncated", "undecodable", "segment-outside"]

LEVELS: tuple[Level, ...] = ("names", "quick", "decode")
"""How thorough a check is, the least first."""

Segment = tuple[float | None, float | None]
"""Start and end in seconds, None for those of the file."""

WHOLE: Segment = (None, None)
_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class SegmentProbe:
    """What an evaluation would find in a segment of a file, or in the whole of it.

    Attributes:
        start: Where the segment starts, in seconds; None for the file's start.
        end: Where it ends; None for the file's end.
        frames: How many frames of it there are; None where that is not known.
        problem: Why it cannot be read, or None.
        reason: The same in words.
        note: What is odd about the frame count, although it can be read.
    """

    start: float | None
    end: float | None
    frames: int | None = None
    problem: Problem | None = None
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileProbe:
    """What one file is, as far as a check looked.

    Attributes:
        path: Where it lies below the manifest's root.
        level: How far the check looked.
        size: Bytes.
        mtime_ns: Time of its last change, in nanoseconds.
        container: Name of the container format, or the extension of an image.
        codec: Name of the video codec.
        width: Width in pixels, as displayed.
        height: Height in pixels, as displayed.
        fps: Frames per second, on average.
        declared: How many frames the container says are shown.
        packets: How many packets with a frame there are.
        decoded: How many frames decode, where all were decoded.
        duration: Seconds.
        sha256: Digest of the content, where it was asked for.
        problem: Why it cannot be read as a whole, or None.
        reason: The same in words.
        note: What is odd about its frame count, although it can be read.
        segments: What was found in the segments that were asked for.
    """

    path: str
    level: Level
    size: int = 0
    mtime_ns: int = 0
    container: str | None = None
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    declared: int | None = None
    packets: int | None = None
    decoded: int | None = None
    duration: float | None = None
    sha256: str | None = None
    problem: Problem | None = None
    reason: str = ""
    note: str = ""
    segments: tuple[SegmentProbe, ...] = ()

    @property
    def frames(self) -> int | None:
        """Number of frames: those that decode, else those that there are packets of."""
        return self.packets if self.decoded is None else self.decoded

    def part(self, segment: Segment) -> SegmentProbe:
        """Return what there is of a row: of the whole file, or of a segment that was asked for."""
        if segment != WHOLE:
            for found in self.segments:
                if (found.start, found.end) == segment:
                    return found
        start, end = segment
        return SegmentProbe(
            start=start,
            end=end,
            frames=self.frames if segment == WHOLE else None,
            problem=self.problem,
            reason=self.reason,
            note=self.note,
        )

    def covers(self, level: Level, segments: Iterable[Segment]) -> bool:
        """Return whether a check at a level, of some segments, would learn nothing more."""
        if LEVELS.index(self.level) < LEVELS.index(level):
            return False
        if not self.opened:
            return level == "names" or self.problem is not None
        known = {(found.start, found.end) for found in self.segments}
        return known.issuperset(segments)

    @property
    def opened(self) -> bool:
        """Whether the file could be opened and a frame of it decoded."""
        return self.width is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeTask:
    """One file to look at.

    Attributes:
        place: The file.
        path: Its path below the manifest's root.
        level: How far to look; ``names`` where only the digest is wanted.
        digest: Whether to hash the content.
        segments: Segments of it that are rows.
    """

    place: Path
    path: str
    level: Level
    digest: bool = False
    segments: tuple[Segment, ...] = ()


def segment_of(video: Video) -> Segment:
    """Return the start and the end of a row."""
    return video.start, video.end


def probe_file(task: ProbeTask) -> FileProbe:
    """Look at a file, again where it changes meanwhile.

    Nothing that is wrong with a file is an error: the record's ``problem`` says it.
    """
    found = look_at(task.place, task.path)
    for _ in range(_ATTEMPTS):
        if found.problem is not None:
            return replace(found, level=task.level)
        before, found = found, _open_file(task, found)
        after = look_at(task.place, task.path)
        if (after.size, after.mtime_ns) == (before.size, before.mtime_ns):
            return found
        found = after
    return changed(replace(found, level=task.level))


def changed(found: FileProbe) -> FileProbe:
    """Return what is known of a file that does not stay the same."""
    return replace(found, problem="changing", reason="the file changed while it was read")


def look_at(place: Path, path: str) -> FileProbe:
    """Return what is known of a file that is not opened: its size, and whether it is one."""
    try:
        status = place.stat()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        if place.is_symlink():
            reason = f"a link to a file that cannot be reached ({reason})"
        return FileProbe(path=path, level="names", problem="unreachable", reason=reason)
    known = FileProbe(path=path, level="names", size=status.st_size, mtime_ns=status.st_mtime_ns)
    if not stat.S_ISREG(status.st_mode):
        return replace(known, problem="unreachable", reason="not a regular file")
    if not status.st_size:
        return replace(known, problem="empty", reason="zero length")
    if not os.access(place, os.R_OK):
        return replace(known, problem="unreachable", reason="no permission to read it")
    return known


def _open_file(task: ProbeTask, known: FileProbe) -> FileProbe:
    from zsl_bench.indexing.reading import read_picture, read_video

    try:
        if task.level != "names":
            read = read_picture if is_image(task.path) else read_video
            known = read(task, known)
        return replace(known, sha256=sha256_file(task.place)) if task.digest else known
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return replace(known, level=task.level, problem="unreachable", reason=reason)


def is_image(path: str) -> bool:
    """Return whether a row's file is read as an image, by its extension."""
    return os.path.splitext(path)[1].casefold() in IMAGE_SUFFIXES  # noqa: PTH122 - 100,000 times
