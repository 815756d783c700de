"""What an image or video processor of transformers does to a frame, as a declaration.

A processor's resize and crop are declared in a :class:`ClipSpec`, so that the harness makes the
frames; its scale, shift and any crop that a clip spec cannot state are left to the adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Any

from zsl_bench.adapters.common import PixelScale
from zsl_bench.errors import ModelError
from zsl_bench.video import ClipSpec

if TYPE_CHECKING:
    from torch import Tensor

    from zsl_bench.video.transform import Interpolation

_INTERPOLATIONS: dict[int, Interpolation] = {2: "bilinear", 3: "bicubic"}
_OTHERS = {0: "nearest", 1: "lanczos", 4: "box", 5: "hamming"}
_FIX = "give a model whose processor makes square frames of one size"
_RESIZE_FIX = "give a model that resizes bilinearly or bicubically"
_LEVELS = 255.0


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """From frames to what the network takes.

    Attributes:
        clip: Resize and crop, for the harness.
        size: Side of the square that the network takes, in pixels; smaller than ``clip.size`` where
            a processor squashes a frame and crops the square.
        mean: Mean of the three colours, of levels from 0 to 1.
        std: Their deviation.
        patch: Side of the patches, in pixels, for a network that is handed patches; None for one
            that takes frames.
    """

    clip: ClipSpec
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    patch: int | None = None

    def scale(self) -> PixelScale:
        """Return the scale of the pixels."""
        return PixelScale(self.mean, self.std)

    def cut(self, pixels: Tensor) -> Tensor:
        """Return the central square of pixels ``(..., H, W)`` that the network takes."""
        offset = (self.clip.size - self.size) // 2
        if self.clip.size == self.size:
            return pixels
        return pixels[..., offset : offset + self.size, offset : offset + self.size]


def read_preprocessing(processor: Any, *, frames: int, asked: str) -> Preprocessing:  # noqa: ANN401
    """Read what a processor does to a frame.

    A processor that keeps a frame's shape and cuts nothing is read as cutting the central square.
    One that makes patches of any shape (SigLIP 2 NaFlex) is handed the largest square of patches
    that it takes. Where the margin around a crop is odd, the crop may lie one pixel from that of
    the library, which rounds the offset down and not half to even.

    Args:
        processor: An image or video processor of transformers.
        frames: Frames in a clip.
        asked: What is being loaded, for messages.

    Raises:
        ModelError: The frames that it makes are not square or of no fixed size, or it resizes in a
            way that the harness does not offer.
    """
    mean, std = _scale_of(processor)
    patch = getattr(processor, "patch_size", None)
    patches = getattr(processor, "max_num_patches", None)
    if isinstance(patch, int) and isinstance(patches, int):
        side = isqrt(patches) * patch
        clip = _clip(processor, frames, (side, side), squash=False, asked=asked)
        return Preprocessing(clip=clip, size=side, mean=mean, std=std, patch=patch)
    if not getattr(processor, "do_resize", False):
        raise ModelError(asked, found="a processor that does not resize", fix=_FIX)
    squash, side = _resized(processor, asked)
    crop = _square(processor.crop_size) if getattr(processor, "do_center_crop", False) else side
    if crop is None or crop > side:
        found = f"a processor that resizes to {side} and crops to {crop or 'no square'}"
        raise ModelError(asked, found=found, fix=_FIX)
    sides = (side, side) if squash else (side, crop)
    clip = _clip(processor, frames, sides, squash=squash, asked=asked)
    return Preprocessing(clip=clip, size=crop, mean=mean, std=std)


def _clip(
    processor: Any,  # noqa: ANN401
    frames: int,
    sides: tuple[int, int],
    *,
    squash: bool,
    asked: str,
) -> ClipSpec:
    resample = getattr(processor, "resample", None)
    interpolation = None if resample is None else _INTERPOLATIONS.get(int(resample))
    if interpolation is None:
        name = "nothing" if resample is None else _OTHERS.get(int(resample), resample)
        raise ModelError(asked, found=f"a processor that resizes by {name}", fix=_RESIZE_FIX)
    return ClipSpec(
        frames=frames,
        size=sides[1],
        short_side=sides[0],
        resize="exact",
        interpolation=interpolation,
        antialias=True,
        crop="squash" if squash else "center",
        dtype="uint8",
    )


def _resized(processor: Any, asked: str) -> tuple[bool, int]:  # noqa: ANN401
    """Return whether a frame loses its shape, and the side, or short side, that it gets."""
    size = processor.size
    short, square = _entry(size, "shortest_edge"), _square(size)
    if short is not None and _entry(size, "longest_edge") is None:
        return False, short
    if square is None:
        raise ModelError(asked, found=f"a processor that resizes to {size}"[:120], fix=_FIX)
    return True, square


def _square(size: Any) -> int | None:  # noqa: ANN401
    """Return the side of a square size, given as a number or as height and width."""
    if isinstance(size, int):
        return size
    height, width = _entry(size, "height"), _entry(size, "width")
    return height if height == width else None


def _entry(size: Any, key: str) -> int | None:  # noqa: ANN401
    value = size.get(key) if isinstance(size, dict) else getattr(size, key, None)
    return None if value is None else int(value)


def _scale_of(processor: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:  # noqa: ANN401
    """Return mean and deviation of levels from 0 to 1 that say all a processor does to levels.

    It computes ``(level * factor - shift - mean) / std``, each step where it is switched on;
    EfficientNet's ``include_top`` divides by ``std`` once more.
    """
    rescales = getattr(processor, "do_rescale", False)
    factor = float(processor.rescale_factor) if rescales else 1.0
    shift = 1.0 if rescales and _shifts(processor) else 0.0
    mean, std, again = (0.0,) * 3, (1.0,) * 3, (1.0,) * 3
    if getattr(processor, "do_normalize", False):
        mean, std = _three(processor.image_mean), _three(processor.image_std)
    if getattr(processor, "include_top", False):
        again = _three(processor.image_std)
    whole = _LEVELS * factor
    return (
        tuple((shift + each) / whole for each in mean),
        tuple(each * more / whole for each, more in zip(std, again, strict=True)),
    )


def _shifts(processor: Any) -> bool:  # noqa: ANN401
    """Say whether 1 is taken off the levels; ViViT's video processor does so without saying."""
    stated = getattr(processor, "offset", False) or getattr(processor, "rescale_offset", False)
    return bool(stated) or type(processor).__name__ == "VivitVideoProcessor"


def _three(values: Any) -> tuple[float, float, float]:  # noqa: ANN401
    if isinstance(values, (int, float)):
        return (float(values),) * 3
    red, green, blue = (float(each) for each in values)
    return (red, green, blue)
