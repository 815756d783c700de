"""Reading video files with PyAV: frame k is the k-th frame that decodes, counted from the start.

Frames are counted, never sought by timestamp: an AVI file has no reliable timestamps. Where the
packets prove their count, those before a key frame are not decoded (:mod:`.skipping`). Only the
frames that are asked for are converted to levels, in BGR and with bicubic chroma where a format
needs scaling, because there swscale's output is OpenCV's to the bit.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from zsl_bench.errors import VideoError
from zsl_bench.video.skipping import DoubtError, FrameSource, read_packets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

_MICROSECONDS = 1_000_000
_CONTAINERS = (
    "3g2,3gp,asf,avi,flv,h264,hevc,ivf,m4a,m4v,matroska,mj2,mov,mp4,mpeg,mpegts,mpegvideo,nut,ogg,"
    "webm"
)
_TEXT_CODECS = ("ansi", "bintext", "idf", "xbin")


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a file says about itself.

    Attributes:
        path: The file.
        frames: Its frame count: the container's, less what an edit list hides, or else duration
            times rate.
        frames_exact: Whether the container states the count. Files exist whose count is off by a
            few; what decodes is only known after decoding.
        width: Width in pixels as displayed, after ``rotation``.
        height: Height in pixels as displayed, after ``rotation``.
        fps: Frames per second, on average; 0 where it is not known.
        codec: Name of the video codec, such as ``h264``.
        container: Name of the container format, such as ``avi``.
        rotation: Clockwise turn that the file asks for on display: 0, 90, 180 or 270 degrees.
    """

    path: Path
    frames: int
    frames_exact: bool
    width: int
    height: int
    fps: float
    codec: str
    container: str
    rotation: int


class VideoReader:
    """One pass over a video file, from its first frame on; a context manager.

    Attributes:
        path: The file.
        container: Name of the container format.
        codec: Name of the video codec.
        fps: Frames per second, on average; 0 where it is not known.
        declared: The container's frame count; 0 where it has none.
        estimated: Duration times rate, rounded; 0 where either is not known.
        promised: ``declared`` less the frames that an mp4's edit list hides.
        ended: Whether the end of the file was reached.

    Raises:
        VideoError: The file is missing, is no video, or has no video stream.
    """

    def __init__(self, path: Path | str, *, skip: bool = False) -> None:
        """Open a file.

        Args:
            path: The video file.
            skip: Whether frames that are not wanted may go undecoded where those that are keep
                their numbers (:mod:`.skipping`). What is handed out is the same either way, save
                for H.264 without arithmetic coding with a damaged packet before a key frame: what
                FFmpeg keeps of the broken block then gets into a frame behind it only where
                everything is decoded.
        """
        self.path = Path(path)
        self._begin(skip=skip)
        self._convert = _bgr_converter()
        self.container: str = self._container.format.name
        self.codec: str = self._stream.codec_context.name
        self.fps = float(self._stream.guessed_rate or self._stream.average_rate or 0)
        self.declared: int = max(self._stream.frames, 0)
        self.promised = self._promised()
        self.estimated = int(self._seconds() * self.fps + 0.5)
        self.ended = False

    @property
    def decoded(self) -> int:
        """The number of the frame that comes next: frames decoded so far, or left out."""
        return self._source.position

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._container.close()

    def frames(self, wanted: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Decode up to the last wanted frame and hand out the wanted ones.

        Args:
            wanted: Frame indices, increasing, none below ``decoded``.

        Yields:
            The index and the frame as displayed, shape (H, W, 3), uint8, **BGR**. Where the file
            ends early, the last indices are not handed out and ``ended`` is set.

        Raises:
            VideoError: A frame is in a pixel format that cannot be converted.
        """
        indices = iter(wanted)
        target = next(indices, None)
        while target is not None:
            frame = self._next(target)
            if frame is None:
                self.ended = True
                return
            if self.decoded > target:
                yield target, self._convert(frame, self.path)
                target = next(indices, None)

    def times(self) -> np.ndarray:
        """Return when each frame is shown, in seconds from the start of the file, increasing.

        The packets are read, from a second opening of the file, and none is decoded. An AVI file,
        or a file with a packet that has no timestamp, is taken to run at a constant rate.

        Returns:
            Times, shape (frames,), float64.

        Raises:
            VideoError: The file cannot be read, or neither timestamps nor a rate are known.
        """
        if self.container == "avi" and self.promised:
            return self._constant_times(self.promised)
        with open_container(self.path) as container:
            stream = video_stream(container, self.path)
            shown = [p.pts for p in read_packets(container, stream) if p.size and not p.is_discard]
            base, origin = stream.time_base, container.start_time or 0
        if not base or None in shown:
            return self._constant_times(len(shown))
        pts = np.sort(np.array(shown, np.int64))
        return pts * base.numerator / base.denominator - origin / _MICROSECONDS

    def _constant_times(self, count: int) -> np.ndarray:
        if not self.fps:
            raise video_error(self.path, "neither timestamps nor a frame rate", "re-encode it")
        times: np.ndarray = np.arange(count) / self.fps
        return times

    def _promised(self) -> int:
        if not self.declared or "mp4" not in self.container:
            return self.declared
        return sum(not entry.is_discard for entry in self._stream.index_entries) or self.declared

    def _seconds(self) -> float:
        if self._container.duration:
            return max(self._container.duration, 0) / _MICROSECONDS
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return 0.0

    def _begin(self, *, skip: bool) -> None:
        self._container = open_container(self.path)
        self._stream = video_stream(self._container, self.path)
        self._stream.thread_type = "NONE"
        self._stream.codec_context.thread_count = 1
        self._source = FrameSource(self._container, self._stream, skip=skip)

    def _next(self, target: int) -> VideoFrame | None:
        try:
            return self._source.next(target)
        except DoubtError:
            self._container.close()
            self._begin(skip=False)
            return self._source.next(target)


def probe(path: Path | str) -> VideoInfo:
    """Read a file's header and decode its first frame.

    Raises:
        VideoError: The file is missing, is no video, or no frame of it decodes.
    """
    with VideoReader(path) as reader:
        frame = reader._next(0)
        if frame is None:
            raise video_error(reader.path, "no frame that decodes", "replace or leave out the file")
        rotation = -int(frame.rotation) % 360
        turned = rotation % 180 != 0
        counted = reader.promised or reader.estimated
        return VideoInfo(
            path=reader.path,
            frames=counted or len(reader.times()),
            frames_exact=bool(reader.declared),
            width=frame.height if turned else frame.width,
            height=frame.width if turned else frame.height,
            fps=reader.fps,
            codec=reader.codec,
            container=reader.container,
            rotation=rotation,
        )


def video_error(path: Path, found: str, fix: str) -> VideoError:
    """Make the error about a file."""
    return VideoError(f"read video {path}", found=found, fix=fix)


def open_container(path: Path) -> InputContainer:
    """Open a local video file of a known kind.

    Raises:
        VideoError: The file is missing, is empty, or is no video.
    """
    import av

    if path.is_dir():
        raise video_error(path, "a folder", "give a video file")
    try:
        if not path.stat().st_size:
            raise video_error(path, "an empty file", "replace or leave out the file")
        return av.open(
            "file:" + os.fspath(path),
            metadata_errors="replace",
            options={"protocol_whitelist": "file", "format_whitelist": _CONTAINERS},
        )
    except (av.error.InvalidDataError, av.error.ArgumentError) as error:
        found = "not a video file, or one that was cut short"
        raise video_error(path, found, "give a video file, or copy it again") from error
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise video_error(path, reason, "check the path") from error


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the first stream of moving pictures.

    Raises:
        VideoError: There is none that can be decoded.
    """
    import av

    for stream in container.streams.video:
        picture = stream.disposition & av.stream.Disposition.attached_pic
        codec = getattr(stream.codec_context, "name", None)
        if not picture and codec is not None and codec not in _TEXT_CODECS:
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams}))
    found = f"no video stream that can be decoded among its streams ({kinds or 'none'})"
    raise video_error(path, found, "give a video file")


def _bgr_converter() -> Callable[[VideoFrame, Path], np.ndarray]:
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    reformatter = VideoReformatter()

    def convert(frame: VideoFrame, path: Path) -> np.ndarray:
        try:
            plain = reformatter.reformat(
                frame, format="bgr24", interpolation=Interpolation.BICUBIC, threads=1
            )
        except (av.error.FFmpegError, ValueError) as error:
            found = f"frames in {frame.format.name}, which do not convert ({error})"
            raise video_error(path, found, "re-encode it") from error
        plane = plain.planes[0]
        levels = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
        rows = levels.reshape(-1, plane.line_size)
        image = rows[: plain.height, : 3 * plain.width].reshape(plain.height, plain.width, 3)
        turns = int(frame.rotation) // 90
        return np.rot90(image, turns) if turns else image

    return convert
