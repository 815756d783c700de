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
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def print_json(value: object) -> None:
    """Print one JSON value on stdout."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def percent(value: float | None) -> str:
    """Return an accuracy as the field prints it: percent with one digit."""
    return "-" if value is None else f"{100 * value:.1f}"


class ProgressBar:
    """Videos done, videos a second and time left, on stderr; sparse lines in a pipe."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._total = 0
        self._done = 0
        self._begun = 0
        self._started = 0.0
        self._said = 0.0

    def start(self, dataset: str, *, total: int, done: int) -> None:
        """Begin a data set."""
        self._name, self._total, self._done, self._begun = dataset, total, done, done
        self._started = self._said = time.monotonic()
        if done:
            self._console.print(f"{dataset}: {done} of {total} videos were done before")
        if self._console.is_terminal and done < total:
            self._bar = _video_bar(self._console)
            self._task = self._bar.add_task(dataset, total=total, completed=done, speed="")
            self._bar.start()

    def advance(self, videos: int) -> None:
        """Count videos."""
        self._done += videos
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=videos, speed=f"{self._speed():.1f} videos/s")
        elif time.monotonic() - self._said > _QUIET_SECONDS:
            self._said = time.monotonic()
            self._console.print(self._line())

    def finish(self) -> None:
        """End the data set."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        elif self._done > self._begun:
            self._console.print(
                f"{self._name}: {self._done} of {self._total} videos, {self._speed():.1f} videos/s"
            )

    def _speed(self) -> float:
        return (self._done - self._begun) / max(time.monotonic() - self._started, 1e-9)

    def _line(self) -> str:
        speed = self._speed()
        left = (self._total - self._done) / speed if speed else 0.0
        return (
            f"{self._name}: {self._done} of {self._total} videos, "
            f"{speed:.1f} videos/s, {left / 60:.0f} min left"
        )


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
