"""What a model is handed: frames resized to a short side and cropped, in the middle or elsewhere.

The bilinear resize without antialiasing is the paper's. It is computed here, on the source rows
and columns that the crop needs, with the coordinates and weights of
:func:`torch.nn.functional.interpolate` rounded exactly as torch rounds them. Bicubic and
antialiased resizing, for other model families, goes through torch itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from importlib import metadata
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from zsl_bench.errors import ModelError, VideoError, near_matches

if TYPE_CHECKING:
    from collections.abc import Callable

ResizeRule = Literal["brattoli2020", "scale-factor", "exact"]
Interpolation = Literal["bilinear", "bicubic"]

_CHOICES: dict[str, tuple[object, ...]] = {
    "resize": get_args(ResizeRule),
    "interpolation": get_args(Interpolation),
    "antialias": (False, True),
    "crop": ("center", "center-down", "squash"),
    "dtype": ("uint8", "float32"),
}
_LARGEST = 65_536
_RESIZE_VERSION = 1
_TURNED_AT_ONCE = 56


@dataclass(frozen=True, kw_only=True)
class ClipSpec:
    """What a model wants to be handed. Pixels are levels from 0 to 255, RGB, in either dtype.

    Attributes:
        frames: Frames in a clip.
        size: Side of the square crop, in pixels.
        short_side: What the short side of a frame is resized to before the crop.
        resize: ``brattoli2020`` is the released code under the torch of its day: the output size is
            rounded down and the scale is recomputed from it. ``scale-factor`` is the same code
            under today's torch, which keeps the scale that it was given. ``exact`` is torchvision's
            ``Resize``: the short side is exactly ``short_side``, the long side is rounded down.
        interpolation: ``bilinear`` or ``bicubic``.
        antialias: Whether a smaller image is low-pass filtered.
        crop: ``center``; the offset is ``round((side - size) / 2)``, half to even. ``center-down``
            rounds it down, as transformers does where torchvision does not. ``squash`` crops
            nothing: a frame becomes ``size`` x ``size`` whatever its shape; ``short_side`` is then
            ``size`` and ``resize`` is ``exact``.
        dtype: ``float32`` keeps the unrounded levels (bicubic ones may leave [0, 255]). ``uint8``
            is what torch makes of uint8 images where ``antialias`` is set, and elsewhere the
            float levels, clipped and rounded half to even.
    """

    frames: int = 16
    size: int = 112
    short_side: int = 128
    resize: ResizeRule = "brattoli2020"
    interpolation: Interpolation = "bilinear"
    antialias: bool = False
    crop: Literal["center", "center-down", "squash"] = "center"
    dtype: Literal["uint8", "float32"] = "uint8"

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            ModelError: A field has a value that is not offered, or the crop exceeds the short side.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _CHOICES:
                _check_choice(field.name, value)
            else:
                _check_count(field.name, value)
        if self.size > self.short_side:
            raise ModelError(
                f"clip spec with a crop of {self.size}",
                found=f"a short side of {self.short_side}",
                fix="choose a short side that is at least the crop",
            )
        if self.crop == "squash" and (self.size != self.short_side or self.resize != "exact"):
            raise ModelError(
                "clip spec with crop='squash'",
                found=f"size {self.size}, short side {self.short_side}, resize={self.resize!r}",
                fix="give size and short_side the same number, and resize='exact'",
            )


def resized_size(spec: ClipSpec, height: int, width: int) -> tuple[int, int]:
    """Return height and width of a resized frame, in pixels.

    Under ``brattoli2020`` and ``scale-factor`` each side is ``floor(side * (short_side / short))``
    in double precision, so that the short side can come out one pixel short (322 gives 127).
    """
    if spec.crop == "squash":
        return spec.size, spec.size
    short, long = sorted((height, width))
    if spec.resize == "exact":
        other = int(spec.short_side * long / short)
        return (spec.short_side, other) if height <= width else (other, spec.short_side)
    scale = spec.short_side / short
    return math.floor(height * scale), math.floor(width * scale)


def crop_offsets(
    spec: ClipSpec, height: int, width: int, offset: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Return the top and left edge of the crop of a resized frame, in pixels.

    Args:
        spec: What the model wants.
        height: Height of the resized frame, in pixels.
        width: Width of the resized frame, in pixels.
        offset: The edges that are asked for; None for the centre crop.

    Raises:
        VideoError: The resized frame is smaller than the crop, or does not hold it there.
    """
    if min(height, width) < spec.size:
        raise VideoError(
            f"crop of {spec.size} x {spec.size}",
            found=f"a frame that resizes to {width} x {height}",
            fix="use resize='exact' or a short side one pixel longer",
        )
    if offset is None and spec.crop == "center-down":
        return (height - spec.size) // 2, (width - spec.size) // 2
    if offset is None:
        return round((height - spec.size) / 2), round((width - spec.size) / 2)
    top, left = offset
    if not (0 <= top <= height - spec.size and 0 <= left <= width - spec.size):
        raise VideoError(
            f"crop of {spec.size} x {spec.size} at top {top}, left {left}",
            found=f"a frame that resizes to {width} x {height}",
            fix="give an offset that keeps the crop inside",
        )
    return top, left


class FrameTransform:
    """Resize and crop frames of one size; the buffers are kept from frame to frame.

    An instance serves one thread.

    Args:
        spec: What the model wants.
        height: Height of the frames, in pixels.
        width: Width of the frames, in pixels.
        bgr: Whether the frames come as BGR instead of RGB; what goes out is always RGB.
        offset: Top and left edge of the crop in the resized frame, in pixels; None for the centre.

    Raises:
        VideoError: The resized frame is smaller than the crop, or does not hold it at the offset.
    """

    def __init__(
        self,
        spec: ClipSpec,
        height: int,
        width: int,
        *,
        bgr: bool = False,
        offset: tuple[int, int] | None = None,
    ) -> None:
        self.shape = (height, width, 3)
        plain = spec.interpolation == "bilinear" and not spec.antialias
        make = _plain_bilinear if plain else _through_torch
        self._apply = make(spec, height, width, offset)
        self._order = slice(None, None, -1) if bgr else slice(None)

    def __call__(self, frame: np.ndarray, out: np.ndarray) -> None:
        """Write a frame's resized crop into ``out``.

        Args:
            frame: Levels, shape (H, W, 3), uint8.
            out: Where the RGB planes go, shape (3, S, S), uint8 or float32 as the spec says.
        """
        self._apply(frame, out[self._order])


def resizer_id(spec: ClipSpec) -> str:
    """Return what resizes under a spec, with its version, as a result's identity holds it."""
    if spec.interpolation == "bilinear" and not spec.antialias:
        return f"zsl-bench {_RESIZE_VERSION}"
    return f"torch {metadata.version('torch')}"


def transform_frames(frames: np.ndarray, spec: ClipSpec) -> np.ndarray:
    """Resize and crop RGB frames.

    Args:
        frames: Levels, shape (U, H, W, 3), uint8.
        spec: What the model wants.

    Returns:
        Levels, shape (U, 3, S, S), uint8 or float32 as the spec says.

    Raises:
        VideoError: The frames are not uint8 of that shape, or resize to less than the crop.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or 0 in frames.shape:
        raise VideoError(
            "transform frames",
            found=f"an array of shape {frames.shape} and type {frames.dtype}",
            fix="give uint8 of shape (frames, height, width, 3)",
        )
    transform = FrameTransform(spec, *frames.shape[1:3])
    result = np.empty((len(frames), 3, spec.size, spec.size), spec.dtype)
    for frame, out in zip(frames, result, strict=True):
        transform(frame, out)
    return result


def _check_choice(name: str, value: object) -> None:
    choices = _CHOICES[name]
    if not any(value is choice or value == choice for choice in choices):
        raise ModelError(
            f"clip spec with {name}={value!r}",
            found="no such choice",
            fix=near_matches(str(value), map(str, choices)),
        )


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST:
        raise ModelError(
            f"clip spec with {name}={value!r}",
            found="no whole number in range",
            fix=f"give a whole number from 1 to {_LARGEST}",
        )


@dataclass(frozen=True)
class _Axis:
    """Where the crop's pixels come from along one axis: two source positions and a weight."""

    low: np.ndarray
    high: np.ndarray
    weight: np.ndarray

    @property
    def unchanged(self) -> bool:
        """Whether the crop's pixels are neighbouring ones of the source."""
        neighbours = np.arange(len(self.low)) + self.low[0]
        return not self.weight.any() and np.array_equal(self.low, neighbours)

    @staticmethod
    def of(spec: ClipSpec, side: int, short: int, resized: int, offset: int) -> _Axis:
        one = np.float32(1)
        half = np.float32(0.5)
        if spec.resize == "scale-factor":
            step = np.float32(1.0 / (spec.short_side / short))
        else:
            step = np.float32(side) / np.float32(resized)
        target = np.arange(offset, offset + spec.size).astype(np.float32)
        source = np.maximum(step * (target + half) - half, np.float32(0))
        low = np.minimum(source.astype(np.int64), side - 1)
        weight = np.clip(source - low.astype(np.float32), np.float32(0), one)
        return _Axis(low, np.minimum(low + 1, side - 1), weight)


def _plain_bilinear(
    spec: ClipSpec, height: int, width: int, offset: tuple[int, int] | None
) -> Callable[[np.ndarray, np.ndarray], None]:
    """Make a resize that blends rows first, then, on the transposed array, columns."""
    resized = resized_size(spec, height, width)
    top, left = crop_offsets(spec, *resized, offset)
    short, size = min(height, width), spec.size
    rows = _Axis.of(spec, height, short, resized[0], top)
    columns = _Axis.of(spec, width, short, resized[1], left)
    if rows.unchanged and columns.unchanged:
        return _plain_cut(int(rows.low[0]), int(columns.low[0]), size)
    first, end = int(columns.low[0]), int(columns.high[-1]) + 1
    column_low, column_high = columns.low - first, columns.high - first
    across = (end - first) * 3
    row_weight = np.repeat(rows.weight, across).reshape(size, across)
    column_weight = np.repeat(columns.weight, 3 * size).reshape(size, 3 * size)
    above, below = np.empty((2, size, across), np.float32)
    turned = np.empty((across, size), np.float32)
    before, after = np.empty((2, size, 3 * size), np.float32)
    rounded = spec.dtype == "uint8"

    def apply(frame: np.ndarray, out: np.ndarray) -> None:
        source = frame[:, first:end].reshape(height, across)
        np.copyto(above, source[rows.low])
        np.copyto(below, source[rows.high])
        _blend(above, below, row_weight)
        for start in range(0, size, _TURNED_AT_ONCE):
            part = slice(start, start + _TURNED_AT_ONCE)
            np.copyto(turned[:, part], above[part].T)
        pixels = turned.reshape(-1, 3 * size)
        np.take(pixels, column_low, axis=0, out=before, mode="clip")
        np.take(pixels, column_high, axis=0, out=after, mode="clip")
        _blend(before, after, column_weight)
        if rounded:
            np.rint(before, out=before)
        planes = before.reshape(size, 3, size).transpose(1, 2, 0)
        for plane, target in zip(planes, out, strict=True):
            np.copyto(target, plane, casting="unsafe")

    return apply


def _plain_cut(top: int, left: int, size: int) -> Callable[[np.ndarray, np.ndarray], None]:
    """Make the resize of what has the wanted size: a crop."""

    def apply(frame: np.ndarray, out: np.ndarray) -> None:
        crop = frame[top : top + size, left : left + size]
        np.copyto(out, crop.transpose(2, 0, 1), casting="unsafe")

    return apply


def _blend(low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> None:
    np.subtract(high, low, out=high)
    np.multiply(high, weight, out=high)
    np.add(low, high, out=low)


def _through_torch(
    spec: ClipSpec, height: int, width: int, offset: tuple[int, int] | None
) -> Callable[[np.ndarray, np.ndarray], None]:
    """Make a resize by torch of the whole frame; uint8 in and out where torch antialiases it."""
    import torch
    from torch.nn.functional import interpolate

    resized = resized_size(spec, height, width)
    top, left = crop_offsets(spec, *resized, offset)
    scale = spec.short_side / min(height, width)
    given = {"scale_factor": scale} if spec.resize == "scale-factor" else {"size": resized}
    stays_uint8 = spec.dtype == "uint8" and spec.antialias

    def apply(frame: np.ndarray, out: np.ndarray) -> None:
        image = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
        image = interpolate(
            image if stays_uint8 else image.to(torch.float32),
            mode=spec.interpolation,
            align_corners=False,
            antialias=spec.antialias,
            **given,
        )[0, :, top : top + spec.size, left : left + spec.size]
        if spec.dtype == "uint8" and not stays_uint8:
            image = image.clamp(0, 255).round()
        np.copyto(out, image.numpy(), casting="unsafe")

    return apply
