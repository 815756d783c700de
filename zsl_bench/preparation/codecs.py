"""The codecs that prepared files can be written in, and how each is told about quality and GOP.

All of them write 4:2:0 pictures in the order in which they are shown, with a key frame every
``gop`` frames and none that a later group needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zsl_bench.errors import DatasetError, near_matches

if TYPE_CHECKING:
    from collections.abc import Callable

_LAMBDA = 118
"""What FFmpeg's encoders of JPEG multiply a quality by."""


@dataclass(frozen=True, kw_only=True)
class Codec:
    """One way to write video.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        quality: The default quality; a smaller number is a larger, closer file.
        qualities: The least and the greatest quality that the encoder takes.
        full_range: Whether levels take all of 0 to 255, as in JPEG, instead of 16 to 235.
        options: The encoder's options for a quality and a GOP.
    """

    encoder: str
    quality: int
    qualities: tuple[int, int]
    full_range: bool
    options: Callable[[int, int], dict[str, str]]


def _x264(quality: int, gop: int) -> dict[str, str]:
    """Return libx264's options; its macroblock tree is off, as its bytes differ from run to run."""
    return {
        "crf": str(quality),
        "g": str(gop),
        "keyint_min": str(gop),
        "bf": "0",
        "sc_threshold": "0",
        "mbtree": "0",
        "rc-lookahead": "0",
        "preset": "fast",
        "tune": "fastdecode",
    }


def _x265(quality: int, gop: int) -> dict[str, str]:
    parameters = {
        "keyint": gop,
        "min-keyint": gop,
        "scenecut": 0,
        "bframes": 0,
        "open-gop": 0,
        "pools": "none",
        "frame-threads": 1,
        "log-level": "none",
    }
    joined = ":".join(f"{name}={value}" for name, value in parameters.items())
    return {"crf": str(quality), "preset": "fast", "tune": "fastdecode", "x265-params": joined}


def _jpeg(quality: int, gop: int) -> dict[str, str]:  # noqa: ARG001 - every frame is a key frame
    return {"flags": "+qscale", "global_quality": str(quality * _LAMBDA), "huffman": "optimal"}


def _vp9(quality: int, gop: int) -> dict[str, str]:
    return {
        "crf": str(quality),
        "b": "0",
        "g": str(gop),
        "keyint_min": str(gop),
        "auto-alt-ref": "0",
        "lag-in-frames": "0",
        "deadline": "good",
        "cpu-used": "5",
    }


CODECS = {
    "h264": Codec(
        encoder="libx264", quality=18, qualities=(0, 51), full_range=False, options=_x264
    ),
    "h265": Codec(
        encoder="libx265", quality=18, qualities=(0, 51), full_range=False, options=_x265
    ),
    "mjpeg": Codec(encoder="mjpeg", quality=3, qualities=(1, 31), full_range=True, options=_jpeg),
    "vp9": Codec(
        encoder="libvpx-vp9", quality=18, qualities=(0, 63), full_range=False, options=_vp9
    ),
}


def writable_codecs() -> tuple[str, ...]:
    """Return the names of the codecs that the installed PyAV can write."""
    import av

    def is_there(encoder: str) -> bool:
        try:
            av.Codec(encoder, "w")
        except ValueError:
            return False
        return True

    return tuple(name for name, codec in CODECS.items() if is_there(codec.encoder))


def find_codec(name: str) -> Codec:
    """Return a codec that the installed PyAV can write.

    Raises:
        DatasetError: It can write no codec of that name; those that it can are listed.
    """
    writable = writable_codecs()
    if name in writable:
        return CODECS[name]
    known = f"this PyAV writes {', '.join(writable) or 'none of the codecs that are offered'}"
    hint = near_matches(name, writable)
    raise DatasetError(
        f"prepare with codec {name!r}",
        found=known,
        fix=hint if hint.startswith("did") else "choose one of these",
    )
