"""Which frames an encoder of MTEB is handed, by what its processor does to them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zsl_bench.adapters.transformers_preprocessing import read_preprocessing
from zsl_bench.errors import ModelError
from zsl_bench.video import ClipSpec

if TYPE_CHECKING:
    from zsl_bench.model import LoadOptions

_SIDE = 224
_LARGEST = 4096
_UNKNOWN = "; of a frame its central square, as what the wrapper would cut is not known"


def find_size(options: LoadOptions, *, asked: str) -> int | None:
    """Return the side of the frames that the setting ``size`` gives; None where it is not set.

    Args:
        options: What the loader is told.
        asked: What is being loaded, for the message.

    Raises:
        ModelError: It is no whole number of pixels.
    """
    given = options.settings.get("size")
    if given is None:
        return None
    if not given.isdecimal() or not 1 <= int(given) <= _LARGEST:
        fix = f"give a whole number of pixels from 1 to {_LARGEST}"
        raise ModelError(f"{asked}, size={given}", found="no side of a frame", fix=fix)
    return int(given)


def find_clip(
    encoder: Any,  # noqa: ANN401
    column: str,
    *,
    frames: int,
    size: int | None,
    asked: str,
) -> tuple[ClipSpec, str]:
    """Return what an encoder is handed, and what the card has to say of it.

    Where the encoder holds a processor of transformers, frames come in the size and shape that this
    one resizes them to, so that its resize changes nothing; otherwise as their central square.

    Args:
        encoder: The wrapper.
        column: ``video`` or ``image``.
        frames: Frames in a clip.
        size: Side of the frames, in pixels, where the user gave it.
        asked: What is being loaded, for messages.
    """
    try:
        known = [
            read_preprocessing(processor, frames=frames, asked=asked)
            for processor in _processors(encoder, column)[:1]
        ]
    except ModelError:
        known = []
    if known:
        clip, note = known[0].clip, known[0].note
        side = size or clip.short_side
        return replace(clip, size=side, short_side=side), note
    side = size or _processor_side(encoder) or _SIDE
    clip = ClipSpec(
        frames=frames,
        size=side,
        short_side=side,
        resize="exact",
        interpolation="bicubic",
        antialias=True,
    )
    return clip, _UNKNOWN


def _processors(encoder: Any, column: str) -> list[Any]:  # noqa: ANN401
    """Return the processors of transformers that an encoder holds for a column, or for another."""
    names = (f"{column}_processor", "image_processor", "video_processor", "processor")
    holders = [encoder, getattr(encoder, "processor", None)]
    found = [getattr(holder, name, None) for holder in holders for name in names]
    return [each for each in found if hasattr(each, "do_resize") and hasattr(each, "resample")]


def _processor_side(encoder: Any) -> int | None:  # noqa: ANN401
    """Return the side of the frames that the encoder's processor makes, where it says so."""
    names = ("image_processor", "video_processor")
    holders = [getattr(encoder, name, None) for name in ("processor", *names)]
    inner = [getattr(holder, name, None) for holder in holders for name in names]
    for processor in (*holders, *inner):
        for attribute in ("crop_size", "size"):
            sides = _sides(getattr(processor, attribute, None))
            if len(sides) == 1:
                return sides.pop()
    return None


def _sides(stated: object) -> set[int]:
    """Return the sides that a processor's size states, a mapping or an object of the library."""
    fields = stated if isinstance(stated, dict) else getattr(stated, "__dict__", {})
    sides = {fields.get(key) for key in ("height", "width", "shortest_edge")}
    return {side for side in sides if isinstance(side, int)}
