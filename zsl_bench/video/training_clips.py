"""One random clip of a video, randomly cropped and flipped, as training sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.video.decode import VideoReader, video_error
from zsl_bench.video.extent import check_shortfall, find_extent
from zsl_bench.video.transform import FrameTransform, resized_size

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.video.transform import ClipSpec


def load_training_clip(
    path: Path | str,
    spec: ClipSpec,
    rng: np.random.Generator,
    *,
    start: float | None = None,
    end: float | None = None,
    flip: bool = True,
) -> np.ndarray:
    """Decode ``spec.frames`` consecutive frames from a random one on, cropped at a random place.

    The first frame is uniform over all possible ones, 0 to total - T. (The released code draws it
    from a half-open range and so never takes the last possible start.) A video shorter than the
    clip gives its frames and copies of the last one. The short side is resized by the rule of the
    spec; the whole clip has one crop, whose top and left edge are uniform over all that fit, and is
    mirrored in one case of two.

    Four numbers are drawn from ``rng``, for start, top, left and flip, before the file is opened
    and whether or not ``flip`` is set: the clip depends on the generator's state and the file only.
    Frames are decoded once, in order, up to the end of the clip, and only its own are converted.

    The frame count is the container's or, where it has none, that of the packets. Where fewer
    frames decode, copies of the last one that does stand in for the others.

    Args:
        path: The video file.
        spec: What the model wants. Its ``crop`` is for evaluation and not looked at.
        rng: Where the randomness comes from.
        start: Where a segment starts, in seconds; frames from this time on.
        end: Where a segment ends, in seconds; frames before this time.
        flip: Whether to mirror at random.

    Returns:
        Levels from 0 to 255, RGB, shape (T, 3, S, S), uint8 or float32 as the spec says.

    Raises:
        VideoError: The file is missing, damaged, cut short or no video, the segment is empty, or
            the resized frames are smaller than the crop.
    """
    draws = rng.random(4)
    clip = np.empty((spec.frames, 3, spec.size, spec.size), spec.dtype)
    with VideoReader(path) as reader:
        extent = find_extent(reader, start, end)
        first = extent.first + pick(draws[0], max(extent.total - spec.frames, 0) + 1)
        stop = min(first + spec.frames, extent.first + extent.total)
        read = _read(reader, range(first, stop), spec, draws[1:3], clip)
        if read < stop - first:
            check_shortfall(reader)
        last = reader.decoded - 1
    if not read:
        if last < extent.first:
            raise video_error(reader.path, "no frame that decodes", "replace or leave out the file")
        with VideoReader(path) as again:
            read = _read(again, range(last, last + 1), spec, draws[1:3], clip)
    clip[read:] = clip[read - 1]
    if flip and draws[3] < 0.5:
        return np.ascontiguousarray(clip[..., ::-1])
    return clip


def pick(draw: float, count: int) -> int:
    """Return one of ``count`` whole numbers from 0 on, for a draw that is uniform in [0, 1)."""
    return min(int(draw * count), count - 1)


def _read(
    reader: VideoReader, wanted: range, spec: ClipSpec, draws: np.ndarray, clip: np.ndarray
) -> int:
    """Write the crops of the wanted frames into the clip, and return how many there are."""
    transforms: dict[tuple[int, ...], FrameTransform] = {}
    read = 0
    for _, frame in reader.frames(wanted):
        transform = transforms.get(frame.shape)
        if transform is None:
            transform = transforms[frame.shape] = _random_crop(spec, frame.shape, draws)
        transform(frame, clip[read])
        read += 1
    return read


def _random_crop(spec: ClipSpec, shape: tuple[int, ...], draws: np.ndarray) -> FrameTransform:
    height, width = shape[:2]
    sides = resized_size(spec, height, width)
    top, left = (
        pick(draw, max(side - spec.size, 0) + 1) for draw, side in zip(draws, sides, strict=True)
    )
    return FrameTransform(spec, height, width, bgr=True, offset=(top, left))
