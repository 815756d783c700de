"""Random clips of a video, randomly cropped and flipped, as training sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.video.decode import VideoReader, video_error
from zsl_bench.video.extent import check_shortfall, find_extent
from zsl_bench.video.transform import FrameTransform, resized_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.video.extent import Extent
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
    Frames are decoded in order, up to the end of the clip, from the last key frame before it where
    its number is certain (:mod:`.skipping`), and only the clip's own are converted.

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
    clip: np.ndarray = load_training_clips(path, spec, [rng], start=start, end=end, flip=flip)[0]
    return clip


def load_training_clips(
    path: Path | str,
    spec: ClipSpec,
    generators: Sequence[np.random.Generator],
    *,
    start: float | None = None,
    end: float | None = None,
    flip: bool = True,
) -> np.ndarray:
    """Decode one random clip for each generator, reading the file once.

    Clip ``k`` is to the bit what :func:`load_training_clip` makes of generator ``k``.

    Args:
        path: The video file.
        spec: What the model wants.
        generators: Where the randomness of each clip comes from.
        start: Where a segment starts, in seconds; frames from this time on.
        end: Where a segment ends, in seconds; frames before this time.
        flip: Whether to mirror at random.

    Returns:
        Levels from 0 to 255, RGB, shape (K, T, 3, S, S), uint8 or float32 as the spec says.

    Raises:
        VideoError: The file is missing, damaged, cut short or no video, the segment is empty, or
            the resized frames are smaller than the crop.
    """
    draws = [generator.random(4) for generator in generators]
    shape = (len(draws), spec.frames, 3, spec.size, spec.size)
    clips = np.empty(shape, spec.dtype)
    with VideoReader(path, skip=True) as reader:
        extent = find_extent(reader, start, end)
        views = [
            _View.make(spec, extent, d, clip, flip=flip)
            for d, clip in zip(draws, clips, strict=True)
        ]
        _read(reader, views, sorted({frame for view in views for frame in view.wanted}))
        if any(view.read < len(view.wanted) for view in views):
            check_shortfall(reader)
        last = reader.decoded - 1
    late = [view for view in views if not view.read]
    if late:
        _read_last(path, late, last, extent.first)
    for view in views:
        view.clip[view.read :] = view.clip[view.read - 1]
    return clips


def pick(draw: float, count: int) -> int:
    """Return one of ``count`` whole numbers from 0 on, for a draw that is uniform in [0, 1)."""
    return min(int(draw * count), count - 1)


@dataclass(kw_only=True, eq=False)
class _View:
    """One clip in the making.

    Attributes:
        spec: What the model wants.
        draws: Four numbers in [0, 1) for start, top, left and flip.
        clip: Room for its frames, ``(T, 3, S, S)``.
        wanted: Its frames in the file.
        mirrored: Whether left and right change places.
        read: How many of them are there.
        transforms: By the shape of a frame.
    """

    spec: ClipSpec
    draws: np.ndarray
    clip: np.ndarray
    wanted: range
    mirrored: bool
    read: int = 0
    transforms: dict[tuple[int, ...], FrameTransform] = field(default_factory=dict)

    @classmethod
    def make(
        cls, spec: ClipSpec, extent: Extent, draws: np.ndarray, clip: np.ndarray, *, flip: bool
    ) -> _View:
        first = extent.first + pick(draws[0], max(extent.total - spec.frames, 0) + 1)
        stop = min(first + spec.frames, extent.first + extent.total)
        mirrored = bool(flip and draws[3] < 0.5)
        return cls(spec=spec, draws=draws, clip=clip, wanted=range(first, stop), mirrored=mirrored)

    def add(self, frame: np.ndarray) -> None:
        transform = self.transforms.get(frame.shape)
        if transform is None:
            transform = self.transforms[frame.shape] = self._transform(frame.shape)
        room = self.clip[self.read]
        transform(frame, room[..., ::-1] if self.mirrored else room)
        self.read += 1

    def _transform(self, shape: tuple[int, ...]) -> FrameTransform:
        height, width = shape[:2]
        sides = resized_size(self.spec, height, width)
        top, left = (
            pick(draw, max(side - self.spec.size, 0) + 1)
            for draw, side in zip(self.draws[1:3], sides, strict=True)
        )
        return FrameTransform(self.spec, height, width, bgr=True, offset=(top, left))


def _read(reader: VideoReader, views: Sequence[_View], wanted: Sequence[int]) -> None:
    for index, frame in reader.frames(wanted):
        for view in views:
            if index in view.wanted:
                view.add(frame)


def _read_last(path: Path | str, views: Sequence[_View], last: int, first: int) -> None:
    """Give the last frame that decodes to views that lie behind it."""
    if last < first:
        raise video_error(Path(path), "no frame that decodes", "replace or leave out the file")
    for view in views:
        view.wanted = range(last, last + 1)
    with VideoReader(path, skip=True) as reader:
        _read(reader, views, [last])
