"""From a video file to the clips that a model is handed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ProtocolError
from zsl_bench.video.decode import VideoReader, video_error
from zsl_bench.video.policies import plan_clips
from zsl_bench.video.transform import FrameTransform

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.video.policies import ClipPlan, ClipPolicy
    from zsl_bench.video.transform import ClipSpec

_MISSING_FRAMES = 5
_MISSING_SHARE = 0.05
_MISSING_SECONDS = 1.0
_LEAST_PLAYED = 0.8


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoClips:
    """The clips of one video: every distinct frame once, every distinct clip once.

    Attributes:
        frames: Levels from 0 to 255, RGB, shape (U, 3, S, S), uint8 or float32.
        slots: Per distinct clip its frames, as positions in ``frames``, shape (K, T), int64.
        weights: How often the policy repeats each clip, shape (K,), int64.
        total: The frame count that the policy worked with.
        note: What is odd about the file, such as frames that do not decode; mostly empty.
    """

    frames: np.ndarray
    slots: np.ndarray
    weights: np.ndarray
    total: int
    note: str = ""

    def assemble(self) -> np.ndarray:
        """Return the distinct clips as one array of shape (K, T, 3, S, S)."""
        clips: np.ndarray = self.frames[self.slots]
        return clips


@dataclass(frozen=True, kw_only=True)
class _Extent:
    """The part of a video that is clipped.

    Attributes:
        first: Its first frame.
        total: Its frame count, as the policy should see it.
        readable: How many of its frames may be there at the most.
    """

    first: int
    total: int
    readable: int


def load_clips(
    path: Path | str,
    policy: ClipPolicy,
    spec: ClipSpec,
    *,
    start: float | None = None,
    end: float | None = None,
) -> VideoClips:
    """Decode the frames that a policy names and resize and crop them for a model.

    Frames are transformed while the file is decoded, so that only the crops are held. A whole video
    has the container's frame count; where there is none, ``official`` policies take duration times
    rate, as the released loader does, and the others count the packets. Where fewer frames decode,
    ``official`` policies pad with the last frame they read and the others start again from the
    number that decodes.

    Args:
        path: The video file.
        policy: Which frames.
        spec: What the model wants.
        start: Where a segment starts, in seconds; frames from this time on.
        end: Where a segment ends, in seconds; frames before this time.

    Raises:
        VideoError: The file is missing, damaged, cut short or no video, or the segment is empty.
        ProtocolError: The policy's clips do not have the frames that the model wants.
    """
    if policy.frames != spec.frames:
        raise ProtocolError(
            f"clip policy {policy.name!r}",
            found=f"clips of {policy.frames} frames for a model that takes {spec.frames}",
            fix="choose a policy with the model's frame count",
        )
    with VideoReader(path) as reader:
        extent = _extent(reader, policy, start, end)
        plan = plan_clips(policy, extent.total, available=extent.readable)
        frames, read = _transform(reader, extent.first + plan.frames, spec)
        if read == len(plan.frames):
            return _clips(plan, frames, extent.total)
        note = _check_shortfall(reader)
        available = min(reader.decoded - extent.first, extent.readable)
    if available < 1:
        raise video_error(reader.path, "no frame that decodes", "replace or leave out the file")
    fresh = plan_clips(policy, extent.total, available=available)
    frames = _move(reader, extent.first, plan.frames[:read], frames[:read], fresh.frames, spec)
    total = extent.total if policy.rule == "official" else available
    return _clips(fresh, frames, total, note)


def _clips(plan: ClipPlan, frames: np.ndarray, total: int, note: str = "") -> VideoClips:
    return VideoClips(frames=frames, slots=plan.slots, weights=plan.weights, total=total, note=note)


def _extent(
    reader: VideoReader, policy: ClipPolicy, start: float | None, end: float | None
) -> _Extent:
    official = policy.rule == "official"
    if start is None and end is None:
        counted = reader.promised or _count(reader)
        released = reader.declared or reader.estimated
        total = (official and released) or counted
        if not total:
            raise video_error(reader.path, "no frames", "replace or leave out the file")
        return _Extent(first=0, total=total, readable=total + policy.frames * official)
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
    return _Extent(first=first, total=stop - first, readable=stop - first)


def _count(reader: VideoReader) -> int:
    """Count the frames of a file whose container has no count, and see that it is whole."""
    times = reader.times()
    promised = reader.estimated / reader.fps if reader.fps else 0.0
    played = float(times[-1]) if len(times) else 0.0
    if played < _LEAST_PLAYED * promised and played < promised - _MISSING_SECONDS:
        found = f"a container that says {promised:.1f} s, video up to {played:.1f} s"
        raise video_error(reader.path, found, "download or copy the file again")
    return len(times)


def _check_shortfall(reader: VideoReader) -> str:
    """Tell a count that is slightly off, which is common, from a file that was cut short."""
    missing = reader.promised - reader.decoded
    if missing <= 0:
        return ""
    found = f"container says {reader.promised} frames, {reader.decoded} decode"
    if missing > max(_MISSING_FRAMES, _MISSING_SHARE * reader.promised):
        raise video_error(reader.path, found, "download or copy the file again")
    return found


def _transform(reader: VideoReader, wanted: np.ndarray, spec: ClipSpec) -> tuple[np.ndarray, int]:
    """Return room for all wanted crops, and how many of them, from the first on, are there."""
    crops = np.empty((len(wanted), 3, spec.size, spec.size), spec.dtype)
    transforms: dict[tuple[int, ...], FrameTransform] = {}
    read = 0
    for _, frame in reader.frames(wanted.tolist()):
        transform = transforms.get(frame.shape)
        if transform is None:
            height, width = frame.shape[:2]
            transform = transforms[frame.shape] = FrameTransform(spec, height, width, bgr=True)
        transform(frame, crops[read])
        read += 1
    return crops, read


def _move(
    reader: VideoReader,
    first: int,
    have: np.ndarray,
    crops: np.ndarray,
    wanted: np.ndarray,
    spec: ClipSpec,
) -> np.ndarray:
    """Return the wanted crops out of those at hand, reading once more for those that are not."""
    missing = np.setdiff1d(wanted, have)
    if not missing.size:
        return crops if len(wanted) == len(have) else crops[np.searchsorted(have, wanted)]
    with VideoReader(reader.path) as again:
        extra, read = _transform(again, first + missing, spec)
    if read < len(missing):
        raise video_error(reader.path, "frames that decode only sometimes", "replace the file")
    order = np.argsort(np.concatenate([have, missing]))
    known = np.sort(np.concatenate([have, missing]))
    return np.concatenate([crops, extra])[order[np.searchsorted(known, wanted)]]
