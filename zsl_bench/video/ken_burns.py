"""Ken Burns clips: a video made of one image, by a crop that moves and zooms.

The geometry is that of the paper's released code: a start and an end box are drawn at random, 16
boxes are interpolated linearly between them, and each crop is resized to 112 x 112. Nothing is
mirrored. Two things differ on purpose. An image whose short side is still under the crop after
scaling (87 to 111 pixels, where the released code would run past the edge) is scaled up until it
holds one crop. And torch's antialiased bilinear resize of uint8 images stands in for Pillow's,
which it meets within two levels in under half the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import VideoError
from zsl_bench.video.image_files import read_image
from zsl_bench.video.training_clips import pick

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zsl_bench.video.transform import ClipSpec

    _Sides = tuple[int, int]

_SIZE = 112
_HIGHEST = 512
_LOWEST = 172
_MOST_SCALED = 100_000_000


def scaled_size(height: int, width: int, *, size: int = _SIZE) -> tuple[int, int]:
    """Return height and width that an image is scaled to before crops are cut, in pixels.

    A short side above 512 becomes 512. One below 172 is multiplied by the whole part of
    172 / short side, which is 1 from 87 on; one that is then still under 112 becomes 112. For
    another ``size`` the two bounds change in proportion. The long side is rounded.
    """
    short = min(height, width)
    highest, lowest = _HIGHEST * size // _SIZE, _LOWEST * size // _SIZE
    wanted = min(short, highest) if short >= lowest else max(lowest // short * short, size)
    return round(height * wanted / short), round(width * wanted / short)


def ken_burns_boxes(
    height: int, width: int, rng: np.random.Generator, *, frames: int = 16, size: int = _SIZE
) -> np.ndarray:
    """Draw the boxes of a clip.

    The start box has its top uniform in [0, max(height - size, 1)), its left likewise, and its side
    uniform in [size, max(min(height - top, width - left), size + 1)), all whole numbers; the end
    box is drawn the same way. Between them top, left and side go linearly, each rounded down. Six
    numbers are drawn from ``rng``, whatever the image.

    Args:
        height: Height of the scaled image, in pixels.
        width: Width of the scaled image, in pixels.
        rng: Where the randomness comes from.
        frames: Number of boxes T.
        size: Shortest side of a box, in pixels.

    Returns:
        Top, left and side, in pixels, shape (T, 3), int64; every box lies in the image.

    Raises:
        VideoError: The image is smaller than ``size``.
    """
    if min(height, width) < size:
        raise VideoError(
            f"Ken Burns boxes of at least {size} pixels",
            found=f"an image of {width} x {height}",
            fix="scale it up first",
        )
    start, end = (_draw_box(height, width, size, draws) for draws in rng.random((2, 3)))
    steps = [np.linspace(low, high, frames) for low, high in zip(start, end, strict=True)]
    return np.stack(steps, axis=1).astype(np.int64)


def ken_burns_clip(image: np.ndarray, boxes: np.ndarray, *, size: int = _SIZE) -> np.ndarray:
    """Cut boxes out of an image and resize each to a square, bilinearly with antialiasing.

    Args:
        image: Levels, RGB, shape (H, W, 3), uint8.
        boxes: Top, left and side of each crop, in pixels, shape (T, 3), whole numbers.
        size: Side of the squares S, in pixels.

    Returns:
        Levels, RGB, shape (T, 3, S, S), uint8.

    Raises:
        VideoError: The image is not uint8 of that shape, or a box is empty or not inside it.
    """
    _check_image(image)
    _check_boxes(image, boxes)
    resize = _resizer()
    rows = np.ascontiguousarray(image).reshape(len(image), -1)
    longest = int(boxes[:, 2].max())
    pixels = np.empty(3 * longest * longest, np.uint8)
    clip = np.empty((len(boxes), 3, size * size), np.uint8)
    for planes, (top, left, side) in zip(clip, boxes.tolist(), strict=True):
        crop = pixels[: 3 * side * side]
        np.copyto(crop.reshape(side, -1), rows[top : top + side, 3 * left : 3 * (left + side)])
        resized = resize(crop, (side, side), (size, size))
        np.copyto(planes, resized.reshape(-1, 3).T)
    return clip.reshape(len(boxes), 3, size, size)


def load_image_clip(path: Path | str, spec: ClipSpec, rng: np.random.Generator) -> np.ndarray:
    """Read an image and make a random Ken Burns clip of it.

    Args:
        path: The image file.
        spec: What the model wants: ``frames``, ``size`` and ``dtype`` are used.
        rng: Where the randomness comes from; six numbers are drawn.

    Returns:
        Levels from 0 to 255, RGB, shape (T, 3, S, S), uint8 or float32 as the spec says.

    Raises:
        VideoError: The file is missing, damaged or no image, is larger than ``MOST_PIXELS``, or so
            narrow a strip that it would be after scaling.
    """
    image = scale_image(read_image(path), size=spec.size)
    height, width = image.shape[:2]
    boxes = ken_burns_boxes(height, width, rng, frames=spec.frames, size=spec.size)
    return ken_burns_clip(image, boxes, size=spec.size).astype(spec.dtype, copy=False)


def scale_image(image: np.ndarray, *, size: int = _SIZE) -> np.ndarray:
    """Scale an image for crops of ``size``, bilinearly with antialiasing; see :func:`scaled_size`.

    Args:
        image: Levels, RGB, shape (H, W, 3), uint8.
        size: Side of the crops, in pixels.

    Returns:
        Levels, RGB, shape (H', W', 3), uint8.

    Raises:
        VideoError: The image is not uint8 of that shape, or would have over 100 million pixels.
    """
    _check_image(image)
    height, width = image.shape[:2]
    scaled = scaled_size(height, width, size=size)
    if scaled == (height, width):
        return image
    if scaled[0] * scaled[1] > _MOST_SCALED:
        raise VideoError(
            f"Ken Burns clip of an image of {width} x {height}",
            found=f"a strip that scales to {scaled[1]} x {scaled[0]}",
            fix="leave the image out, or cut it",
        )
    pixels = np.require(image, requirements=("C", "W")).reshape(-1)
    return _resizer()(pixels, (height, width), scaled)


def _draw_box(height: int, width: int, size: int, draws: np.ndarray) -> tuple[int, int, int]:
    top = pick(draws[0], max(height - size, 1))
    left = pick(draws[1], max(width - size, 1))
    room = max(min(height - top, width - left), size + 1)
    return top, left, size + pick(draws[2], room - size)


def _resizer() -> Callable[[np.ndarray, _Sides, _Sides], np.ndarray]:
    """Make a resize of RGB pixels that lie one after the other to an image (H', W', 3).

    Torch resizes such pixels as they lie, if the stride of the batch axis is right too; any other
    order it turns around before and after, at half the speed.
    """
    import torch
    from torch.nn.functional import interpolate

    def resize(pixels: np.ndarray, sides: _Sides, size: _Sides) -> np.ndarray:
        image = torch.from_numpy(pixels).view(1, *sides, 3).permute(0, 3, 1, 2)
        resized = interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)
        return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())

    return resize


def _check_image(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise VideoError(
            "Ken Burns clip",
            found=f"an array of shape {image.shape} and type {image.dtype}",
            fix="give uint8 of shape (height, width, 3)",
        )


def _check_boxes(image: np.ndarray, boxes: np.ndarray) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 3 or not len(boxes) or boxes.dtype.kind not in "iu":
        raise VideoError(
            "Ken Burns clip",
            found=f"boxes of shape {boxes.shape} and type {boxes.dtype}",
            fix="give whole numbers of shape (frames, 3): top, left, side",
        )
    height, width = image.shape[:2]
    if not all(
        side >= 1 and 0 <= top <= height - side and 0 <= left <= width - side
        for top, left, side in boxes.tolist()
    ):
        raise VideoError(
            "Ken Burns clip",
            found=f"a box that is empty or leaves the image of {width} x {height}",
            fix="draw the boxes for this image",
        )
