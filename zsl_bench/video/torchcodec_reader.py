"""Reading video files with torchcodec, where its frames are certain to be those that PyAV counts.

PyAV reads the packets first: every one has to make one frame, which is known of H.264 in mp4, mov
and matroska files (:mod:`.skipping`). Then torchcodec has to count as many, and every frame that it
hands out has to be shown when the frame of that number is. Whatever else a file is, is PyAV's.
"""

from __future__ import annotations

import io
import re
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from zsl_bench.errors import ZslBenchError
from zsl_bench.video.decode import VideoReader, open_container, video_stream
from zsl_bench.video.decoders import TORCHCODEC, TORCHCODEC_CUDA, UnsureError
from zsl_bench.video.skipping import sound_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_BYTES_AT_ONCE = 32_000_000
_DECODES = (RuntimeError, ValueError, IndexError)
_GPU_FAILS = re.compile(r"out of memory|CUDA error|CUDA_ERROR", re.IGNORECASE)
_SMALL_SIZE, _SMALL_FRAMES = 256, 4
_LONGEST_REASON = 200


def torchcodec_id(decoder: str) -> str:
    """Name torchcodec with its version, that of the FFmpeg it found, and where it decodes.

    A GPU is named once its decoder has decoded a small file.

    Raises:
        ZslBenchError: It is not installed, finds no FFmpeg, or does not decode on a GPU where it is
            to.
    """
    library = _library(decoder)
    if decoder == TORCHCODEC_CUDA and (reason := _cuda_failure(library)):
        fix = "install a torchcodec that is built for this CUDA, or choose torchcodec, or pyav"
        found = f"it does not decode H.264 on this GPU: {reason}"
        raise ZslBenchError(f"decoder {decoder!r}", found=found, fix=fix)
    place = "cuda" if decoder == TORCHCODEC_CUDA else "cpu"
    return f"torchcodec {metadata.version('torchcodec')} ffmpeg {_ffmpeg_version()} on {place}"


class TorchcodecReader(VideoReader):
    """A video file that torchcodec decodes; a context manager.

    What the file says about itself is read as :class:`VideoReader` does.
    """

    def __init__(self, path: Path | str, *, decoder: str = TORCHCODEC) -> None:
        """Open a file.

        Args:
            path: The video file.
            decoder: ``torchcodec``, or ``torchcodec-cuda`` for the decoder of a GPU.

        Raises:
            VideoError: The file is missing, is no video, or has no video stream.
            UnsureError: It is not one whose frames torchcodec is certain to number as PyAV does.
            ZslBenchError: torchcodec is not installed, finds no FFmpeg, or has no GPU.
        """
        self._library = _library(decoder)
        self._device = "cuda" if decoder == TORCHCODEC_CUDA else "cpu"
        super().__init__(path)
        try:
            self._shown = self._times()
            self._decoder = self._opened()
        except UnsureError:
            self._container.close()
            raise

    def frames(self, wanted: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Decode the wanted frames and hand them out.

        Args:
            wanted: Frame indices, increasing.

        Yields:
            The index and the frame, shape (H, W, 3), uint8, **BGR**.

        Raises:
            UnsureError: There are fewer frames, one is not that of its number, or torchcodec fails.
            RuntimeError: The memory of a GPU is full, or the GPU fails.
        """
        indices = list(wanted)
        if not indices:
            return
        if indices[-1] >= len(self._shown):
            raise UnsureError
        size = self._stream.height, self._stream.width, 3
        step = max(_BYTES_AT_ONCE // int(np.prod(size)), 1)
        for first in range(0, len(indices), step):
            asked = indices[first : first + step]
            images, shown = _decoded(self._decoder, asked)
            off = np.abs(shown - self._shown[asked]).max() > self._tick() / 4
            if off or images.shape != (len(asked), *size):
                raise UnsureError
            for index, image in zip(asked, images, strict=True):
                self._source.position = index + 1
                yield index, image[..., ::-1]

    def _tick(self) -> float:
        """Return the unit of the stream's timestamps, in seconds."""
        base = self._stream.time_base
        return float(base) if base else 0.0

    def _times(self) -> np.ndarray:
        """Return when each frame is shown, in seconds, shape (frames,), float64."""
        with open_container(self.path) as container:
            shown = sound_times(container, video_stream(container, self.path))
        base = self._stream.time_base
        if not shown or not base:
            raise UnsureError
        times: np.ndarray = np.array(shown, np.int64) * base.numerator / base.denominator
        return times

    def _opened(self) -> Any:  # noqa: ANN401
        """Open the file with torchcodec, which has to find as many frames, none of them turned."""
        try:
            decoder = self._library.decoders.VideoDecoder(
                str(self.path.resolve()),
                stream_index=self._stream.index,
                dimension_order="NHWC",
                num_ffmpeg_threads=1,
                seek_mode="exact",
                device=self._device,
            )
        except _DECODES as error:
            _pass_on(error)
            raise UnsureError from error
        about = decoder.metadata
        if about.num_frames_from_content != len(self._shown) or about.rotation:
            raise UnsureError
        if self._device == "cuda" and decoder.cpu_fallback:
            raise UnsureError
        return decoder


def _decoded(decoder: Any, indices: list[int]) -> tuple[np.ndarray, np.ndarray]:  # noqa: ANN401
    """Return frames, shape (N, H, W, 3), uint8, RGB, and when they are shown, in seconds."""
    try:
        batch = decoder.get_frames_at(indices)
    except _DECODES as error:
        _pass_on(error)
        raise UnsureError from error
    return batch.data.cpu().numpy(), batch.pts_seconds.cpu().numpy()


def _pass_on(error: Exception) -> None:
    """Raise what is no fault of a file: the memory of a GPU is full, or the GPU fails."""
    if _GPU_FAILS.search(str(error)):
        raise error


@cache
def _cuda_failure(library: Any) -> str:  # noqa: ANN401
    """Return why torchcodec does not decode H.264 on the GPU; empty where it does."""
    try:
        decoder = library.decoders.VideoDecoder(_small_file(), device="cuda")
        decoder.get_frames_at([0, _SMALL_FRAMES - 1])
    except _DECODES as error:
        return _first_line(error)
    return str(decoder.cpu_fallback) if decoder.cpu_fallback else ""


def _small_file() -> bytes:
    """Return an mp4 file with a few black frames in H.264."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = _SMALL_SIZE, _SMALL_SIZE, "yuv420p"
        black = np.zeros((_SMALL_SIZE, _SMALL_SIZE, 3), np.uint8)
        for _ in range(_SMALL_FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(black, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def _library(decoder: str) -> Any:  # noqa: ANN401
    """Import torchcodec with its FFmpeg, or say what it lacks."""
    asked = f"decoder {decoder!r}"
    try:
        import torchcodec.decoders
    except ModuleNotFoundError as error:
        fix = "pip install 'zsl-bench[torchcodec]'"
        raise ZslBenchError(asked, found=f"{error.name} is not installed", fix=fix) from error
    except (ImportError, OSError, RuntimeError) as error:
        raise _unusable(asked, error) from error
    try:
        _ffmpeg_version()
    except (AttributeError, ImportError, OSError, RuntimeError) as error:
        raise _unusable(asked, error) from error
    if decoder == TORCHCODEC_CUDA:
        import torch

        if not torch.cuda.is_available():
            found, fix = "no CUDA device that torch can use", "choose torchcodec, or pyav"
            raise ZslBenchError(asked, found=found, fix=fix)
    return torchcodec


def _ffmpeg_version() -> str:
    from torchcodec._core import ops

    return str(ops.get_ffmpeg_library_versions()["ffmpeg_version"])


def _unusable(asked: str, error: Exception) -> ZslBenchError:
    fix = "install FFmpeg's shared libraries, version 4 to 8, or choose pyav"
    return ZslBenchError(asked, found=f"torchcodec does not load: {_first_line(error)}", fix=fix)


def _first_line(error: Exception) -> str:
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), "no reason given")[:_LONGEST_REASON]
