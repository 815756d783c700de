"""Sheets of the demonstration's videos with their names, drawn with Pillow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zsl_bench.files import atomic_write
from zsl_bench.video.decode import VideoReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

INK, GREY, PAPER = (28, 32, 38), (110, 116, 124), (255, 255, 255)
RIGHT, WRONG = (0, 114, 178), (213, 94, 0)
"""Blue and vermilion, which people with any colour vision tell apart."""

_CELL, _GAP, _TEXT, _BORDER = 120, 14, 15, 5
_STRIP = 6
_MILLISECONDS = 90


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A video and what stands below it.

    Attributes:
        path: The file.
        title: First line.
        note: Second line, or empty.
        right: Whether a prediction is right; None where there is none.
    """

    path: Path
    title: str
    note: str = ""
    right: bool | None = None


def read_frames(path: Path) -> np.ndarray:
    """Decode all frames of a video: ``(T, H, W, 3)`` uint8, RGB.

    Raises:
        VideoError: The file cannot be read.
    """
    with VideoReader(path) as reader:
        frames = [frame[..., ::-1].copy() for _, frame in reader.frames(range(reader.promised))]
    return np.stack(frames)


def write_contact_sheet(path: Path, groups: Sequence[tuple[str, Sequence[Shown]]]) -> Path:
    """Write a sheet of some videos, a strip of frames each, under a heading for each group.

    Args:
        path: A ``.png`` file.
        groups: For each group its heading and its videos.

    Returns:
        The path.

    Raises:
        ResultError: The file cannot be written.
        VideoError: A video cannot be read.
    """
    row, head = _CELL + _TEXT + _GAP, 2 * _TEXT + _GAP
    width = 2 * _GAP + _STRIP * (_CELL + 2) - 2
    height = _GAP + sum(head + row * len(videos) for _, videos in groups)
    sheet, draw = _blank(width, height)
    top = _GAP
    for heading, videos in groups:
        draw.text((_GAP, top), heading, fill=INK, font=_font(_TEXT + 3))
        top += head - _GAP
        for shown in videos:
            frames = read_frames(shown.path)
            chosen = np.linspace(0, min(len(frames), 2 * _STRIP) - 1, _STRIP).round().astype(int)
            for column, number in enumerate(chosen):
                sheet.paste(_picture(frames[number]), (_GAP + column * (_CELL + 2), top))
            draw.text((_GAP, top + _CELL + 1), shown.title, fill=GREY, font=_font(_TEXT - 1))
            top += row
        top += _GAP
    with atomic_write(path) as stream:
        sheet.save(stream, format="PNG")
    return path


def write_predictions(path: Path, videos: Sequence[Shown], *, columns: int) -> tuple[Path, Path]:
    """Write videos side by side with their names, as a picture and as a moving one.

    Args:
        path: A ``.png`` file; the moving one is a ``.gif`` beside it.
        videos: What to show; a coloured border says whether a prediction is right.
        columns: Videos in a row.

    Returns:
        Both paths.

    Raises:
        ResultError: A file cannot be written.
        VideoError: A video cannot be read.
    """
    cell = (_CELL + 2 * _BORDER + 4 * _GAP, _CELL + 2 * _BORDER + 2 * _TEXT + _GAP + 8)
    rows = -(-len(videos) // columns)
    base, draw = _blank(columns * cell[0] + _GAP, rows * cell[1] + _GAP)
    places = [
        (_GAP + number % columns * cell[0], _GAP + number // columns * cell[1])
        for number in range(len(videos))
    ]
    for (left, top), shown in zip(places, videos, strict=True):
        _caption(draw, shown, left, top)
    moving = [read_frames(shown.path) for shown in videos]
    pages = []
    for moment in range(max(map(len, moving))):
        page = base.copy()
        for (left, top), frames in zip(places, moving, strict=True):
            picture = _picture(frames[min(moment, len(frames) - 1)])
            page.paste(picture, (left + _BORDER, top + _BORDER))
        pages.append(page)
    with atomic_write(path) as stream:
        pages[len(pages) // 3].save(stream, format="PNG")
    animated = path.with_suffix(".gif")
    with atomic_write(animated) as stream:
        pages[0].save(
            stream, format="GIF", save_all=True, append_images=pages[1:], duration=_MILLISECONDS,
            loop=0,
        )  # fmt: skip
    return path, animated


def _caption(draw: ImageDraw, shown: Shown, left: int, top: int) -> None:
    side = _CELL + 2 * _BORDER
    tone = GREY if shown.right is None else (RIGHT if shown.right else WRONG)
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=tone)
    below = top + side + 3
    draw.text((left, below), shown.title, fill=tone, font=_font(_TEXT - 1))
    draw.text((left, below + _TEXT + 2), shown.note, fill=GREY, font=_font(_TEXT - 3))


def _blank(width: int, height: int) -> tuple[Image, ImageDraw]:
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (width, height), PAPER)
    return sheet, ImageDraw.Draw(sheet)


def _picture(frame: np.ndarray) -> Image:
    from PIL import Image

    return Image.fromarray(frame).resize((_CELL, _CELL), Image.Resampling.BICUBIC)


def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont as Fonts

    return Fonts.load_default(size)
