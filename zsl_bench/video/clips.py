"""From a video file to the clips that a model is handed."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import ProtocolError
from zsl_bench.video.decode import VideoReader, video_error
from zsl_bench.video.decoders import PYAV, UnsureError, open_reader
from zsl_bench.video.extent import check_shortfall, find_extent
from zsl_bench.video.policies import plan_clips
from zsl_bench.video.transform import FrameTransform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from zsl_bench.video.policies import ClipPlan, ClipPolicy
    from zsl_bench.video.transform import ClipSpec

_ALLOCATE: ContextVar[Callable[[tuple[int, ...], str], np.ndarray]] = ContextVar(
    "allocate", default=np.empty
)


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoClips:
    """The clips of one video: every distinct frame once, every distinct clip once.

    Attributes:
        frames: Levels from 0 to 255, RGB, shape (U, 3, S, S), uint8 or float32.
        slots: Per distinct clip its frames, as positions in ``frames``, shape (K, T), int64.
        weights: How often the policy repeats each clip, shape (K,), int64.
        total: The frame count that the policy worked with.
        note: What is odd about the file, such as frames that do not decode; mostly empty.
        decoder: What decoded the file, one of ``DECODERS``.
    """

    frames: np.ndarray
    slots: np.ndarray
    weights: np.ndarray
    total: int
    note: str = ""
    decoder: str = PYAV

    def assemble(self) -> np.ndarray:
        """Return the distinct clips as one array of shape (K, T, 3, S, S)."""
        clips: np.ndarray = self.frames[self.slots]
        return clips


@contextmanager
def frames_in(allocate: Callable[[tuple[int, ...], str], np.ndarray]) -> Iterator[None]:
    """Let :func:`load_clips` put frames into memory of the caller's own, such as shared memory.

    Where fewer frames decode than the container promises, what is handed out may lie elsewhere.

    Args:
        allocate: Returns an array of a shape and dtype, as :func:`numpy.empty` does.
    """
    before = _ALLOCATE.set(allocate)
    try:
        yield
    finally:
        _ALLOCATE.reset(before)


def load_clips(
    path: Path | str,
    policy: ClipPolicy,
    spec: ClipSpec,
    *,
    start: float | None = None,
    end: float | None = None,
    decoder: str = PYAV,
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
        decoder: What decodes, one of ``DECODERS``. Another one than PyAV decodes the files whose
            frames it is certain to number alike; PyAV decodes the others.

    Raises:
        VideoError: The file is missing, damaged, cut short or no video, or the segment is empty.
        ProtocolError: The policy's clips do not have the frames that the model wants.
        ZslBenchError: There is no such decoder, or it is not installed.
    """
    if policy.frames != spec.frames:
        raise ProtocolError(
            f"clip policy {policy.name!r}",
            found=f"clips of {policy.frames} frames for a model that takes {spec.frames}",
            fix="choose a policy with the model's frame count",
        )
    if decoder != PYAV:
        try:
            with open_reader(path, decoder) as reader:
                return replace(_load(reader, policy, spec, start, end), decoder=decoder)
        except UnsureError:
            pass
    with VideoReader(path, skip=True) as reader:
        return _load(reader, policy, spec, start, end)


def _load(
    reader: VideoReader,
    policy: ClipPolicy,
    spec: ClipSpec,
    start: float | None,
    end: float | None,
) -> VideoClips:
    official = policy.rule == "official"
    extent = find_extent(reader, start, end, released=policy.frames * official)
    plan = plan_clips(policy, extent.total, available=extent.readable)
    frames, read = _transform(reader, extent.first + plan.frames, spec)
    if read == len(plan.frames):
        return _clips(plan, frames, extent.total)
    note = check_shortfall(reader)
    available = min(reader.decoded - extent.first, extent.readable)
    if available < 1:
        raise video_error(reader.path, "no frame that decodes", "replace or leave out the file")
    fresh = plan_clips(policy, extent.total, available=available)
    frames = _move(reader, extent.first, plan.frames[:read], frames[:read], fresh.frames, spec)
    total = extent.total if official else available
    return _clips(fresh, frames, total, note)


def _clips(plan: ClipPlan, frames: np.ndarray, total: int, note: str = "") -> VideoClips:
    return VideoClips(frames=frames, slots=plan.slots, weights=plan.weights, total=total, note=note)


def _transform(reader: VideoReader, wanted: np.ndarray, spec: ClipSpec) -> tuple[np.ndarray, int]:
    """Return room for all wanted crops, and how many of them, from the first on, are there."""
    crops = _ALLOCATE.get()((len(wanted), 3, spec.size, spec.size), spec.dtype)
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
    with VideoReader(reader.path, skip=True) as again:
        extra, read = _transform(again, first + missing, spec)
    if read < len(missing):
        raise video_error(reader.path, "frames that decode only sometimes", "replace the file")
    order = np.argsort(np.concatenate([have, missing]))
    known = np.sort(np.concatenate([have, missing]))
    return np.concatenate([crops, extra])[order[np.searchsorted(known, wanted)]]
