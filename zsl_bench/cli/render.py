"""What the verbs print: consoles, tables, JSON, progress."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PIPE_WIDTH = 160
_QUIET_SECONDS = 20.0


def console(*, stderr: bool = False) -> Console:
    """Return a console; in a pipe it is wide and plain, so that lines stay whole."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def table(title: str | None = None) -> Table:
    """Return an empty table in the house style."""
    return Table(
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )


def print_json(value: object) -> None:
    """Print one JSON value on stdout."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def percent(value: float | None) -> str:
    """Return an accuracy as the field prints it: percent with one digit."""
    return "-" if value is None else f"{100 * value:.1f}"


class ProgressBar:
    """Videos done, speed and time left, on stderr; sparse lines where that is no terminal."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._total = 0
        self._done = 0
        self._begun = 0
        self._kept = 0
        self._started = 0.0
        self._said = 0.0

    def note(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, soft_wrap=True)

    def start(self, dataset: str, *, total: int, done: int) -> None:
        """Begin a data set."""
        self._name, self._total = dataset, total
        self._done = self._begun = self._kept = done
        self._started = self._said = time.monotonic()
        if done:
            self.note(f"{dataset}: the vectors of {done} of {total} videos are there from before")
        if self._console.is_terminal and done < total:
            self._bar = _video_bar(self._console)
            self._task = self._bar.add_task(dataset, total=total, completed=done, speed="")
            self._bar.start()

    def advance(self, videos: int) -> None:
        """Count videos."""
        self._done += videos
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=videos, speed=self._speed())
        elif time.monotonic() - self._said > _QUIET_SECONDS:
            self._said = time.monotonic()
            left = self._elapsed() / (self._done - self._begun) * (self._total - self._done)
            self.note(f"{self._counts()}, {duration(left)} left")

    def keep(self, videos: int) -> None:
        """Count videos that a stopped run would not lose."""
        self._kept += videos

    def finish(self) -> None:
        """End the data set."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        elif self._done > self._begun:
            self.note(self._counts())

    def stopped(self, folder: Path) -> str:
        """Say what a stopped run has kept."""
        if not self._kept:
            return "stopped; nothing was finished yet"
        return (
            f"stopped; {self._kept} of {self._total} videos of {self._name} are kept under "
            f"{folder / 'vectors'}, and the same command goes on from there"
        )

    def _elapsed(self) -> float:
        return max(time.monotonic() - self._started, 1e-9)

    def _speed(self) -> str:
        speed = (self._done - self._begun) / self._elapsed()
        return f"{speed:.1f} videos/s" if speed >= 1 else f"{duration(1 / speed)} a video"

    def _counts(self) -> str:
        return f"{self._name}: {self._done} of {self._total} videos, {self._speed()}"


def duration(seconds: float) -> str:
    """Return a duration in its natural unit, such as ``12 s`` or ``3.4 h``."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 video``, ``2 videos``, ``3 classes``."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def _video_bar(to: Console) -> RichProgress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns: list[Any] = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    ]
    return Progress(*columns, console=to, transient=False)
