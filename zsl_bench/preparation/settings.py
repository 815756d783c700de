"""How files are prepared: everything that can change a byte of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zsl_bench.errors import DatasetError, near_matches
from zsl_bench.preparation.codecs import Codec, find_codec

SCALERS = ("evaluation", "area", "bicubic", "bilinear")
_VERSION = 1
_LARGEST = 65_536


@dataclass(frozen=True, kw_only=True)
class PrepareSettings:
    """How videos are re-encoded.

    Attributes:
        short_side: What the short side is scaled down to, in pixels, an even number; None to keep
            every video's size. Nothing is enlarged.
        gop: Frames from one key frame to the next.
        codec: ``h264``, or another of those that the installed PyAV can write.
        quality: The encoder's quality, smaller is closer and larger; None for the codec's default.
        scaler: ``evaluation`` blends the four nearest pixels as the evaluation of the paper's model
            does; ``area``, ``bicubic`` and ``bilinear`` are FFmpeg's, which filter before they
            scale down.
    """

    short_side: int | None = 128
    gop: int = 16
    codec: str = "h264"
    quality: int | None = None
    scaler: str = "evaluation"

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            DatasetError: A field has a value that is not offered.
        """
        if self.short_side is not None:
            _check("short side", self.short_side, 2, _LARGEST)
            if self.short_side % 2:
                raise DatasetError(
                    f"prepare with a short side of {self.short_side}",
                    found="an odd number of pixels",
                    fix="give an even one, or 0 to keep the size",
                )
        _check("GOP", self.gop, 1, _LARGEST)
        if self.scaler not in SCALERS:
            raise DatasetError(
                f"prepare with scaler {self.scaler!r}",
                found="no such scaler",
                fix=near_matches(self.scaler, SCALERS),
            )
        codec = find_codec(self.codec)
        if self.quality is not None:
            _check(f"{self.codec} quality", self.quality, *codec.qualities)

    @property
    def encoding(self) -> Codec:
        """The codec."""
        return find_codec(self.codec)

    @property
    def level(self) -> int:
        """The quality, the codec's default where none was asked for."""
        return self.encoding.quality if self.quality is None else self.quality

    def record(self) -> dict[str, Any]:
        """Return what a manifest keeps of the settings, with the versions that made the bytes."""
        from zsl_bench.video import decoder_id

        return {
            "version": _VERSION,
            "short_side": self.short_side,
            "gop": self.gop,
            "codec": self.codec,
            "quality": self.level,
            "scaler": self.scaler,
            "pixels": "yuv420p",
            "encoder": self.encoding.encoder,
            "library": decoder_id(),
        }


def _check(name: str, value: object, least: int, greatest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= greatest:
        raise DatasetError(
            f"prepare with {name} {value!r}",
            found="no whole number in range",
            fix=f"give {least} to {greatest}",
        )
