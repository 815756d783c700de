"""Small videos whose frames carry their own number, as eight blocks on a textured ground."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from zsl_bench.classes import class_set_from_names
from zsl_bench.videos import Manifest, Video

ROWS, COLUMNS = 2, 4


def numbered_frame(number, width, height):
    rows, columns = np.mgrid[:height, :width]
    block = (rows * ROWS // height) * COLUMNS + columns * COLUMNS // width
    bright = (number >> block & 1).astype(bool)
    texture = 8 * np.sin(columns / 5 + number) + 8 * np.cos(rows / 7)
    levels = np.where(bright, 190, 50)[..., None] * np.array([1.0, 0.9, 0.7]) + texture[..., None]
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def number_shown(frame):
    height, width = frame.shape[:2]
    grey = frame.mean(axis=-1)
    number = 0
    for bit in range(ROWS * COLUMNS):
        row, column = divmod(bit, COLUMNS)
        y, x = int((row + 0.5) * height / ROWS), int((column + 0.5) * width / COLUMNS)
        number |= int(grey[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean() > 105) << bit
    return number


@pytest.fixture(scope="session")
def number_in():
    """A function that reads the number that a frame shows."""
    return number_shown


@pytest.fixture(scope="session")
def encode():
    """A function that writes a video."""

    def write(
        path, *, frames=20, size=(64, 48), codec="libx264", rate=25, turn=0, pixels="yuv420p",
        options=None, first=0, audio=False,
    ):  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=rate, options=options or {})
            stream.width, stream.height, stream.pix_fmt = *size, pixels
            sound = container.add_stream("aac", rate=8000) if audio else None
            for number in range(first, first + frames):
                frame = av.VideoFrame.from_ndarray(numbered_frame(number, *size), format="rgb24")
                frame.pts, frame.time_base = number - first, 1 / Fraction(rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
            if sound is not None:
                silence = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
                )
                silence.sample_rate = 8000
                container.mux(sound.encode(silence))
                container.mux(sound.encode(None))
        if turn:
            turn_header(path, turn)
        return path

    return write


def turn_header(path, degrees):
    """Write a clockwise turn into the display matrix of an mp4 file's video track."""
    one = 0x10000
    back = -one & 0xFFFFFFFF
    matrices = {90: (0, one, 0, back, 0, 0), 180: (back, 0, 0, 0, back, 0)}
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    for value in matrices[degrees]:
        data[place : place + 4] = value.to_bytes(4, "big")
        place += 4
    path.write_bytes(data)


@pytest.fixture
def manifest_of():
    """A function that makes a manifest of the files of a folder, the classes taking turns."""

    def make(root, *rows, labels=("ball", "box")):
        videos = tuple(
            Video(**{"id": row["path"], "label": labels[k % len(labels)], "group": str(k), **row})
            for k, row in enumerate(rows)
        )
        classes = class_set_from_names(labels, dataset="toys", source="a test")
        return Manifest(dataset="toys", classes=classes, split="all", root=root, videos=videos)

    return make


@pytest.fixture(scope="session")
def frames_of():
    """A function that decodes a whole file with PyAV alone: RGB frames as stored."""

    def read(path):
        with av.open(str(path)) as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]

    return read


@pytest.fixture(scope="session")
def numbers_of(frames_of):
    """A function that reads the numbers that the frames of a file show."""
    return lambda path: [number_shown(frame) for frame in frames_of(path)]
