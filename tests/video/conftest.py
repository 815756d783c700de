"""Small videos, encoded at test time, whose frames carry their own number."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
import torch

from zsl_bench.errors import VideoError
from zsl_bench.video import VideoReader
from zsl_bench.video.skipping import FrameSource

ROWS, COLUMNS = 2, 4


@pytest.fixture(autouse=True)
def _two_threads():
    """Compare with the kernel of torch that has several threads: alone it rounds otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def numbered_frame(number, width, height):
    """An RGB frame that shows a number below 256 as eight dark or bright blocks."""
    bits = np.array([number >> bit & 1 for bit in range(ROWS * COLUMNS)]).reshape(ROWS, COLUMNS)
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    levels = np.where(bits[rows][:, columns], 210, 40)
    return (levels[..., None] * np.array([1.0, 0.9, 0.8])).astype(np.uint8)


def number_in(frame):
    """The number that a frame shows, whatever its size and channel order."""
    height, width = frame.shape[:2]
    grey = frame.mean(axis=-1)
    number = 0
    for bit in range(ROWS * COLUMNS):
        row, column = divmod(bit, COLUMNS)
        y = int((row + 0.5) * height / ROWS)
        x = int((column + 0.5) * width / COLUMNS)
        number |= int(grey[y - 2 : y + 3, x - 2 : x + 3].mean() > 110) << bit
    return number


def encode(
    path,
    *,
    codec="libx264",
    pixels="yuv420p",
    frames=30,
    size=(160, 120),
    tag=None,
    milliseconds=None,
    options=None,
    title=None,
):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        if tag:
            stream.codec_context.codec_tag = tag
        if milliseconds:
            stream.codec_context.time_base = Fraction(1, 1000)
        if title:
            container.metadata["title"] = title
        container.start_encoding()
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number, *size), format="rgb24")
            if milliseconds:
                frame.pts, frame.time_base = milliseconds[number], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        if frames:
            container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def make_video(tmp_path_factory):
    """A function that encodes a video; the same name and options give the same file."""
    made = {}

    def make(name, **recipe):
        key = name, repr(recipe)
        if key not in made:
            made[key] = encode(tmp_path_factory.mktemp("video") / name, **recipe)
        return made[key]

    return make


@pytest.fixture(scope="session")
def shown_number():
    """A function that reads the number that a frame shows."""
    return number_in


@pytest.fixture
def claim_frames(make_video, tmp_path):
    """A function that makes an AVI file whose header says another frame count than it has."""

    def make(claimed):
        whole = make_video("claims.avi", codec="mpeg4", size=(128, 128)).read_bytes()
        length = whole.index(b"strh") + 8 + 32
        path = tmp_path / f"claims-{claimed}.avi"
        path.write_bytes(whole[:length] + claimed.to_bytes(4, "little") + whole[length + 4 :])
        return path

    return make


def read_frames(path, wanted, *, skip):
    """The frames, or what is wrong, and what the reader says of itself."""
    with VideoReader(path, skip=skip) as reader:
        try:
            frames = [(index, frame.copy()) for index, frame in reader.frames(wanted)]
        except VideoError as error:
            return str(error)
        return frames, reader.decoded, reader.ended


@pytest.fixture(scope="session")
def outcome():
    """A function that reads frames, leaving others undecoded or not, and tells how that ended."""
    return read_frames


def same_outcomes(one, other):
    if isinstance(one, str) or isinstance(other, str):
        assert one == other
        return
    assert [index for index, _ in one[0]] == [index for index, _ in other[0]]
    for (_, mine), (_, theirs) in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert one[1:] == other[1:]


@pytest.fixture(scope="session")
def assert_alike():
    """A function that holds two outcomes against one another."""
    return same_outcomes


@pytest.fixture(scope="session")
def assert_same():
    """A function that holds leaving frames undecoded against counting from the start."""

    def check(path, wanted):
        same_outcomes(*(read_frames(path, wanted, skip=skip) for skip in (True, False)))

    return check


@pytest.fixture
def decoded(monkeypatch):
    """The packets that reached a decoder, by their timestamps."""
    seen = []
    original = FrameSource._decode

    def counted(self, packet):
        seen.append(packet.pts)
        original(self, packet)

    monkeypatch.setattr(FrameSource, "_decode", counted)
    return seen
