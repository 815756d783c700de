"""The libraries that can decode: PyAV, which counts the frames of any file, and torchcodec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zsl_bench.errors import ZslBenchError, near_matches

if TYPE_CHECKING:
    from pathlib import Path

    from zsl_bench.video.decode import VideoReader

PYAV, TORCHCODEC, TORCHCODEC_CUDA = "pyav", "torchcodec", "torchcodec-cuda"
DECODERS = (PYAV, TORCHCODEC, TORCHCODEC_CUDA)


class UnsureError(Exception):
    """A decoder may number the frames of this file otherwise than PyAV does, or fails on it."""


def check_decoder(decoder: str) -> None:
    """See that a decoder exists; whether it is installed is for :func:`decoder_id` to say.

    Raises:
        ZslBenchError: There is no such decoder.
    """
    if decoder not in DECODERS:
        raise ZslBenchError(
            f"decoder {decoder!r}", found="no such decoder", fix=near_matches(decoder, DECODERS)
        )


def decoder_id(decoder: str = PYAV) -> str:
    """Name a decoder with its version and FFmpeg's, for identities.

    Such as ``pyav 18.1.0 ffmpeg 8.1``. PyAV decodes the files that another decoder does not, and so
    is named behind it.

    Raises:
        ZslBenchError: There is no such decoder, or it is not installed or does not work here.
    """
    import av

    check_decoder(decoder)
    counted = f"pyav {av.__version__} ffmpeg {av.ffmpeg_version_info}"
    if decoder == PYAV:
        return counted
    from zsl_bench.video.torchcodec_reader import torchcodec_id

    return f"{torchcodec_id(decoder)}, {counted}"


def open_reader(path: Path | str, decoder: str) -> VideoReader:
    """Open a file with a decoder.

    Raises:
        VideoError: The file is missing, is no video, or has no video stream.
        ZslBenchError: There is no such decoder, or it is not installed or does not work here.
    """
    check_decoder(decoder)
    if decoder == PYAV:
        from zsl_bench.video.decode import VideoReader

        return VideoReader(path, skip=True)
    from zsl_bench.video.torchcodec_reader import TorchcodecReader

    return TorchcodecReader(path, decoder=decoder)
