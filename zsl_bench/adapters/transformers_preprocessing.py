"""What an image or video processor of transformers does to a frame, as a declaration.

A processor's resize and crop are declared in a :class:`ClipSpec`, so that the harness makes the
frames; its scale, shift and any crop that a clip spec cannot state are left to the adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, isqrt
from typing import TYPE_CHECKING, Any, Literal

from zsl_bench.adapters.common import PixelScale
from zsl_bench.errors import ModelError
from zsl_bench.video import ClipSpec

if TYPE_CHECKING:
    from torch import Tensor

    from zsl_bench.video.transform import Interpolation

    Crop = Literal["center", "center-down", "squash"]

_INTERPOLATIONS: dict[int, Interpolation] = {2: "bilinear", 3: "bicubic"}
_OTHERS = {0: "nearest", 1: "lanczos", 4: "box", 5: "hamming"}
_FIX = "give a model whose processor makes square frames of one size"
_RESIZE_FIX = "give a model that resizes bilinearly or bicubically"
_WHOLE_FIX = "mend preprocessor_config.json, or fetch it again"
_SQUARE_NOTE = "; of a frame its central square, where the library keeps the whole frame"
_LEVELS = 255.0
_COLOURS = 3


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
        note: What the card has to say of it, such as that the library would cut frames otherwise;
            empty where there is nothing to say.
    """

    clip: ClipSpec
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    patch: int | None = None
    note: str = ""

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
    that it takes, cut from the middle. The note says so in both cases.

    Args:
        processor: An image or video processor of transformers.
        frames: Frames in a clip.
        asked: What is being loaded, for messages.

    Raises:
        ModelError: The frames that it makes are not square or of no fixed size, it resizes in a way
            that the harness does not offer, or its numbers are no such numbers.
    """
    mean, std = _scale_of(processor, asked)
    patch = getattr(processor, "patch_size", None)
    patches = getattr(processor, "max_num_patches", None)
    if isinstance(patch, int) and isinstance(patches, int):
        side = isqrt(patches) * patch
        clip = _clip(processor, frames, (side, side), crop="center", asked=asked)
        return Preprocessing(
            clip=clip, size=side, mean=mean, std=std, patch=patch, note=_SQUARE_NOTE
        )
    if not getattr(processor, "do_resize", False):
        raise ModelError(asked, found="a processor that does not resize", fix=_FIX)
    squash, side = _resized(processor, asked)
    cuts = getattr(processor, "do_center_crop", False)
    crop = _square(processor.crop_size, asked) if cuts else side
    if crop is None or crop > side:
        found = f"a processor that resizes to {side} and crops to {crop or 'no square'}"
        raise ModelError(asked, found=found, fix=_FIX)
    sides = (side, side) if squash else (side, crop)
    way: Crop = "squash" if squash else "center-down" if cuts else "center"
    clip = _clip(processor, frames, sides, crop=way, asked=asked)
    note = "" if squash or cuts else _SQUARE_NOTE
    return Preprocessing(clip=clip, size=crop, mean=mean, std=std, note=note)


def _clip(
    processor: Any,  # noqa: ANN401
    frames: int,
    sides: tuple[int, int],
    *,
    crop: Crop,
    asked: str,
) -> ClipSpec:
    resample = getattr(processor, "resample", None)
    interpolation = _INTERPOLATIONS.get(resample) if isinstance(resample, int) else None
    if interpolation is None:
        name = "nothing" if resample is None else _OTHERS.get(resample, resample)
        raise ModelError(asked, found=f"a processor that resizes by {name}", fix=_RESIZE_FIX)
    return ClipSpec(
        frames=frames,
        size=sides[1],
        short_side=sides[0],
        resize="exact",
        interpolation=interpolation,
        antialias=True,
        crop=crop,
        dtype="uint8",
    )


def _resized(processor: Any, asked: str) -> tuple[bool, int]:  # noqa: ANN401
    """Return whether a frame loses its shape, and the side, or short side, that it gets."""
    size = processor.size
    short, square = _entry(size, "shortest_edge", asked), _square(size, asked)
    if short is not None and _entry(size, "longest_edge", asked) is None:
        return False, short
    if square is None:
        raise ModelError(asked, found=f"a processor that resizes to {size}"[:120], fix=_FIX)
    return True, square


def _square(size: Any, asked: str) -> int | None:  # noqa: ANN401
    """Return the side of a square size, given as a number or as height and width."""
    if isinstance(size, int):
        return size
    height, width = _entry(size, "height", asked), _entry(size, "width", asked)
    return height if height == width else None


def _entry(size: Any, key: str, asked: str) -> int | None:  # noqa: ANN401
    value = size.get(key) if isinstance(size, dict) else getattr(size, key, None)
    if value is not None and (not isinstance(value, int) or value < 1):
        raise ModelError(asked, found=f"a processor with {key} {value!r}"[:120], fix=_WHOLE_FIX)
    return value


def _scale_of(processor: Any, asked: str) -> tuple[tuple[float, ...], tuple[float, ...]]:  # noqa: ANN401
    """Return mean and deviation of levels from 0 to 1 that say all a processor does to levels.

    It computes ``(level * factor - shift - mean) / std``, each step where it is switched on;
    EfficientNet's ``include_top`` divides by ``std`` once more.
    """
    rescales = getattr(processor, "do_rescale", False)
    factor = 1.0
    if rescales:
        (factor,) = _numbers(processor, "rescale_factor", asked, above=0, count=1)
    shift = 1.0 if rescales and _shifts(processor) else 0.0
    mean: tuple[float, ...] = (0.0,) * _COLOURS
    std: tuple[float, ...] = (1.0,) * _COLOURS
    again: tuple[float, ...] = (1.0,) * _COLOURS
    if getattr(processor, "do_normalize", False):
        mean = _numbers(processor, "image_mean", asked)
        std = _numbers(processor, "image_std", asked, above=0)
    if getattr(processor, "include_top", False):
        again = _numbers(processor, "image_std", asked, above=0)
    whole = _LEVELS * factor
    return (
        tuple((shift + each) / whole for each in mean),
        tuple(each * more / whole for each, more in zip(std, again, strict=True)),
    )


def _shifts(processor: Any) -> bool:  # noqa: ANN401
    """Say whether 1 is taken off the levels; ViViT's video processor does so without saying."""
    stated = getattr(processor, "offset", False) or getattr(processor, "rescale_offset", False)
    return bool(stated) or type(processor).__name__ == "VivitVideoProcessor"


def _numbers(
    processor: Any,  # noqa: ANN401
    name: str,
    asked: str,
    *,
    above: float = -inf,
    count: int = _COLOURS,
) -> tuple[float, ...]:
    """Return some numbers, finite and above some other; a single one counts for all colours."""
    stated = getattr(processor, name, None)
    values = (stated,) * count if isinstance(stated, (int, float)) else stated
    if (
        not isinstance(values, (list, tuple))
        or len(values) != count
        or not all(isinstance(each, (int, float)) for each in values)
        or not all(isfinite(each) and each > above for each in values)
    ):
        kind = "finite" if above == -inf else "positive"
        found = f"a processor with {name} {stated!r}"[:120]
        numbers = "number" if count == 1 else "numbers, one for each of three colours"
        fix = f"mend preprocessor_config.json: it takes {'a ' * (count == 1)}{kind} {numbers}"
        raise ModelError(asked, found=found, fix=fix)
    return tuple(float(each) for each in values)
