"""Reading image files of all kinds as upright 8-bit RGB."""

from __future__ import annotations

import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import VideoError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 2**28 // 3
"""Pixels that an image may have: a quarter of a gigabyte in RGB, where Pillow begins to warn."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")
_SIXTEEN_BITS = 65_535
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, EOFError),
    *(struct.error, zlib.error),
)
"""What Pillow raises on files that are damaged."""


def read_image(path: Path | str) -> np.ndarray:
    """Read an image file as it is shown.

    The file may be JPEG, PNG, WebP, BMP, GIF, TIFF, PPM or JPEG 2000. Grey, palette and CMYK images
    become RGB, 16-bit levels keep their high byte, and transparency is dropped, as Pillow drops it.
    EXIF orientation is applied, unless the EXIF block is damaged. Of an animation this is the first
    picture.

    Args:
        path: The image file.

    Returns:
        Levels, RGB, shape (H, W, 3), uint8.

    Raises:
        VideoError: The file is missing, damaged, cut short or no image, its levels are neither 8
            nor 16 bits, or it has more than ``MOST_PIXELS`` pixels.
    """
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
                _check_size(path, *image.size)
                image.load()
                _turn_upright(image)
                return np.array(_to_rgb(path, image))
        except Image.DecompressionBombError as error:
            raise _error(path, str(error), "make the image smaller") from error
        except UnidentifiedImageError as error:
            raise _error(path, "not an image file of a known kind", "give an image") from error
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise _error(path, str(error.strerror).lower(), "check the path") from error
        except _DAMAGE as error:
            found = f"a damaged image, or one that was cut short ({error})"
            raise _error(path, found, "replace or leave out the file") from error


def _error(path: Path, found: str, fix: str) -> VideoError:
    return VideoError(f"read image {path}", found=found, fix=fix)


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        found = f"{width} x {height}, more than {MOST_PIXELS:,} pixels"
        raise _error(path, found, "make the image smaller")


def _turn_upright(image: Image) -> None:
    from PIL import ImageOps

    with suppress(*_DAMAGE):
        ImageOps.exif_transpose(image, in_place=True)


def _to_rgb(path: Path, image: Image) -> Image:
    if image.mode == "F":
        raise _error(path, "levels that are not whole numbers", "convert it to 8 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        image = _high_byte(path, image)
    return image.convert("RGB")


def _high_byte(path: Path, image: Image) -> Image:
    from PIL import Image as Images

    levels = np.asarray(image)
    if levels.min() < 0 or levels.max() > _SIXTEEN_BITS:
        raise _error(path, "levels of more than 16 bits", "convert it to 8 bits")
    return Images.fromarray((levels >> 8).astype(np.uint8))
