"""One video: decoded, scaled, encoded, verified, and put in its place. What a process runs."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, Any, Self, cast

from zsl_bench.errors import ResultError, VideoError
from zsl_bench.preparation.scaling import FrameScaler, to_video_frame
from zsl_bench.preparation.verify import verify_video
from zsl_bench.video import VideoReader
from zsl_bench.video.extent import check_shortfall, find_extent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import numpy as np
    from av.video.stream import VideoStream

    from zsl_bench.preparation.settings import PrepareSettings

SUFFIX = ".mp4"
_USUAL_RATE = Fraction(25)
_RATES = (Fraction(1, 10), Fraction(1000))
_LARGEST_DENOMINATOR = 1001
_BT601, _LIMITED, _FULL = 6, 1, 2
_SAMPLE_GROWTH = 4


@dataclass(frozen=True, kw_only=True)
class Task:
    """One video to prepare.

    Attributes:
        source: The file.
        target: Where the prepared file goes.
        scratch: A folder of the same file system for files in the making.
        settings: How.
        start: Second at which the wanted part begins, None for the beginning.
        end: Second at which it ends, None for the end.
    """

    source: Path
    target: Path
    scratch: Path
    settings: PrepareSettings
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a video.

    Attributes:
        source_bytes: Size of the source file.
        source_mtime_ns: When it was last changed, in nanoseconds.
        problem: Why it could not be prepared; empty where it was.
        died: Whether the process died of it, which may be for want of memory.
        note: What is odd about the source; mostly empty.
        size: Height and width of the prepared file, in pixels.
        frames: Its frames.
        counted: The frames that the source's container says, 0 where it does not or where only a
            part was wanted.
        bytes: The size of the prepared file.
        psnr: The least PSNR of the frames that were compared with the source's, in dB.
        seconds: How long it took.
    """

    source_bytes: int
    source_mtime_ns: int
    problem: str = ""
    died: bool = False
    note: str = ""
    size: tuple[int, int] = (0, 0)
    frames: int = 0
    counted: int = 0
    bytes: int = 0
    psnr: float = 0.0
    seconds: float = 0.0


def prepare_video(task: Task) -> Outcome:
    """Prepare one video; a file that cannot be prepared gives its problem.

    Raises:
        ResultError: The prepared file cannot be written.
    """
    started = time.perf_counter()
    try:
        status = task.source.stat()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Outcome(source_bytes=0, source_mtime_ns=0, problem=reason)
    known: dict[str, Any] = {
        "source_bytes": status.st_size,
        "source_mtime_ns": status.st_mtime_ns,
    }
    try:
        with _in_place(task) as path:
            made = _encode(task, path)
            psnr = verify_video(path, made.frames, made.size, made.samples)
            size = path.stat().st_size
    except VideoError as error:
        return Outcome(problem=error.found, **known)
    return Outcome(
        note=made.note,
        size=made.size,
        frames=made.frames,
        counted=made.counted,
        bytes=size,
        psnr=psnr,
        seconds=time.perf_counter() - started,
        **known,
    )


@contextmanager
def _in_place(task: Task) -> Iterator[Path]:
    """Give a path to write to; what is written there goes to its place, or away on an error."""
    path = task.scratch / f"{secrets.token_hex(8)}{SUFFIX}"
    try:
        task.scratch.mkdir(parents=True, exist_ok=True)
        yield path
        with path.open("r+b") as stream:
            os.fsync(stream.fileno())
        task.target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(task.target)
    except OSError as error:
        raise ResultError(
            f"write {task.target}",
            found=error.strerror or str(error),
            fix="free some space or choose another folder; the same command then goes on",
        ) from error
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What was encoded: size, frame counts, some scaled frames by number, and what was odd."""

    size: tuple[int, int]
    frames: int
    counted: int
    samples: dict[int, np.ndarray]
    note: str


def _encode(task: Task, path: Path) -> _Made:
    with VideoReader(task.source) as reader:
        extent = find_extent(reader, task.start, task.end)
        whole = task.start is None and task.end is None
        wanted: Iterable[int] = (
            count() if whole else range(extent.first, extent.first + extent.total)
        )
        made = _write(reader, wanted, task.settings, path)
        note = check_shortfall(reader) if reader.ended else ""
        if made is None:
            raise VideoError(
                f"read video {task.source}",
                found="no frame that decodes",
                fix="replace or leave out the file",
            )
        writer, scaler = made
        notes = [note] if note else []
        if scaler.fitted:
            notes.append(f"frames of another size than the first, fitted to it: {scaler.fitted}")
        return _Made(
            size=scaler.size,
            frames=writer.frames,
            counted=reader.promised if whole else 0,
            samples=writer.samples,
            note="; ".join(notes),
        )


def _write(
    reader: VideoReader, wanted: Iterable[int], settings: PrepareSettings, path: Path
) -> tuple[_Writer, FrameScaler] | None:
    """Scale and encode the wanted frames; None where there are none."""
    frames = (frame for _, frame in reader.frames(wanted))
    first = next(frames, None)
    if first is None:
        return None
    scaler = FrameScaler(settings, *first.shape[:2])
    with _Writer(path, settings, scaler.size, _rate(reader.fps)) as writer:
        writer.write(scaler(first))
        for frame in frames:
            writer.write(scaler(frame))
    return writer, scaler


def _rate(fps: float) -> Fraction:
    """Return the constant rate of the prepared file: the source's average one, if sensible."""
    if not _RATES[0] <= fps <= _RATES[1]:
        return _USUAL_RATE
    return Fraction(fps).limit_denominator(_LARGEST_DENOMINATOR)


class _Writer:
    """Encodes frames of one size into an mp4 file; a context manager.

    Attributes:
        frames: How many were written.
        samples: Some of them by their number: the first, ever rarer ones, and the last.
    """

    def __init__(
        self, path: Path, settings: PrepareSettings, size: tuple[int, int], rate: Fraction
    ) -> None:
        import av

        self._codec = settings.encoding
        self._size = size
        self._time_base = 1 / rate
        self._next_sample = 0
        self._last: np.ndarray | None = None
        self.frames = 0
        self.samples: dict[int, np.ndarray] = {}
        self._container = av.open(
            f"file:{path}", "w", format="mp4", options={"movflags": "+faststart"}
        )
        options = self._codec.options(settings.level, settings.gop)
        stream = self._container.add_stream(self._codec.encoder, rate=rate, options=options)
        self._stream = cast("VideoStream", stream)
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = "yuvj420p" if self._codec.full_range else "yuv420p"
        context = self._stream.codec_context
        context.thread_count = 1
        context.colorspace = _BT601
        context.color_range = _FULL if self._codec.full_range else _LIMITED

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            with suppress(OSError, ValueError):
                self._container.close()
            return
        with self._problems_told():
            self._container.mux(self._stream.encode())
            self._container.close()
        if self._last is not None:
            self.samples[self.frames - 1] = self._last

    def write(self, levels: np.ndarray) -> None:
        """Encode a frame.

        Raises:
            VideoError: The encoder refuses it.
        """
        frame = to_video_frame(levels, self._codec)
        frame.pts, frame.time_base = self.frames, self._time_base
        with self._problems_told():
            self._container.mux(self._stream.encode(frame))
        if self.frames == self._next_sample:
            self.samples[self.frames] = levels.copy()
            self._next_sample = max(1, self._next_sample * _SAMPLE_GROWTH)
        self._last = levels
        self.frames += 1

    @contextmanager
    def _problems_told(self) -> Iterator[None]:
        import av

        try:
            yield
        except av.error.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            raise VideoError(
                "prepare a video",
                found=f"{self._codec.encoder} refuses frames of {self._size[1]} x {self._size[0]} "
                f"({error.strerror})",
                fix="choose another codec or size",
            ) from error
