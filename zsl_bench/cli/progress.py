"""Progress on stderr: a bar on a terminal, sparse lines where there is none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from zsl_bench.cli.render import console, duration, percent

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_QUIET_SECONDS = 20.0


class _Display:
    """What both kinds of progress share: the bar, the clock and the counts."""

    def __init__(self) -> None:
        self._console = console(stderr=True)
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._total = 0
        self._done = 0
        self._begun = 0
        self._started = 0.0
        self._said = 0.0

    def note(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, soft_wrap=True)

    def _begin(self, description: str, *, total: int, done: int) -> None:
        self._end()
        self._total = total
        self._done = self._begun = done
        self._started = self._said = time.monotonic()
        if self._console.is_terminal and done < total:
            self._bar = _rich_bar(self._console)
            self._task = self._bar.add_task(description, total=total, completed=done, speed="")
            self._bar.start()

    def _show(self, *, speed: str, description: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, speed=speed, description=description)

    def _is_due(self) -> bool:
        """Say whether the last line is long enough ago, and take the next as said now."""
        if time.monotonic() - self._said <= _QUIET_SECONDS:
            return False
        self._said = time.monotonic()
        return True

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _elapsed(self) -> float:
        return max(time.monotonic() - self._started, 1e-9)

    def _left(self) -> str:
        done = max(self._done - self._begun, 1)
        return f"{duration(self._elapsed() / done * (self._total - self._done))} left"

    def _speed(self, number: float, noun: str) -> str:
        speed = number / self._elapsed()
        if speed >= 1:
            return f"{speed:.1f} {noun}s/s"
        return f"{duration(1 / speed)} a {noun}" if speed else ""


class ProgressBar(_Display):
    """Videos done, speed and time left."""

    def __init__(self) -> None:
        super().__init__()
        self._name = ""
        self._kept = 0

    def start(self, dataset: str, *, total: int, done: int) -> None:
        """Begin a data set."""
        self._name, self._kept = dataset, done
        if done:
            self.note(f"{dataset}: the vectors of {done} of {total} videos are there from before")
        self._begin(dataset, total=total, done=done)

    def advance(self, videos: int) -> None:
        """Count videos."""
        self._done += videos
        self._show(speed=self._videos_per_second(), description=self._name)
        if self._bar is None and self._is_due():
            self.note(f"{self._counts()}, {self._left()}")

    def keep(self, videos: int) -> None:
        """Count videos that a stopped run would not lose."""
        self._kept += videos

    def finish(self) -> None:
        """End the data set."""
        if self._bar is None and self._done > self._begun:
            self.note(self._counts())
        self._end()

    def stopped(self, folder: Path) -> str:
        """Say what a stopped run has kept."""
        if not self._kept:
            return "stopped; nothing was finished yet"
        return (
            f"stopped; {self._kept} of {self._total} videos of {self._name} are kept under "
            f"{folder / 'vectors'}, and the same command goes on from there"
        )

    def _videos_per_second(self) -> str:
        return self._speed(self._done - self._begun, "video")

    def _counts(self) -> str:
        return f"{self._name}: {self._done} of {self._total} videos, {self._videos_per_second()}"


class FileBar(_Display):
    """Files done, speed and time left."""

    def __init__(self) -> None:
        super().__init__()
        self._name = ""

    def start(self, name: str, *, total: int, done: int) -> None:
        """Begin a piece of work."""
        self._name = name
        if done:
            self.note(f"{name}: {done:,} of {total:,} files are done from before")
        self._begin(name, total=total, done=done)

    def advance(self, files: int) -> None:
        """Count files."""
        self._done += files
        self._show(speed=self._files_per_second(), description=self._name)
        if self._bar is None and self._is_due():
            counts = f"{self._done:,} of {self._total:,} files"
            self.note(f"{self._name}: {counts}, {self._files_per_second()}, {self._left()}")

    def finish(self) -> None:
        """End it."""
        self._end()

    def _files_per_second(self) -> str:
        return self._speed(self._done - self._begun, "file")


class TrainingBar(_Display):
    """Epoch, loss, clips a second and time left of a training run."""

    def __init__(self) -> None:
        super().__init__()
        self._epochs = 0
        self._steps = 1
        self._clips = 0
        self._loss: float | None = None
        self._on_features = False

    def start(self, epochs: int, steps: int, *, epoch: int, step: int) -> None:
        """Begin the training steps."""
        self._epochs, self._steps, self._clips, self._on_features = epochs, steps, 0, False
        if epoch or step:
            self.note(f"going on at epoch {epoch + 1} of {epochs}, step {step + 1} of {steps}")
        self._begin("training", total=epochs * steps, done=epoch * steps + step)

    def advance(self, *, clips: int, loss: float | None, learning_rate: float) -> None:  # noqa: ARG002
        """Count a step."""
        self._done += 1
        self._clips += clips
        self._loss = self._loss if loss is None else loss
        speed = self._speed(self._clips, "clip")
        shown = speed if self._loss is None else f"loss {self._loss:.4f}, {speed}"
        epoch, step = divmod(self._done - 1, self._steps)
        place = f"epoch {epoch + 1} of {self._epochs}"
        self._show(speed=shown, description=place)
        if self._bar is None and self._is_due():
            self.note(f"{place}, step {step + 1} of {self._steps}: {shown}, {self._left()}")

    def end_epoch(
        self, epoch: int, *, loss: float, held_out_top1: float | None, clips_per_second: float
    ) -> None:
        """Print a line on an epoch, unless epochs are shorter than one would want to read."""
        if epoch + 1 < self._epochs and not self._is_due():
            return
        score = "" if held_out_top1 is None else f", held-out top-1 {percent(held_out_top1)} %"
        self.note(
            f"epoch {epoch + 1} of {self._epochs} done: loss {loss:.4f}{score}, "
            f"{clips_per_second:.1f} clips/s"
        )

    def features(self, done: int, total: int) -> None:
        """Show how many features are computed."""
        if not self._on_features:
            self._on_features = True
            self._begin("features", total=total, done=done)
        self._done = done
        speed = self._speed(self._done - self._begun, "feature")
        self._show(speed=speed, description="features")
        if self._bar is None and (done == total or self._is_due()):
            self.note(f"features: {done} of {total}, {speed}")

    def finish(self) -> None:
        """End the run."""
        self._end()


def _rich_bar(to: Console) -> RichProgress:
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
