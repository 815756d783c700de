"""Three frames of a video as one small picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.errors import VideoError
from zsl_bench.pages import picture_source
from zsl_bench.video.decode import VideoReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zsl_bench.report.confused import Mistake
    from zsl_bench.videos import Manifest, Video

MOST = 24
"""Strips in a page."""
FRAMES = 3
_MOST_DECODED = 900
_SIDE, _GAP, _QUALITY = 90, 4, 70
_PAPER = (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A video of which a page shows some frames.

    Attributes:
        mistake: The video and what it was taken for.
        source: The picture as the source of an image.
    """

    mistake: Mistake
    source: str


def strips(mistakes: Sequence[Mistake], manifest: Manifest) -> tuple[tuple[Strip, ...], int]:
    """Make a strip of each video that is at hand, at most ``MOST``.

    Args:
        mistakes: The videos, the most important first.
        manifest: Where the videos lie.

    Returns:
        The strips, and how many of the videos tried are absent or cannot be read.
    """
    at_hand = {video.id: video for video in manifest.videos}
    made: list[Strip] = []
    lacking = 0
    for mistake in mistakes:
        if len(made) == MOST:
            break
        content = _strip(at_hand.get(mistake.video), manifest)
        if content is None:
            lacking += 1
        else:
            made.append(Strip(mistake=mistake, source=picture_source(content, "jpg")))
    return tuple(made), lacking


def _strip(video: Video | None, manifest: Manifest) -> bytes | None:
    if video is None:
        return None
    try:
        return film_strip(video, manifest)
    except VideoError:
        return None


def film_strip(video: Video, manifest: Manifest) -> bytes:
    """Return three frames of a video beside one another, as a JPEG file 90 pixels high.

    They are taken at a sixth, a half and five sixths of it, or of its first 900 frames.

    Args:
        video: A row of the manifest.
        manifest: Where it lies.

    Raises:
        VideoError: The file is missing or cannot be read.
    """
    from PIL import Image

    pictures = []
    for frame in _frames(video, manifest):
        picture = Image.fromarray(np.ascontiguousarray(frame[..., ::-1]))
        width = max(round(picture.width * _SIDE / picture.height), 1)
        pictures.append(picture.resize((min(width, 2 * _SIDE), _SIDE), Image.Resampling.BICUBIC))
    total = sum(picture.width for picture in pictures) + _GAP * (len(pictures) - 1)
    sheet = Image.new("RGB", (total, _SIDE), _PAPER)
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + _GAP
    stream = io.BytesIO()
    sheet.save(stream, format="JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()


def _frames(video: Video, manifest: Manifest) -> list[np.ndarray]:
    path = manifest.resolve(video)
    with VideoReader(path, skip=True) as reader:
        total = max(reader.promised or reader.estimated, 1)
        first = int((video.start or 0.0) * reader.fps)
        last = total if video.end is None else min(int(video.end * reader.fps), total)
        length = max(min(last - first, _MOST_DECODED), 1)
        wanted = sorted({first + length * part // (2 * FRAMES) for part in range(1, 6, 2)})
        frames = [frame for _, frame in reader.frames(wanted)]
    if not frames:
        raise VideoError(
            f"frames of {video.id}", found="none could be read", fix="see zsl-bench index --probe"
        )
    return frames
