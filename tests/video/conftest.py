from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
import pytest

BLOCKS = (2, 4)


def numbered_frame(number, width, height):
    """A grey-bordered RGB frame with its number in eight blocks of dark and bright."""
    bits = np.array([number >> bit & 1 for bit in range(8)]).reshape(BLOCKS)
    rows = np.arange(height) * BLOCKS[0] // height
    columns = np.arange(width) * BLOCKS[1] // width
    levels = np.where(bits[rows][:, columns], 210, 40).astype(np.uint8)
    tint = np.array([1.0, 0.9, 0.8])
    return (levels[..., None] * tint).astype(np.uint8)


def number_in(frame):
    """The number that is drawn in a frame, whatever its size and channel order."""
    height, width = frame.shape[:2]
    grey = frame.mean(axis=-1)
    number = 0
    for bit in range(8):
        row, column = divmod(bit, BLOCKS[1])
        y = int((row + 0.5) * height / BLOCKS[0])
        x = int((column + 0.5) * width / BLOCKS[1])
        number |= int(grey[y - 2 : y + 3, x - 2 : x + 3].mean() > 110) << bit
    return number


@dataclass(frozen=True)
class Recipe:
    """How to make a small video; frame k carries the number k."""

    name: str
    codec: str = "libx264"
    pixels: str = "yuv420p"
    frames: int = 30
    width: int = 160
    height: int = 120
    rate: int = 25
    tag: str | None = None
    times: tuple[int, ...] | None = None
    options: dict[str, str] = field(default_factory=dict, hash=False)


def encode(path, recipe):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(recipe.codec, rate=recipe.rate, options=recipe.options)
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, recipe.pixels
        if recipe.tag:
            stream.codec_context.codec_tag = recipe.tag
        container.start_encoding()
        for k in range(recipe.frames):
            pixels = numbered_frame(k, recipe.width, recipe.height)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if recipe.times is not None:
                frame.pts, frame.time_base = recipe.times[k], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        if recipe.frames:
            container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def make_video(tmp_path_factory):
    """Encode a recipe once and return its path."""
    folder = tmp_path_factory.mktemp("videos")

    def make(recipe):
        path = folder / recipe.name
        if not path.exists():
            encode(path, recipe)
        return path

    return make


@pytest.fixture(scope="session")
def numbers():
    """Read the number drawn in a frame."""
    return number_in
