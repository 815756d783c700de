"""Progress of a download on stderr: a bar on a terminal, sparse lines where there is none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zsl_bench.cli.render import console, duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_QUIET_SECONDS = 20.0


class DownloadBar:
    """Bytes done, speed and time left."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._name = ""
        self._total = self._done = self._begun = 0
        self._started = self._said = 0.0

    def start(self, name: str, *, total: int, done: int) -> None:
        """Begin a download."""
        self.finish()
        self._name, self._total, self._done, self._begun = name, total, done, done
        self._started = self._said = time.monotonic()
        if done:
            self.note(f"{name}: {size_of(done)} of {size_of(total)} are there from before")
        if self._console.is_terminal:
            self._show()

    def advance(self, size: int) -> None:
        """Count bytes."""
        self._done += size
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done)
        elif time.monotonic() - self._said > _QUIET_SECONDS:
            self._said = time.monotonic()
            self.note(
                f"{self._name}: {size_of(self._done)} of {size_of(self._total)}, {self._left()}"
            )

    def note(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, soft_wrap=True)

    def finish(self) -> None:
        """End the download."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show(self) -> None:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task(self._name, total=self._total, completed=self._done)
        self._bar.start()

    def _left(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        speed = max(self._done - self._begun, 1) / seconds
        return f"{size_of(speed)}/s, {duration((self._total - self._done) / speed)} left"


def size_of(number: float) -> str:
    """Return a number of bytes in its natural unit, such as ``6.96 GB``."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f} bytes"
