"""What a run writes down for people: metrics as CSV and for TensorBoard, and sheets of clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from zsl_bench.errors import ResultError, ZslBenchError
from zsl_bench.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor
    from torch.utils.tensorboard import SummaryWriter

METRICS_FILE = "metrics.csv"
TENSORBOARD_FOLDER = "tensorboard"
VALUES = (
    "loss",
    "learning_rate",
    "clips",
    "clips_per_second",
    "seconds",
    "held_out_top1",
    "held_out_top5",
    "unreadable",
    "peak_memory_mb",
)
COLUMNS = ("kind", "epoch", "step", *VALUES)
_KINDS = ("step", "epoch", "validation")
_MARGIN, _TEXT, _BACK, _INK = 6, 16, (255, 255, 255), (20, 20, 20)
_LEAST_ROW_SIDE, _LEAST_CELL_SIDE = 96, 160
_LEAST_LETTER = 3
_MILLISECONDS = 100


class MetricsLog:
    """The metrics of a run, a row at a time.

    Rows reach the file at once. A run that is to go on from a checkpoint writes its rows before it
    saves the checkpoint; rows after the checkpoint are then dropped and written again, and so are
    those that end an epoch which the checkpoint does not count as finished.

    Args:
        folder: The run's folder; ``metrics.csv`` and, where asked for, ``tensorboard`` are in it.
        resume_at: Optimiser steps done in the run that goes on; None to begin anew.
        epochs: Epochs finished in the run that goes on.
        tensorboard: Write event files for TensorBoard, too.

    Raises:
        ZslBenchError: TensorBoard is not installed, or the folder cannot be written to.
    """

    def __init__(
        self,
        folder: Path,
        *,
        resume_at: int | None = None,
        epochs: int = 0,
        tensorboard: bool = False,
    ) -> None:
        self._path = folder / METRICS_FILE
        self._board = _board(folder / TENSORBOARD_FOLDER, resume_at) if tensorboard else None
        rows = (
            []
            if resume_at is None
            else list(_whole_rows(self._path, upto=resume_at, epochs=epochs))
        )
        with atomic_write(self._path) as stream:
            stream.write("".join(_line(row) for row in (COLUMNS, *rows)).encode())

    def write(
        self,
        *,
        kind: Literal["step", "epoch", "validation"],
        epoch: int,
        step: int,
        **values: float | None,
    ) -> None:
        """Write one row.

        Args:
            kind: What the row is about.
            epoch: Counted from 0.
            step: Optimiser steps done in all.
            **values: Any of :data:`VALUES`; what is None or left out stays empty.

        Raises:
            TypeError: A value has another name.
            ResultError: There is no space.
        """
        unknown = sorted(values.keys() - set(VALUES))
        if unknown:
            raise TypeError(f"no metric {unknown[0]!r}; there are {', '.join(VALUES)}")
        numbers = {name: values.get(name) for name in VALUES}
        cells = ("" if value is None else format(value, ".9g") for value in numbers.values())
        try:
            with self._path.open("ab") as stream:
                stream.write(_line((kind, str(epoch), str(step), *cells)).encode())
            if self._board is not None:
                for name, value in numbers.items():
                    if value is not None:
                        self._board.add_scalar(f"{kind}/{name}", value, step)
        except OSError as error:
            raise ResultError(
                f"write {self._path}",
                found=error.strerror or str(error),
                fix="free some space and go on with --resume",
            ) from error

    def close(self) -> None:
        """Write out what TensorBoard has not yet."""
        if self._board is not None:
            self._board.close()


def _board(folder: Path, resume_at: int | None) -> SummaryWriter:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ZslBenchError(
            "metrics for TensorBoard",
            found="TensorBoard is not installed",
            fix="install zsl-bench with its extra 'tensorboard', or leave the option out",
        ) from error
    purge_step = None if resume_at is None else resume_at + 1
    return SummaryWriter(log_dir=str(folder), purge_step=purge_step)


def _whole_rows(path: Path, *, upto: int, epochs: int) -> Iterator[list[str]]:
    """Yield the rows of a run up to a step; a row that a crash cut short is none."""
    text = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
    for line in text[: text.rfind("\n") + 1].splitlines():
        row = line.split(",")
        whole = len(row) == len(COLUMNS) and row[0] in _KINDS
        if not whole or not (row[1].isdecimal() and row[2].isdecimal()):
            continue
        if int(row[2]) <= upto and (row[0] == "step" or int(row[1]) < epochs):
            yield row


def _line(row: Sequence[str]) -> str:
    return ",".join(row) + "\n"


def save_sample_sheet(path: Path, clips: Tensor | np.ndarray, labels: Sequence[str]) -> Path:
    """Save what the network sees as a picture to look at.

    Args:
        path: A ``.png`` (a row a clip, a column a frame) or a ``.gif`` (clips side by side, moving
            at ten frames a second).
        clips: ``(B, T, 3, H, W)``, RGB levels 0 to 255, as the network is handed them. Small
            frames are enlarged, each pixel to a square.
        labels: A caption for each clip.

    Returns:
        The path.

    Raises:
        ResultError: The file is of another kind or cannot be written.
        ValueError: The clips are of another shape, or not as many as the captions.
    """
    frames = _pictures(clips)
    if len(frames) != len(labels):
        raise ValueError(f"{len(frames)} clips for {len(labels)} captions")
    if path.suffix == ".png":
        pages, options = [_rows(frames, labels)], {}
    elif path.suffix == ".gif":
        pages = list(_grids(frames, labels))
        options = {"save_all": True, "append_images": pages[1:], "duration": _MILLISECONDS,
                   "loop": 0}  # fmt: skip
    else:
        raise ResultError(
            f"save sample sheet {path}", found="another kind of file", fix="give .png or .gif"
        )
    with atomic_write(path) as stream:
        pages[0].save(stream, format=path.suffix[1:], **options)
    return path


def _pictures(clips: Tensor | np.ndarray) -> np.ndarray:
    """Return clips as ``(B, T, H, W, 3)`` uint8."""
    levels = clips.detach().cpu().float().numpy() if isinstance(clips, torch.Tensor) else clips
    if levels.ndim != 5 or levels.shape[2] != 3 or not levels.size:
        raise ValueError(f"clips of shape {levels.shape} instead of (B, T, 3, H, W)")
    pictures: np.ndarray = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return pictures.transpose(0, 1, 3, 4, 2)


def _enlarged(frames: np.ndarray, least: int) -> np.ndarray:
    times = -(-least // max(frames.shape[2:4]))
    return frames.repeat(times, axis=2).repeat(times, axis=3)


def _rows(frames: np.ndarray, labels: Sequence[str]) -> Image.Image:
    frames = _enlarged(frames, _LEAST_ROW_SIDE)
    clips, count, height, width = frames.shape[:4]
    row = height + _TEXT + 2 * _MARGIN
    sheet = _empty(count * (width + 2) + 2 * _MARGIN - 2, clips * row + _MARGIN)
    for number, (clip, label) in enumerate(zip(frames, labels, strict=True)):
        top = number * row + _MARGIN
        _caption(sheet, _MARGIN, top, sheet.width - 2 * _MARGIN, label)
        for column, picture in enumerate(clip):
            place = (_MARGIN + column * (width + 2), top + _TEXT + _MARGIN)
            sheet.paste(Image.fromarray(picture), place)
    return sheet


def _grids(frames: np.ndarray, labels: Sequence[str]) -> Iterator[Image.Image]:
    frames = _enlarged(frames, _LEAST_CELL_SIDE)
    clips, count, height, width = frames.shape[:4]
    columns = int(np.ceil(np.sqrt(clips)))
    across, down = width + _MARGIN, height + _TEXT + 2 * _MARGIN
    empty = _empty(columns * across + _MARGIN, -(-clips // columns) * down + _MARGIN)
    corners = [
        (_MARGIN + n % columns * across, _MARGIN + n // columns * down) for n in range(clips)
    ]
    for (left, top), label in zip(corners, labels, strict=True):
        _caption(empty, left, top, width, label)
    for moment in range(count):
        sheet = empty.copy()
        for clip, (left, top) in zip(frames, corners, strict=True):
            sheet.paste(Image.fromarray(clip[moment]), (left, top + _TEXT + _MARGIN))
        yield sheet


def _empty(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), _BACK)


def _caption(sheet: Image.Image, left: int, top: int, room: int, text: str) -> None:
    """Write one line, cut with an ellipsis where there is no room."""
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT - 2)
    shown = " ".join(text.split())[: room // _LEAST_LETTER]
    while shown and draw.textlength(shown, font=font) > room:
        shown = shown.removesuffix("...")[:-1]
        shown = f"{shown.rstrip()}..." if shown else ""
    draw.text((left, top), shown, fill=_INK, font=font)
