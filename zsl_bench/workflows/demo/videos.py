"""The demonstration's video files: real codecs, one folder a class."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from zsl_bench.errors import VideoError
from zsl_bench.files import atomic_write
from zsl_bench.workflows.demo.scenes import SceneSize, render_scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    from av.video.stream import VideoStream

    from zsl_bench.workflows.demo.classes import DemoClass
    from zsl_bench.workflows.demo.scenes import Part

FPS = 12
_MOST_THREADS = 8


@dataclass(frozen=True, kw_only=True)
class VideoSet:
    """Videos to make; equal fields make equal files.

    Attributes:
        part: ``train`` is H.264 in mp4, ``test`` MPEG-4 in avi.
        classes: What to show.
        each: Videos of each class.
        seed: Seed of the data set.
        size: Length and size of the videos.
    """

    part: Part
    classes: tuple[DemoClass, ...]
    each: int
    seed: int
    size: SceneSize

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.classes) * self.each

    def path(self, root: Path, one: DemoClass, index: int) -> Path:
        """Return where a video goes: ``<root>/<class name>/<three digits>.<mp4 or avi>``."""
        return root / one.name / f"{index:03d}{_FORMATS[self.part].suffix}"

    def write(self, root: Path) -> Iterator[Path]:
        """Write the videos and yield each path, class by class.

        Every file appears whole or not at all. Closing the iterator early stops the work.

        Raises:
            VideoError: This build of FFmpeg lacks the encoder.
            ResultError: The folder cannot be written.
        """
        jobs = [(one, index) for one in self.classes for index in range(self.each)]
        pool = ThreadPoolExecutor(max_workers=min(_MOST_THREADS, os.cpu_count() or 1))
        try:
            yield from pool.map(lambda job: self._write_one(root, *job), jobs)
        finally:
            pool.shutdown(cancel_futures=True)

    def _write_one(self, root: Path, one: DemoClass, index: int) -> Path:
        path = self.path(root, one, index)
        frames = render_scene(one, self.part, index, seed=self.seed, size=self.size)
        data = encode(frames, self.part)
        with atomic_write(path) as stream:
            stream.write(data)
        return path


@dataclass(frozen=True, kw_only=True)
class _Format:
    suffix: str
    container: str
    codec: str
    options: dict[str, str]
    bits_per_pixel: int | None = None


_FORMATS: dict[Part, _Format] = {
    "train": _Format(
        suffix=".mp4",
        container="mp4",
        codec="libx264",
        options={"preset": "superfast", "crf": "20", "g": "10", "x264-params": "mbtree=0"},
    ),
    "test": _Format(
        suffix=".avi", container="avi", codec="mpeg4", options={"g": "10"}, bits_per_pixel=4
    ),
}


def encode(frames: npt.NDArray[np.uint8], part: Part) -> bytes:
    """Encode ``(T, H, W, 3)`` RGB frames so that equal frames give equal bytes.

    That takes one thread, and x264 without macroblock-tree rate control, whose output for frames of
    this size varies from run to run.

    Raises:
        VideoError: This build of FFmpeg lacks the encoder.
    """
    import av

    chosen = _FORMATS[part]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=chosen.container) as container:
        try:
            added = container.add_stream(chosen.codec, rate=FPS, options=chosen.options)
        except ValueError as error:
            raise VideoError(
                f"encode with {chosen.codec}",
                found="an FFmpeg without that encoder",
                fix="install PyAV from its wheels: pip install --force-reinstall av",
            ) from error
        stream = cast("VideoStream", added)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        if chosen.bits_per_pixel is not None:
            stream.bit_rate = stream.height * stream.width * FPS * chosen.bits_per_pixel
        stream.codec_context.thread_count = 1
        stream.codec_context.thread_type = "NONE"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()
