"""Whether a prepared file holds what was put into it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import VideoError
from zsl_bench.video import VideoReader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FLOOR = 20.0
"""The least PSNR of a frame's brightness against its source, in dB. What is encoded even coarsely
lies above it, another picture below."""
_PERFECT = 100.0
_LUMA = np.array([0.114, 0.587, 0.299], np.float32)


def verify_video(
    path: Path, frames: int, size: tuple[int, int], samples: Mapping[int, np.ndarray]
) -> float:
    """Decode every frame of a prepared file and compare some with what was encoded.

    Args:
        path: The file.
        frames: How many frames it must have, by its header and by what decodes.
        size: Height and width that they must have, in pixels.
        samples: BGR levels that were encoded, shape (h, w, 3), by the number of the frame.

    Returns:
        The least PSNR over the samples, in dB; 100 where they are equal.

    Raises:
        VideoError: It cannot be read, or holds something else.
    """
    lowest = _PERFECT
    with VideoReader(path) as reader:
        for index, frame in reader.frames(sorted({*samples, frames})):
            if index in samples:
                _check(frame.shape[:2] == size, f"frames of {frame.shape[1]} x {frame.shape[0]}")
                lowest = min(lowest, psnr(frame, samples[index]))
        told, decoded = reader.declared, reader.decoded
    _check(told == decoded == frames, f"{decoded} of {frames} frames and a header of {told}")
    _check(lowest >= FLOOR, f"a frame {lowest:.1f} dB from its source; lower the quality's number")
    return lowest


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Return the PSNR of the brightness of two BGR images, in dB, at the most 100."""
    difference = (one.astype(np.float32) - other.astype(np.float32)) @ _LUMA
    error = float(np.mean(difference * difference))
    return min(_PERFECT, 10 * math.log10(255 * 255 / error)) if error else _PERFECT


def _check(fine: bool, found: str) -> None:  # noqa: FBT001
    if not fine:
        raise VideoError(
            "verify a prepared file", found=f"the encoded file has {found}", fix="prepare it again"
        )
