"""Scaling whole frames down to even sizes, and turning levels into the planes of a video frame.

The scale is that of :mod:`zsl_bench.video.transform`: the short side exactly as asked, the long
side rounded down. Where the long side comes out odd, one line at its edge is left out, the one that
the centre crop of evaluation does not miss, so that neither the scale nor the crop moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import VideoError

if TYPE_CHECKING:
    from collections.abc import Callable

    from av import VideoFrame

    from zsl_bench.preparation.codecs import Codec
    from zsl_bench.preparation.settings import PrepareSettings

_RED, _BLUE = np.float32(0.299), np.float32(0.114)
_HALF_A_LEVEL = np.float32(0.5)


def prepared_size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Return height and width of a prepared frame, in pixels, both even.

    Args:
        height: Height of the source's frames as displayed, in pixels.
        width: Width of the source's frames as displayed, in pixels.
        short_side: What the short side is scaled down to; None to keep the size.

    Raises:
        VideoError: The frames have a side of a single pixel.
    """
    scaled = _scaled_size(height, width, short_side)
    if min(scaled) < 2:
        raise VideoError(
            "prepare a video", found=f"frames of {width} x {height}", fix="leave out the file"
        )
    return scaled[0] // 2 * 2, scaled[1] // 2 * 2


def _scaled_size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    short, long = sorted((height, width))
    if short_side is None or short <= short_side:
        return height, width
    other = int(short_side * long / short)
    return (short_side, other) if height <= width else (other, short_side)


class FrameScaler:
    """Scales frames to the size that the first of them has when prepared.

    Frames of another size, which files with a change in the middle have, are fitted to it.

    Args:
        settings: Short side and scaler.
        height: Height of the first frame, in pixels.
        width: Width of the first frame, in pixels.

    Attributes:
        size: Height and width of what comes out, in pixels.
        fitted: How many frames had another size than the first.
    """

    def __init__(self, settings: PrepareSettings, height: int, width: int) -> None:
        self.size = prepared_size(height, width, settings.short_side)
        self.fitted = 0
        self._shape = (height, width, 3)
        scaled = _scaled_size(height, width, settings.short_side)
        self._rows, self._columns = (_kept(side) for side in scaled)
        self._scale = _make(settings.scaler, (height, width), scaled)
        self._others: dict[tuple[int, ...], Callable[[np.ndarray], np.ndarray]] = {}

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """Return a frame at the prepared size.

        Args:
            frame: Levels, shape (H, W, 3), uint8.

        Returns:
            Levels, shape (h, w, 3), uint8 or, unrounded, float32.
        """
        if frame.shape == self._shape:
            return self._scale(frame)[self._rows, self._columns]
        self.fitted += 1
        scale = self._others.get(frame.shape)
        if scale is None:
            scale = self._others[frame.shape] = _plain(frame.shape[:2], self.size)
        return scale(frame)


def _kept(side: int) -> slice:
    """Return an even run of a scaled side that holds the centre crops of sizes 0, 4, 8 and so on.

    Evaluation rounds half an edge to the even one, so that the line to leave out depends on the
    side. Its crop of 112 is such a size.
    """
    if not side % 2:
        return slice(0, side)
    first = (side - 1) // 2 % 2
    return slice(first, side - 1 + first)


def _make(
    scaler: str, source: tuple[int, int], target: tuple[int, int]
) -> Callable[[np.ndarray], np.ndarray]:
    if source == target:
        return lambda frame: frame
    return _plain(source, target) if scaler == "evaluation" else _swscale(scaler, target)


def _axis(side: int, target: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    step = np.float32(side) / np.float32(target)
    half = np.float32(0.5)
    place = np.maximum(step * (np.arange(target).astype(np.float32) + half) - half, np.float32(0))
    low = np.minimum(place.astype(np.int64), side - 1)
    weight = np.clip(place - low.astype(np.float32), np.float32(0), np.float32(1))
    return low, np.minimum(low + 1, side - 1), weight


def _plain(source: tuple[int, ...], target: tuple[int, int]) -> Callable[[np.ndarray], np.ndarray]:
    """Make evaluation's bilinear resize, unrounded, of whole frames."""
    (height, width), (rows, columns) = source, target
    above, below, row_weight = _axis(height, rows)
    left, right, column_weight = _axis(width, columns)
    row_weight, column_weight = row_weight[:, None], column_weight[:, None]

    def scale(frame: np.ndarray) -> np.ndarray:
        lines = frame.reshape(height, width * 3)
        blended = _blend(lines[above], lines[below], row_weight)
        upright = np.ascontiguousarray(blended.T).reshape(width, 3 * rows)
        scaled = _blend(upright[left], upright[right], column_weight)
        return scaled.reshape(columns, 3, rows).transpose(2, 0, 1)

    return scale


def _blend(low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> np.ndarray:
    start, span = low.astype(np.float32), high.astype(np.float32)
    span -= start
    span *= weight
    start += span
    return start


def _swscale(scaler: str, target: tuple[int, int]) -> Callable[[np.ndarray], np.ndarray]:
    from av import VideoFrame
    from av.video.reformatter import Interpolation, VideoReformatter

    reformatter = VideoReformatter()
    flag = Interpolation[scaler.upper()]

    def scale(frame: np.ndarray) -> np.ndarray:
        plain = VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
        scaled: np.ndarray = reformatter.reformat(
            plain, width=target[1], height=target[0], interpolation=flag, threads=1
        ).to_ndarray()
        return scaled

    return scale


def to_video_frame(levels: np.ndarray, codec: Codec) -> VideoFrame:
    """Turn BGR levels into a tagged 4:2:0 frame that decodes to these levels.

    The matrix is BT.601's. Chroma is the mean of 2 x 2 pixels, because decoding repeats it so.
    Decoding rounds down where levels take 16 to 235; half a level makes up for that.

    Args:
        levels: BGR from 0 to 255, shape (h, w, 3), uint8 or float32, both sides even.
        codec: What will encode it.
    """
    from av import VideoFrame
    from av.video.reformatter import ColorRange, Colorspace

    blue, green, red = (levels[..., channel].astype(np.float32) for channel in range(3))
    luma = _RED * red + (1 - _RED - _BLUE) * green + _BLUE * blue
    chroma = [_mean_of_squares(blue - luma), _mean_of_squares(red - luma)]
    spans = np.float32(0.5) / (1 - np.array([_BLUE, _RED]))
    if not codec.full_range:
        luma = (luma + _HALF_A_LEVEL) * np.float32(219 / 255) + 16
        spans *= np.float32(224 / 255)
    samples = [luma, *(plane * span + 128 for plane, span in zip(chroma, spans, strict=True))]
    joined = np.concatenate([plane.ravel() for plane in samples]).reshape(-1, levels.shape[1])
    rounded = np.clip(np.rint(joined, out=joined), 0, 255, out=joined).astype(np.uint8)
    name = "yuvj420p" if codec.full_range else "yuv420p"
    frame = VideoFrame.from_ndarray(rounded, format=name)
    frame.colorspace = Colorspace.ITU601
    frame.color_range = ColorRange.JPEG if codec.full_range else ColorRange.MPEG
    return frame


def _mean_of_squares(plane: np.ndarray) -> np.ndarray:
    """Return the mean of every 2 x 2 pixels."""
    lines = plane[0::2] + plane[1::2]
    mean: np.ndarray = (lines[:, 0::2] + lines[:, 1::2]) * np.float32(0.25)
    return mean
