"""Real videos of all containers, encoded at test time, and ways to damage them."""

from __future__ import annotations

import av
import numpy as np
import pytest

RECIPES = {
    "plain.avi": {"codec": "mpeg4"},
    "b-frames.avi": {"codec": "mpeg4", "codec_options": {"bf": "2"}},
    "h264.avi": {"codec": "libx264", "codec_options": {"bf": "0"}},
    "moov-at-end.mp4": {"codec": "libx264"},
    "moov-at-front.mp4": {"codec": "libx264", "options": {"movflags": "faststart"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"movflags": "faststart"}},
    "fragments.mp4": {
        "codec": "libx264",
        "options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "h264.mkv": {"codec": "libx264"},
    "mpeg4.mkv": {"codec": "mpeg4"},
    "vp8.webm": {"codec": "libvpx", "codec_options": {"deadline": "realtime"}},
    "stream.ts": {"codec": "libx264"},
}


def encode(path, *, codec, frames=75, size=(64, 48), options=None, codec_options=None):
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    given = {"g": "12", "threads": "1", **(codec_options or {})}
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=given)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(frames):
            picture = np.roll(noise, 2 * number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def whole_video(tmp_path_factory):
    """A function that gives the undamaged video of a name in ``RECIPES``."""
    folder, made = tmp_path_factory.mktemp("whole"), {}

    def make(name):
        if name not in made:
            made[name] = encode(folder / name, **RECIPES[name])
        return made[name]

    return make


@pytest.fixture
def clip(whole_video):
    """A function that puts a sound video of its own content, and size, somewhere."""

    def put(path, number=0, *, name="plain.avi"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(whole_video(name).read_bytes() + bytes(number))
        return path

    return put


@pytest.fixture
def folder(tmp_path, clip):
    """Class folders with six sound videos, each of another size."""
    root = tmp_path / "videos"
    for number in range(6):
        clip(root / ("red ball", "blue ball")[number % 2] / f"v{number}.avi", number)
    return root
